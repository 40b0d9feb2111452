"""The closed sets of outcomes and reasons, and what each stage decided.

The values are identical in code, header, span attribute, metric label, log row and docs.
"""

from collections.abc import Mapping, Sequence
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


class HedgeOutcome(StrEnum):
    """What became of a hedge: a stronger tier's call that may begin before the cheap answer is there."""

    PLANNED = "planned"
    RUNNING = "running"
    WON = "won"
    LOST = "lost"
    FAILED = "failed"
    CANCELLED = "cancelled"
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
    ABOUT_NOW = "about_now"
    ABOUT_CALLER = "about_caller"
    OTHER_LANGUAGE = "other_language"
    ABOVE_MAX_ERROR = "above_max_error"
    NO_CONTROLLED_CUT = "no_controlled_cut"
    NOT_COVERED = "not_covered"
    NO_LONGER_TRUSTED = "no_longer_trusted"
    UNCONFIRMED = "unconfirmed"
    RECALLED = "recalled"
    SLICE_CLOSED = "slice_closed"
    RE_ASKED = "re_asked"
    SAME_FLIGHT = "same_flight"
    # semantic_cache, what became of a new answer
    STORED = "stored"
    STORE_FAILED = "store_failed"
    NOT_TRUSTED = "not_trusted"
    NOT_LOOKED_UP = "not_looked_up"
    FILTERED = "filtered"
    INCOMPLETE = "incomplete"
    TOO_LONG = "too_long"
    STORE_LIMIT = "store_limit"
    # intent_router
    SCORE_MEETS_QUALITY = "score_meets_quality"
    NO_TIER_MEETS_QUALITY = "no_tier_meets_quality"
    DOMAIN_OVERRIDE = "domain_override"
    DOMAIN_UNKNOWN = "domain_unknown"
    START_TIER_CONTROL = "start_tier_control"
    TIER_RULED_OUT = "tier_ruled_out"
    NO_TIER_FITS = "no_tier_fits"
    TURN_INHERITED = "turn_inherited"
    PLAN_MODE_FLOOR = "plan_mode_floor"
    KEYWORD_FLOOR = "keyword_floor"
    TOOL_STALL = "tool_stall"
    EXPLORATION = "exploration"
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
    # plans
    LOWEST_EXPECTED_COST = "lowest_expected_cost"
    STRAIGHT_PLAN = "straight_plan"
    # latency budget and sessions
    LATENCY_BUDGET = "latency_budget"
    SESSION_STICKY = "session_sticky"
    FAILING_TOOL_LOOP = "failing_tool_loop"
    # hedges
    SLOW_CALL = "slow_call"
    ESCALATION_LIKELY = "escalation_likely"
    ESCALATION_UNLIKELY = "escalation_unlikely"
    ANSWERED_IN_TIME = "answered_in_time"
    NOT_PREDICTED = "not_predicted"
    NO_LATENCY_BUDGET = "no_latency_budget"
    STREAMED = "streamed"
    SHADOW_MODE = "shadow_mode"
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
        probability: P(the same answer serves both prompts); None when it was not asked for.
        store_reason: What became of the new answer: stored, or why not; None when there was none.
        agreed: Whether a re-asked answer says the same as the stored one; None when it was not re-asked.
        waited_ms: How long the request waited for the same question of another; None when it did not.
        error: Class of the error when the stage failed.
    """

    outcome: CacheOutcome
    reason: Reason
    similarity: float | None = None
    error_bound: float | None = None
    age_s: float | None = None
    entry_id: str | None = None
    probability: float | None = None
    store_reason: Reason | None = None
    agreed: bool | None = None
    waited_ms: float | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanCost:
    """What a plan is expected to cost, in USD for one request, before any call.

    Attributes:
        tiers: Tiers in the order they would be asked; one for a plan that asks one only.
        quality: P(the answer is good enough), by the lower bounds of the scores.
        escalation_probability: P(the first answer is escalated), by the score.
        calls_usd: Tokens times price of every call, each weighed with the probability that it is made.
        verifier_usd: The same for the verifier.
        latency_s: Expected time in seconds; None when the time of some tier is not known.
        latency_usd: That time at the value that policy gives it.
        switching_usd: Tokens in the provider's prompt cache that would be lost, times the price difference.
        expected_usd: The sum.
    """

    tiers: tuple[str, ...]
    quality: float
    escalation_probability: float
    calls_usd: float
    verifier_usd: float
    latency_s: float | None
    latency_usd: float
    switching_usd: float
    expected_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteDecision:
    """Which tier the intent router chose.

    Attributes:
        outcome: routed, bypassed (a domain override chose the tier) or skipped.
        reason: Why.
        tier: Name of the chosen tier; None when the request goes on unchanged.
        score: P(good enough) of the chosen tier.
        scores: P(good enough) of every tier, by name.
        lower_bounds: Lower confidence bound of each score, by tier name: what `min_quality` is compared with.
        domain: The most probable domain; None when not classified.
        domain_score: P(domain).
        strategy_domain: The domain whose `strategy` counts; None where policy's own does.
        classifier: Kind of classifier that scored ("embedded", "vllm").
        artifact_digest: Digest of the classifier artifact.
        ruled_out: What each tier that cannot take the request lacks, by tier name.
        shadow_tier: Tier that the shadow artifact would have chosen; None without one.
        shadow_score: P(good enough) of that tier by the shadow artifact.
        shadow_digest: Digest of the shadow artifact.
        fallback: Class of the error for which another classifier than the configured one scored; None without.
        domains: P(domain) of every domain, by name.
        propensity: P(this tier was chosen), exploration counted in; None when no tier was chosen.
        plan: Tiers of the plan with the lowest expected cost, in the order they are asked; empty when none was made.
        plans: The arithmetic of every plan that was compared.
        error: Class of the error when the stage failed.
    """

    outcome: RouteOutcome
    reason: Reason
    tier: str | None = None
    score: float | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    lower_bounds: Mapping[str, float] = field(default_factory=dict)
    domain: str | None = None
    domain_score: float | None = None
    strategy_domain: str | None = None
    classifier: str | None = None
    artifact_digest: str | None = None
    ruled_out: Mapping[str, str] = field(default_factory=dict)
    shadow_tier: str | None = None
    shadow_score: float | None = None
    shadow_digest: str | None = None
    fallback: str | None = None
    domains: Mapping[str, float] = field(default_factory=dict)
    propensity: float | None = None
    plan: tuple[str, ...] = ()
    plans: Sequence[PlanCost] = ()
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


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeDecision:
    """Whether the stronger tier's call begins before the cheap answer is there, and how it ended.

    Attributes:
        outcome: planned or running while the request is on its way; won when the gate asked for its answer, lost when
            nobody did, failed, cancelled with the request, or skipped.
        reason: Why it begins, or why it does not.
        tier: Tier that it asks; None when skipped without one.
        after_ms: When it begins, after the start of the cheap call; None when it cannot.
        escalation_probability: P(the cheap answer is escalated), before there is one; None when not known.
    """

    outcome: HedgeOutcome
    reason: Reason
    tier: str | None = None
    after_ms: float | None = None
    escalation_probability: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeDecision:
    """How a judge graded the served answer against the baseline tier's.

    Attributes:
        score: 1 better, 0.5 equal, 0 worse; None when the judge or the baseline gave nothing to read.
        probability: P(this answer was graded): weigh by its inverse.
        cost_usd: What the grading cost; no part of the request's cost.
    """

    score: float | None
    probability: float
    cost_usd: float
