"""What is looked up, served and stored."""

import dataclasses

import numpy as np
import pytest

from tiergate.decisions import CacheDecision, CacheOutcome, GateDecision, GateOutcome, Reason
from tiergate.exchange import Answer, Request
from tiergate.policy.confidence_gate import ROUTER_PRIOR
from tiergate.policy.semantic_cache import decide_eligibility, decide_hit, decide_store
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
        ({"turns": 2}, Reason.MULTI_TURN),
        ({"logprobs_asked": True}, Reason.LOGPROBS_ASKED),
        ({}, None),
    ],
)
def test_each_ineligible_request_has_its_reason(changes: dict[str, object], reason: Reason | None) -> None:
    assert decide_eligibility(dataclasses.replace(REQUEST, **changes), SETTINGS) is reason  # type: ignore[arg-type]


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


@pytest.mark.parametrize(
    ("cache", "gate", "answer", "stored"),
    [
        (MISS, TRUSTED, GOOD, True),
        (REFRESH, TRUSTED, GOOD, True),
        (OFF, TRUSTED, GOOD, False),
        (MISS, TRUSTED, Answer(text="Paris", finish_reason="length"), False),
        (MISS, TRUSTED, Answer(text=" ", finish_reason="stop"), False),
        (MISS, TRUSTED, Answer(text="no", finish_reason="stop", refusal=True), False),
        (MISS, TRUSTED, Answer(text="x" * 100_001, finish_reason="stop"), False),
        (MISS, GateDecision(outcome=GateOutcome.VERIFIED, reason=Reason.CONFIDENCE_MIDDLE), GOOD, False),
        (MISS, escalated(0.9), GOOD, True),
        (MISS, escalated(0.8), GOOD, False),
        (MISS, escalated(None), GOOD, False),
        (MISS, dataclasses.replace(escalated(0.9), signals={ROUTER_PRIOR: 0.9}), GOOD, False),
        (MISS, GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.ESCALATION_FAILED), GOOD, False),
        (MISS, GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.DISABLED), GOOD, True),
        (MISS, GateDecision(outcome=GateOutcome.BYPASSED, reason=Reason.DOMAIN_BYPASS), GOOD, False),
    ],
)
def test_only_what_the_gate_trusts_is_stored(
    cache: CacheDecision, gate: GateDecision, answer: Answer, *, stored: bool
) -> None:
    assert decide_store(cache, gate, answer, SETTINGS) is stored
