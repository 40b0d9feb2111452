"""The closed sets of outcomes and reasons, and what each stage decided.

The values are identical in code, header, span attribute, metric label, log row and docs.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class CacheOutcome(StrEnum):
    """What the semantic cache did."""

    HIT = "hit"
    MISS = "miss"
    SKIPPED = "skipped"


class RouteOutcome(StrEnum):
    """What the intent router did."""

    ROUTED = "routed"
    BYPASSED = "bypassed"
    SKIPPED = "skipped"


class GateOutcome(StrEnum):
    """What the confidence gate did."""

    TRUSTED = "trusted"
    VERIFIED = "verified"
    ESCALATED = "escalated"
    BYPASSED = "bypassed"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a stage did what it did, or did nothing."""

    # any stage
    DISABLED = "disabled"
    STAGE_FAILED = "stage_failed"
    BUDGET_EXCEEDED = "budget_exceeded"
    QUEUE_FULL = "queue_full"
    CACHE_HIT = "cache_hit"
    # semantic_cache
    EXACT_MATCH = "exact_match"
    SIMILAR_ENOUGH = "similar_enough"
    NO_NEIGHBOUR = "no_neighbour"
    BELOW_MIN_SIMILARITY = "below_min_similarity"
    EXPIRED = "expired"
    TENANT_UNKNOWN = "tenant_unknown"
    MULTI_TURN = "multi_turn"
    TOOL_USE = "tool_use"
    NOT_TEXT = "not_text"
    MANY_CHOICES = "many_choices"
    LOGPROBS_ASKED = "logprobs_asked"
    CONTROL_OFF = "control_off"
    CONTROL_REFRESH = "control_refresh"
    # intent_router
    SCORE_MEETS_QUALITY = "score_meets_quality"
    NO_TIER_MEETS_QUALITY = "no_tier_meets_quality"
    DOMAIN_OVERRIDE = "domain_override"
    DOMAIN_UNKNOWN = "domain_unknown"
    START_TIER_CONTROL = "start_tier_control"
    # confidence_gate
    CONFIDENCE_HIGH = "confidence_high"
    CONFIDENCE_MIDDLE = "confidence_middle"
    CONFIDENCE_LOW = "confidence_low"
    NO_SIGNAL = "no_signal"
    REFUSAL = "refusal"
    TRUNCATED = "truncated"
    EMPTY_ANSWER = "empty_answer"
    INVALID_JSON = "invalid_json"
    DOMAIN_BYPASS = "domain_bypass"
    STRONGEST_TIER = "strongest_tier"
    MAX_ESCALATIONS = "max_escalations"
    ESCALATION_FAILED = "escalation_failed"
    STREAM_BEGUN = "stream_begun"
    # latency budget and sessions
    LATENCY_BUDGET = "latency_budget"
    SESSION_STICKY = "session_sticky"
    FAILING_TOOL_LOOP = "failing_tool_loop"
    # verifiers
    VERIFIER_KEPT = "verifier_kept"
    VERIFIER_REJECTED = "verifier_rejected"
    VERIFIER_FAILED = "verifier_failed"
    CALL_FAILED = "call_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheDecision:
    """What the semantic cache decided.

    Attributes:
        outcome: hit, miss or skipped.
        reason: Why.
        similarity: Cosine to the nearest stored prompt in scope; None when none was looked up.
        error_bound: The bound on the share of wrong hits in force; None with a static similarity.
        age_s: Age of the served answer in seconds; None unless hit.
        entry_id: Identifier of the served entry; None unless hit.
        error: Class of the error when the stage failed.
    """

    outcome: CacheOutcome
    reason: Reason
    similarity: float | None = None
    error_bound: float | None = None
    age_s: float | None = None
    entry_id: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDecision:
    """Which tier the intent router chose.

    Attributes:
        outcome: routed, bypassed (a domain override chose the tier) or skipped.
        reason: Why.
        tier: Name of the chosen tier; None when the request goes on unchanged.
        score: P(good enough) of the chosen tier.
        scores: P(good enough) of every tier, by name.
        domain: The most probable domain; None when not classified.
        domain_score: P(domain).
        classifier: Kind of classifier that scored ("embedded", "vllm").
        artifact_digest: Digest of the classifier artifact.
        error: Class of the error when the stage failed.
    """

    outcome: RouteOutcome
    reason: Reason
    tier: str | None = None
    score: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    domain: str | None = None
    domain_score: float | None = None
    classifier: str | None = None
    artifact_digest: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecision:
    """What the confidence gate made of an answer.

    Attributes:
        outcome: trusted, verified, escalated, bypassed or skipped.
        reason: Why.
        confidence: P(the first answer is good); None without a signal.
        final_confidence: P(the answer the client got is good); differs after an escalation.
        signals: The signals behind the confidence, by name.
        escalate_below: The lower cut in force.
        trust_from: The upper cut in force.
        escalate_to: Name of the tier to ask next; None unless the answer is too weak.
        verifier: Kind of verifier that was asked; None when none was.
        error: Class of the error when the escalation failed.
    """

    outcome: GateOutcome
    reason: Reason
    confidence: float | None = None
    final_confidence: float | None = None
    signals: Mapping[str, float] = field(default_factory=dict)
    escalate_below: float | None = None
    trust_from: float | None = None
    escalate_to: str | None = None
    verifier: str | None = None
    error: str | None = None
