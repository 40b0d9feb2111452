"""Decisions of the semantic cache: what is looked up, what is served, what is stored."""

from tiergate.decisions import CacheDecision, CacheOutcome, GateDecision, GateOutcome, Reason
from tiergate.exchange import Answer, Request
from tiergate.policy.confidence_gate import ROUTER_PRIOR
from tiergate.ports import Neighbour
from tiergate.settings import SemanticCache

DEFAULT_MIN_SIMILARITY = 0.92
COMPLETE = frozenset({None, "stop"})


def decide_eligibility(request: Request, settings: SemanticCache) -> Reason | None:
    """Return why a request must not meet the cache at all, or None when it may.

    A tenant that cannot be established never reads or writes: this rule fails closed.
    """
    rules = (
        (not settings.enabled, Reason.DISABLED),
        (request.tenant is None, Reason.TENANT_UNKNOWN),
        (request.controls.get("cache") == "off", Reason.CONTROL_OFF),
        (request.has_tools, Reason.TOOL_USE),
        (not request.text_only or not request.prompt.strip(), Reason.NOT_TEXT),
        (request.choices != 1, Reason.MANY_CHOICES),
        (request.turns > 1, Reason.MULTI_TURN),
        (request.logprobs_asked, Reason.LOGPROBS_ASKED),
    )
    return next((reason for broken, reason in rules if broken), None)


def decide_hit(neighbour: Neighbour | None, request: Request, settings: SemanticCache, *, now: float) -> CacheDecision:
    """Decide whether the nearest stored answer is served.

    Args:
        neighbour: The nearest live entry in the request's tenant and context; None when there is none.
        request: The request.
        settings: The cache's policy.
        now: Unix time in seconds.
    """
    if neighbour is None:
        return CacheDecision(outcome=CacheOutcome.MISS, reason=Reason.NO_NEIGHBOUR)
    age_s = max(0.0, now - neighbour.answer.stored_at)
    max_age_s = request.controls.get("max_age_s")
    minimum = settings.min_similarity or DEFAULT_MIN_SIMILARITY
    if neighbour.answer.expires_at <= now or (max_age_s is not None and age_s > max_age_s):
        return CacheDecision(outcome=CacheOutcome.MISS, reason=Reason.EXPIRED, similarity=neighbour.similarity)
    if not neighbour.exact and neighbour.similarity < minimum:
        return CacheDecision(
            outcome=CacheOutcome.MISS, reason=Reason.BELOW_MIN_SIMILARITY, similarity=neighbour.similarity
        )
    return CacheDecision(
        outcome=CacheOutcome.HIT,
        reason=Reason.EXACT_MATCH if neighbour.exact else Reason.SIMILAR_ENOUGH,
        similarity=neighbour.similarity,
        age_s=age_s,
        entry_id=neighbour.answer.entry_id,
    )


def decide_store(cache: CacheDecision, gate: GateDecision, answer: Answer, settings: SemanticCache) -> bool:
    """Decide whether an answer may be served to others: only what is complete and the gate trusts.

    After an escalation the confidence of the answer that the client got counts, and the router's score alone
    is not enough: it was given before the first answer turned out weak. With the gate disabled every complete
    answer is stored.
    """
    looked_up = cache.outcome is CacheOutcome.MISS or cache.reason is Reason.CONTROL_REFRESH
    complete = answer.finish_reason in COMPLETE and bool(answer.text.strip()) and not answer.refusal
    if not (looked_up and complete and len(answer.text) <= settings.max_answer_chars):
        return False
    if gate.outcome is GateOutcome.ESCALATED:
        if ROUTER_PRIOR in gate.signals:
            return False
        return gate.final_confidence is not None and gate.final_confidence >= (gate.trust_from or 0.0)
    return gate.outcome is GateOutcome.TRUSTED or gate.reason is Reason.DISABLED
