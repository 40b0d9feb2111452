"""Decisions of the semantic cache: what is looked up, what is served, what is stored."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tiergate.decisions import CacheDecision, CacheOutcome, GateDecision, GateOutcome, Reason
from tiergate.exchange import Answer, Request
from tiergate.policy.answer_confidence import UNMEASURED
from tiergate.policy.cache_key import SHARED_SCOPES
from tiergate.policy.cacheable_prompt import find_obstacle, leans_on_earlier
from tiergate.policy.pair_features import PromptProfile
from tiergate.policy.signals import measure_signals
from tiergate.ports import Neighbour, StoredAnswer
from tiergate.settings import SemanticCache

DEFAULT_MIN_SIMILARITY = 0.92
COMPLETE = frozenset({None, "stop"})

_STORED_ANYWAY = frozenset({Reason.CONTROL_REFRESH, Reason.BUDGET_EXCEEDED, Reason.QUEUE_FULL, Reason.STAGE_FAILED})
"""A look-up that was left out or failed says nothing against the answer."""

_INCOMPLETE: Mapping[str, Reason] = {
    "length": Reason.TRUNCATED,
    "content_filter": Reason.FILTERED,
    "tool_calls": Reason.TOOL_USE,
    "function_call": Reason.TOOL_USE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairVerdict:
    """What is known of a prompt and its neighbour beyond their cosine.

    Attributes:
        covered: Whether both vectors stand for their whole texts.
        language: Language the prompt is written in; empty when unknown.
        neighbour_language: The neighbour's.
        probability: P(the same answer serves both); None when no pair model is in force.
        min_probability: The controlled cut; None when no cut controls the error.
        error_bound: Upper bound of the error above the cut.
    """

    covered: bool = True
    language: str = ""
    neighbour_language: str = ""
    probability: float | None = None
    min_probability: float | None = None
    error_bound: float | None = None


def decide_eligibility(request: Request, settings: SemanticCache) -> Reason | None:
    """Return why a request must not meet the cache at all, or None when it may.

    A tenant that cannot be established never reads or writes: this rule fails closed.
    """
    conversation = settings.multi_turn == "embed_conversation"
    rules = (
        (not settings.enabled, Reason.DISABLED),
        (request.tenant is None, Reason.TENANT_UNKNOWN),
        (settings.scope in SHARED_SCOPES and request.caller is None, Reason.TENANT_UNKNOWN),
        (request.controls.get("cache") == "off", Reason.CONTROL_OFF),
        (request.has_tools, Reason.TOOL_USE),
        (not request.text_only or not request.prompt.strip(), Reason.NOT_TEXT),
        (request.choices != 1, Reason.MANY_CHOICES),
        (request.logprobs_asked, Reason.LOGPROBS_ASKED),
    )
    broken = next((reason for broken, reason in rules if broken), None)
    if broken is None:
        broken = find_obstacle(request.prompt)
    if broken is None and not conversation and request.turns > 1 and leans_on_earlier(request.prompt):
        broken = Reason.MULTI_TURN
    return broken


def decide_hit(
    neighbour: Neighbour | None,
    request: Request,
    settings: SemanticCache,
    *,
    now: float,
    verdict: PairVerdict | None = None,
    trust_from: float | None = None,
) -> CacheDecision:
    """Decide whether the nearest stored answer is served.

    Args:
        neighbour: The nearest live entry in the request's tenant and context; None when there is none.
        request: The request.
        settings: The cache's policy.
        now: Unix time in seconds.
        verdict: What else is known of the pair; needed unless the match is exact.
        trust_from: The gate's upper cut; None when the gate is disabled. An answer that would not pass it any
            more is not served.
    """
    if neighbour is None:
        return CacheDecision(outcome=CacheOutcome.MISS, reason=Reason.NO_NEIGHBOUR)
    verdict = verdict or PairVerdict()
    age_s = max(0.0, now - neighbour.answer.stored_at)
    refused = _stale(neighbour.answer, request, settings, now=now, trust_from=trust_from)
    if refused is None and not neighbour.exact:
        refused = _unlike(neighbour, settings, verdict)
    if refused is not None:
        return CacheDecision(
            outcome=CacheOutcome.MISS,
            reason=refused,
            similarity=neighbour.similarity,
            probability=verdict.probability,
            error_bound=verdict.error_bound,
        )
    return CacheDecision(
        outcome=CacheOutcome.HIT,
        reason=Reason.EXACT_MATCH if neighbour.exact else Reason.SIMILAR_ENOUGH,
        similarity=neighbour.similarity,
        age_s=age_s,
        entry_id=neighbour.answer.entry_id,
        probability=verdict.probability,
        error_bound=verdict.error_bound,
    )


def _stale(
    answer: StoredAnswer, request: Request, settings: SemanticCache, *, now: float, trust_from: float | None
) -> Reason | None:
    """Return why an entry is not served to this caller now, whatever its prompt, or None."""
    max_age_s = request.controls.get("max_age_s")
    if answer.expires_at <= now or (max_age_s is not None and now - answer.stored_at > max_age_s):
        return Reason.EXPIRED
    if trust_from is not None and (answer.confidence is None or answer.confidence < trust_from):
        return Reason.NO_LONGER_TRUSTED
    shared = settings.scope in SHARED_SCOPES and request.caller not in answer.confirmed_by
    if shared and len(set(answer.confirmed_by)) < settings.confirmations:
        return Reason.UNCONFIRMED
    return None


def _unlike(neighbour: Neighbour, settings: SemanticCache, verdict: PairVerdict) -> Reason | None:
    """Return why a similar prompt's answer does not serve this one, or None. Any doubt is a reason."""
    if not verdict.covered:
        return Reason.NOT_COVERED
    if verdict.language and verdict.neighbour_language and verdict.language != verdict.neighbour_language:
        return Reason.OTHER_LANGUAGE
    if settings.max_error is None:
        minimum = settings.min_similarity or DEFAULT_MIN_SIMILARITY
        return None if neighbour.similarity >= minimum else Reason.BELOW_MIN_SIMILARITY
    if verdict.min_probability is None:
        return Reason.NO_CONTROLLED_CUT
    served = verdict.probability is not None and verdict.probability >= verdict.min_probability
    return None if served else Reason.ABOVE_MAX_ERROR


