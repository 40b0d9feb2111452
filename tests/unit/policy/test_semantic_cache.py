"""What is looked up, served and stored."""

import dataclasses

import numpy as np
import pytest

from tiergate.decisions import CacheDecision, CacheOutcome, GateDecision, GateOutcome, Reason
from tiergate.exchange import Answer, Request
from tiergate.policy.answer_confidence import ROUTER_PRIOR
from tiergate.policy.semantic_cache import PairVerdict, decide_eligibility, decide_hit, decide_store, decide_ttl_s
from tiergate.ports import Neighbour, StoredAnswer
from tiergate.settings import SemanticCache

SETTINGS = SemanticCache(min_similarity=0.9)
REQUEST = Request(call_id="1", endpoint="chat_completions", entry_model="auto", tenant="t", prompt="hello")
STORED = StoredAnswer(
    entry_id="e", tenant="t", context_key="", prompt="hello", vector=np.zeros(1, np.float32), body={}, tier="simple",
    confidence=0.9, cost_usd=0.1, stored_at=100.0, expires_at=200.0,
)  # fmt: skip


def neighbour(similarity: float, *, exact: bool = False, **changes: float) -> Neighbour:
    return Neighbour(answer=dataclasses.replace(STORED, **changes), similarity=similarity, exact=exact)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"tenant": None}, Reason.TENANT_UNKNOWN),
        ({"controls": {"cache": "off"}}, Reason.CONTROL_OFF),
        ({"has_tools": True}, Reason.TOOL_USE),
        ({"text_only": False}, Reason.NOT_TEXT),
        ({"prompt": "  "}, Reason.NOT_TEXT),
        ({"choices": 2}, Reason.MANY_CHOICES),
        ({"turns": 3, "prompt": "and the second one?"}, Reason.MULTI_TURN),
        ({"turns": 3, "prompt": "What is the capital of Portugal?"}, None),
        ({"turns": 1, "prompt": "and the second one?"}, None),
        ({"prompt": "What is my balance?"}, Reason.ABOUT_CALLER),
        ({"prompt": "What happened today?"}, Reason.ABOUT_NOW),
        ({"prompt": "What does `today()` do in Excel?"}, None),
        ({"logprobs_asked": True}, Reason.LOGPROBS_ASKED),
        ({}, None),
    ],
)
def test_each_ineligible_request_has_its_reason(changes: dict[str, object], reason: Reason | None) -> None:
    assert decide_eligibility(dataclasses.replace(REQUEST, **changes), SETTINGS) is reason  # type: ignore[arg-type]


def test_a_conversation_that_is_embedded_whole_may_lean() -> None:
    settings = SemanticCache(multi_turn="embed_conversation")
    request = dataclasses.replace(REQUEST, turns=3, prompt="and the second one?")
    assert decide_eligibility(request, settings) is None


@pytest.mark.parametrize("scope", ["team", "global"])
def test_a_shared_scope_wants_to_know_its_caller(scope: str) -> None:
    settings = SemanticCache(scope=scope)  # type: ignore[arg-type]
    assert decide_eligibility(REQUEST, settings) is Reason.TENANT_UNKNOWN
    assert decide_eligibility(dataclasses.replace(REQUEST, caller="a"), settings) is None


def test_a_disabled_cache_says_so() -> None:
    assert decide_eligibility(REQUEST, SemanticCache(enabled=False)) is Reason.DISABLED


@pytest.mark.parametrize(
    ("found", "outcome", "reason"),
    [
        (None, CacheOutcome.MISS, Reason.NO_NEIGHBOUR),
        (neighbour(0.95), CacheOutcome.HIT, Reason.SIMILAR_ENOUGH),
        (neighbour(0.9), CacheOutcome.HIT, Reason.SIMILAR_ENOUGH),
        (neighbour(0.89), CacheOutcome.MISS, Reason.BELOW_MIN_SIMILARITY),
        (neighbour(1.0, exact=True), CacheOutcome.HIT, Reason.EXACT_MATCH),
        (neighbour(1.0, exact=True, expires_at=150.0), CacheOutcome.MISS, Reason.EXPIRED),
    ],
)
def test_a_neighbour_is_served_only_when_near_and_live(
    found: Neighbour | None, outcome: CacheOutcome, reason: Reason
) -> None:
    decision = decide_hit(found, REQUEST, SETTINGS, now=150.0)
    assert (decision.outcome, decision.reason) == (outcome, reason)