def decide_store(
    cache: CacheDecision, gate: GateDecision, answer: Answer, request: Request, settings: SemanticCache
) -> Reason:
    """Decide whether an answer may be served to others: only what is complete and the gate trusts.

    After an escalation the confidence of the answer that the client got counts, and the router's score alone
    is not enough: it was given before the first answer turned out weak. With the gate disabled every complete
    answer is stored.

    Returns:
        `stored` when it may be; else why not.
    """
    looked_up = cache.outcome is CacheOutcome.MISS or cache.reason in _STORED_ANYWAY
    signals = measure_signals(answer, request)
    rules = (
        (not looked_up, Reason.NOT_LOOKED_UP),
        (bool(answer.tool_arguments), Reason.TOOL_USE),
        (answer.finish_reason not in COMPLETE, _INCOMPLETE.get(answer.finish_reason or "", Reason.INCOMPLETE)),
        (not answer.text.strip(), Reason.EMPTY_ANSWER),
        (answer.refusal or signals.get("refusal", 0.0) > 0, Reason.REFUSAL),
        (len(answer.text) > settings.max_answer_chars, Reason.TOO_LONG),
        (not _trusted(gate), Reason.NOT_TRUSTED),
    )
    return next((reason for broken, reason in rules if broken), Reason.STORED)


def _trusted(gate: GateDecision) -> bool:
    if gate.outcome is GateOutcome.ESCALATED:
        measured = gate.final_confidence is not None and UNMEASURED.isdisjoint(gate.signals)
        return measured and (gate.final_confidence or 0.0) >= (gate.trust_from or 0.0)
    return gate.outcome is GateOutcome.TRUSTED or gate.reason is Reason.DISABLED


def decide_ttl_s(request: Request, settings: SemanticCache, *, draw: float) -> float:
    """Return how long an answer is kept: what the caller asked for, clamped by policy, shortened by jitter.

    Args:
        request: The request; its control `ttl_s` can only shorten.
        settings: The cache's policy.
        draw: A number in [0, 1) that spreads entries that were stored together.
    """
    asked: Any = request.controls.get("ttl_s")
    ttl_s = settings.ttl_s if asked is None else min(float(asked), settings.ttl_s)
    return ttl_s * (1.0 - settings.ttl_jitter * draw)


def language_of(profile: PromptProfile) -> str:
    """Return the language a prompt is written in; empty when its words do not tell."""
    return profile.language