@pytest.mark.parametrize(
    ("trust_from", "confidence", "reason"),
    [
        (None, 0.1, Reason.EXACT_MATCH),
        (0.9, 0.9, Reason.EXACT_MATCH),
        (0.95, 0.9, Reason.NO_LONGER_TRUSTED),
        (0.5, None, Reason.NO_LONGER_TRUSTED),
        (None, None, Reason.EXACT_MATCH),
    ],
)
def test_an_answer_that_would_not_pass_the_gate_today_is_not_served(
    trust_from: float | None, confidence: float | None, reason: Reason
) -> None:
    found = neighbour(1.0, exact=True, confidence=confidence)  # type: ignore[arg-type]
    assert decide_hit(found, REQUEST, SETTINGS, now=150.0, trust_from=trust_from).reason is reason


@pytest.mark.parametrize(
    ("confirmed_by", "caller", "reason"),
    [
        (("a",), "a", Reason.EXACT_MATCH),
        (("a",), "b", Reason.UNCONFIRMED),
        (("a", "a"), "b", Reason.UNCONFIRMED),
        (("a", "c"), "b", Reason.EXACT_MATCH),
        ((), "b", Reason.UNCONFIRMED),
    ],
)
@pytest.mark.parametrize("scope", ["team", "global"])
def test_a_shared_answer_is_served_to_others_once_it_is_confirmed(
    scope: str, confirmed_by: tuple[str, ...], caller: str, reason: Reason
) -> None:
    settings = SemanticCache(scope=scope, confirmations=2)  # type: ignore[arg-type]
    found = neighbour(1.0, exact=True, confirmed_by=confirmed_by)  # type: ignore[arg-type]
    request = dataclasses.replace(REQUEST, caller=caller)
    assert decide_hit(found, request, settings, now=150.0).reason is reason


BOUND = SemanticCache(max_error=0.01)


@pytest.mark.parametrize(
    ("settings", "verdict", "reason"),
    [
        (SETTINGS, PairVerdict(covered=False), Reason.NOT_COVERED),
        (SETTINGS, PairVerdict(language="english", neighbour_language="german"), Reason.OTHER_LANGUAGE),
        (SETTINGS, PairVerdict(language="english", neighbour_language=""), Reason.SIMILAR_ENOUGH),
        (SETTINGS, PairVerdict(language="english", neighbour_language="english"), Reason.SIMILAR_ENOUGH),
        (BOUND, PairVerdict(), Reason.NO_CONTROLLED_CUT),
        (BOUND, PairVerdict(probability=0.99), Reason.NO_CONTROLLED_CUT),
        (BOUND, PairVerdict(probability=0.98, min_probability=0.99), Reason.ABOVE_MAX_ERROR),
        (BOUND, PairVerdict(probability=None, min_probability=0.99), Reason.ABOVE_MAX_ERROR),
        (BOUND, PairVerdict(probability=0.99, min_probability=0.99), Reason.SIMILAR_ENOUGH),
    ],
)
def test_a_similar_prompt_is_served_only_without_a_doubt(
    settings: SemanticCache, verdict: PairVerdict, reason: Reason
) -> None:
    assert decide_hit(neighbour(0.99), REQUEST, settings, now=150.0, verdict=verdict).reason is reason


def test_a_bound_without_a_verdict_serves_exact_matches_only() -> None:
    assert decide_hit(neighbour(0.999), REQUEST, BOUND, now=150.0).reason is Reason.NO_CONTROLLED_CUT
    assert decide_hit(neighbour(1.0, exact=True), REQUEST, BOUND, now=150.0).reason is Reason.EXACT_MATCH


@pytest.mark.parametrize(("asked", "ttl_s"), [(None, 80.0), (50, 40.0), (1000, 80.0)])
def test_the_time_to_live_is_clamped_by_policy_and_jittered(asked: int | None, ttl_s: float) -> None:
    request = dataclasses.replace(REQUEST, controls={} if asked is None else {"ttl_s": asked})
    settings = SemanticCache(ttl_s=100, ttl_jitter=0.4)
    assert decide_ttl_s(request, settings, draw=0.5) == pytest.approx(ttl_s)


def test_a_hit_tells_age_and_entry() -> None:
    decision = decide_hit(neighbour(0.95), REQUEST, SETTINGS, now=150.0)
    assert (decision.age_s, decision.entry_id, decision.similarity) == (50.0, "e", 0.95)


def test_an_answer_older_than_the_client_accepts_is_a_miss() -> None:
    request = dataclasses.replace(REQUEST, controls={"max_age_s": 40})
    assert decide_hit(neighbour(0.99), request, SETTINGS, now=150.0).reason is Reason.EXPIRED


MISS = CacheDecision(outcome=CacheOutcome.MISS, reason=Reason.NO_NEIGHBOUR)
REFRESH = CacheDecision(outcome=CacheOutcome.SKIPPED, reason=Reason.CONTROL_REFRESH)
OFF = CacheDecision(outcome=CacheOutcome.SKIPPED, reason=Reason.CONTROL_OFF)
TRUSTED = GateDecision(outcome=GateOutcome.TRUSTED, reason=Reason.CONFIDENCE_HIGH)


def escalated(final_confidence: float | None) -> GateDecision:
    return GateDecision(
        outcome=GateOutcome.ESCALATED, reason=Reason.REFUSAL, final_confidence=final_confidence, trust_from=0.85
    )


GOOD = Answer(text="Paris", finish_reason="stop")


GATE = {
    "verified": GateDecision(outcome=GateOutcome.VERIFIED, reason=Reason.CONFIDENCE_MIDDLE),
    "escalation failed": GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.ESCALATION_FAILED),
    "disabled": GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.DISABLED),
    "bypassed": GateDecision(outcome=GateOutcome.BYPASSED, reason=Reason.DOMAIN_BYPASS),
}


def ending(finish_reason: str | None, text: str = "Paris", **fields: object) -> Answer:
    return Answer(text=text, finish_reason=finish_reason, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("cache", "gate", "answer", "reason"),
    [
        (MISS, TRUSTED, GOOD, Reason.STORED),
        (MISS, TRUSTED, ending(None), Reason.STORED),
        (REFRESH, TRUSTED, GOOD, Reason.STORED),
        (CacheDecision(outcome=CacheOutcome.SKIPPED, reason=Reason.BUDGET_EXCEEDED), TRUSTED, GOOD, Reason.STORED),
        (OFF, TRUSTED, GOOD, Reason.NOT_LOOKED_UP),
        (MISS, TRUSTED, ending("length"), Reason.TRUNCATED),
        (MISS, TRUSTED, ending("content_filter"), Reason.FILTERED),
        (MISS, TRUSTED, ending("tool_calls"), Reason.TOOL_USE),
        (MISS, TRUSTED, ending("stop", tool_arguments=(("f", "{}"),)), Reason.TOOL_USE),
        (MISS, TRUSTED, ending("error"), Reason.INCOMPLETE),
        (MISS, TRUSTED, ending("stop", " "), Reason.EMPTY_ANSWER),
        (MISS, TRUSTED, ending("stop", "no", refusal=True), Reason.REFUSAL),
        (MISS, TRUSTED, ending("stop", "I'm sorry, but I can't help with that."), Reason.REFUSAL),
        (MISS, TRUSTED, ending("stop", "Sorry is an apology."), Reason.STORED),
        (MISS, TRUSTED, ending("stop", "x" * 100_001), Reason.TOO_LONG),
        (MISS, TRUSTED, ending("stop", "x" * 100_000), Reason.STORED),
        (MISS, GATE["verified"], GOOD, Reason.NOT_TRUSTED),
        (MISS, escalated(0.9), GOOD, Reason.STORED),
        (MISS, escalated(0.8), GOOD, Reason.NOT_TRUSTED),
        (MISS, escalated(None), GOOD, Reason.NOT_TRUSTED),
        (MISS, dataclasses.replace(escalated(0.9), signals={ROUTER_PRIOR: 0.9}), GOOD, Reason.NOT_TRUSTED),
        (MISS, GATE["escalation failed"], GOOD, Reason.NOT_TRUSTED),
        (MISS, GATE["disabled"], GOOD, Reason.STORED),
        (MISS, GATE["bypassed"], GOOD, Reason.NOT_TRUSTED),
    ],
)
def test_only_what_is_complete_and_trusted_is_stored(
    cache: CacheDecision, gate: GateDecision, answer: Answer, reason: Reason
) -> None:
    assert decide_store(cache, gate, answer, REQUEST, SETTINGS) is reason
