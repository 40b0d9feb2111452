"""Every name that leaves tiergate: spans, attributes, metrics, units, response headers and closed label sets.

Names of the OpenTelemetry GenAI conventions are used where one exists; the rest is `tiergate.*`, derived from the
stage's stem. Prompt and answer text have no name here: they are never an attribute.
"""

from enum import StrEnum
from typing import Final

SEMCONV_VERSION: Final = "1.44.0"
"""Version of the OpenTelemetry semantic conventions whose GenAI names are emitted."""

SCHEMA_URL: Final = f"https://opentelemetry.io/schemas/{SEMCONV_VERSION}"
SCOPE: Final = "tiergate"
"""Name of the tracer and of the meter."""

DECISION_LOGGER: Final = "tiergate.decision"
"""Name of the standard-library logger that takes one JSON line for each decision."""


class Stage(StrEnum):
    """What is timed in a request. The values are the stems of the stages."""

    EMBEDDING = "embedding"
    SEMANTIC_CACHE = "semantic_cache"
    INTENT_ROUTER = "intent_router"
    CONFIDENCE_GATE = "confidence_gate"


class Header(StrEnum):
    """Response headers a client sees."""

    DECISION_ID = "x-tiergate-decision-id"
    TIER = "x-tiergate-tier"
    CACHE = "x-tiergate-cache"
    ROUTE_SCORE = "x-tiergate-route-score"
    CONFIDENCE = "x-tiergate-confidence"
    GATE = "x-tiergate-gate"
    COST_USD = "x-tiergate-cost-usd"
    SAVED_USD = "x-tiergate-saved-usd"
    EXPERIMENT = "x-tiergate-experiment"


GATE_PENDING: Final = "pending"
"""Value of the gate header on a stream: headers leave before the gate has seen the answer."""


class Span(StrEnum):
    """Span names. The stage spans are `tiergate.<stage>`."""

    DECISION = "tiergate.decision"
    EMBEDDING = "tiergate.embedding"
    SEMANTIC_CACHE = "tiergate.semantic_cache"
    INTENT_ROUTER = "tiergate.intent_router"
    CONFIDENCE_GATE = "tiergate.confidence_gate"
    CALL = "tiergate.call"


class Attribute(StrEnum):
    """Span attributes, links included."""

    DECISION_ID = "tiergate.decision.id"
    CALL_ID = "tiergate.call_id"
    TENANT = "tiergate.tenant"
    ENTRY_MODEL = "tiergate.entry_model"
    STRATEGY = "tiergate.strategy"
    EXPERIMENT = "tiergate.experiment"
    ARM = "tiergate.arm"
    SESSION = "tiergate.session"
    FINAL_TIER = "tiergate.final_tier"
    COST_USD = "tiergate.cost_usd"
    BASELINE_COST_USD = "tiergate.baseline_cost_usd"
    SAVED_USD = "tiergate.saved_usd"
    OVERHEAD_MS = "tiergate.overhead_ms"
    STATUS = "tiergate.status"
    CACHE_OUTCOME = "tiergate.semantic_cache.outcome"
    CACHE_REASON = "tiergate.semantic_cache.reason"
    CACHE_SIMILARITY = "tiergate.semantic_cache.similarity"
    CACHE_ERROR_BOUND = "tiergate.semantic_cache.error_bound"
    CACHE_AGE_S = "tiergate.semantic_cache.age_s"
    CACHE_ENTRY_ID = "tiergate.semantic_cache.entry_id"
    ROUTE_OUTCOME = "tiergate.intent_router.outcome"
    ROUTE_REASON = "tiergate.intent_router.reason"
    ROUTE_TIER = "tiergate.intent_router.tier"
    ROUTE_SCORE = "tiergate.intent_router.score"
    ROUTE_SCORES = "tiergate.intent_router.scores"  # prefix: one attribute for each tier
    ROUTE_DOMAIN = "tiergate.intent_router.domain"
    ROUTE_DOMAIN_SCORE = "tiergate.intent_router.domain_score"
    ROUTE_CLASSIFIER = "tiergate.intent_router.classifier"
    ROUTE_ARTIFACT_DIGEST = "tiergate.intent_router.artifact_digest"
    GATE_OUTCOME = "tiergate.confidence_gate.outcome"
    GATE_REASON = "tiergate.confidence_gate.reason"
    GATE_CONFIDENCE = "tiergate.confidence_gate.confidence"
    GATE_SIGNALS = "tiergate.confidence_gate.signals"  # prefix: one attribute for each signal
    GATE_ESCALATE_BELOW = "tiergate.confidence_gate.escalate_below"
    GATE_TRUST_FROM = "tiergate.confidence_gate.trust_from"
    GATE_ESCALATE_TO = "tiergate.confidence_gate.escalate_to"
    GATE_VERIFIER = "tiergate.confidence_gate.verifier"
    CALL_TIER = "tiergate.call.tier"
    CALL_FALLBACK_FROM = "tiergate.call.fallback_from"
    CALL_COST_USD = "tiergate.call.cost_usd"
    CALL_HEDGE = "tiergate.call.hedge"
    HEDGE_OUTCOME = "tiergate.hedge.outcome"
    HEDGE_REASON = "tiergate.hedge.reason"
    LINK = "tiergate.link"
    # OpenTelemetry conventions
    OPERATION_NAME = "gen_ai.operation.name"
    PROVIDER_NAME = "gen_ai.provider.name"
    REQUEST_MODEL = "gen_ai.request.model"
    RESPONSE_MODEL = "gen_ai.response.model"
    INPUT_TOKENS = "gen_ai.usage.input_tokens"
    OUTPUT_TOKENS = "gen_ai.usage.output_tokens"
    CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens"
    ERROR_TYPE = "error.type"
    EVALUATION_NAME = "gen_ai.evaluation.name"
    EVALUATION_SCORE = "gen_ai.evaluation.score.value"
    EVALUATION_LABEL = "gen_ai.evaluation.score.label"
    EVALUATION_EXPLANATION = "gen_ai.evaluation.explanation"


class Event(StrEnum):
    """Events, emitted through the Logs API."""

    EVALUATION = "gen_ai.evaluation.result"


OPERATION_CHAT: Final = "chat"
LINK_ESCALATED_FROM: Final = "escalated_from"
"""Value of `tiergate.link` on the link from a stronger call to the call it replaces."""


class Metric(StrEnum):
    """Metric names: counters and histograms only; a ratio is a query over two of them."""

    REQUESTS = "tiergate.requests"
    CALLS = "tiergate.calls"
    TOKENS = "tiergate.tokens"
    COST_USD = "tiergate.cost_usd"
    BASELINE_COST_USD = "tiergate.baseline_cost_usd"
    SAVED_USD = "tiergate.saved_usd"
    OVERSPENT_USD = "tiergate.overspent_usd"
    ESCALATIONS = "tiergate.escalations"
    HEDGES = "tiergate.hedges"
    CLOSED_SLICE_HITS = "tiergate.semantic_cache.closed_slice_hits"
    STAGE_FAILURES = "tiergate.stage.failures"
    STAGE_DURATION = "tiergate.stage.duration"
    REQUEST_DURATION = "tiergate.request.duration"
    OVERHEAD = "tiergate.overhead"
    SIMILARITY = "tiergate.semantic_cache.similarity"
    CONFIDENCE = "tiergate.confidence_gate.confidence"
    DROPPED_RECORDS = "tiergate.decision_log.dropped"
    DRIFT_TESTS = "tiergate.drift.tests"
    DRIFT_ALARMS = "tiergate.drift.alarms"
    FEEDBACK = "tiergate.feedback"
    FEEDBACK_CONFIDENCE = "tiergate.feedback.confidence"
    FEEDBACK_QUALITY = "tiergate.feedback.quality"


UNITS: Final[dict[Metric, str]] = {
    Metric.REQUESTS: "{request}",
    Metric.CALLS: "{call}",
    Metric.TOKENS: "{token}",
    Metric.COST_USD: "{USD}",
    Metric.BASELINE_COST_USD: "{USD}",
    Metric.SAVED_USD: "{USD}",
    Metric.OVERSPENT_USD: "{USD}",
    Metric.ESCALATIONS: "{escalation}",
    Metric.HEDGES: "{request}",
    Metric.CLOSED_SLICE_HITS: "{request}",
    Metric.STAGE_FAILURES: "{failure}",
    Metric.STAGE_DURATION: "s",
    Metric.REQUEST_DURATION: "s",
    Metric.OVERHEAD: "s",
    Metric.SIMILARITY: "1",
    Metric.CONFIDENCE: "1",
    Metric.DROPPED_RECORDS: "{record}",
    Metric.DRIFT_TESTS: "{test}",
    Metric.DRIFT_ALARMS: "{alarm}",
    Metric.FEEDBACK: "{feedback}",
    Metric.FEEDBACK_CONFIDENCE: "1",
    Metric.FEEDBACK_QUALITY: "1",
}

DESCRIPTIONS: Final[dict[Metric, str]] = {
    Metric.REQUESTS: "Requests decided",
    Metric.CALLS: "Calls to models made for them",
    Metric.TOKENS: "Tokens of those calls; cached ones are counted among the input ones too",
    Metric.COST_USD: "What the requests cost",
    Metric.BASELINE_COST_USD: "What they would have cost on the baseline tier",
    Metric.SAVED_USD: "Sum over requests that cost less than the baseline",
    Metric.OVERSPENT_USD: "Sum over requests that cost more than the baseline",
    Metric.ESCALATIONS: "Answers replaced by a stronger tier's",
    Metric.HEDGES: "Requests under a policy with a hedge, by what became of it and why",
    Metric.CLOSED_SLICE_HITS: "Would-be hits that were asked anyway: too many of their slice were wrong",
    Metric.STAGE_FAILURES: "Stages that failed, so that the request went on without them",
    Metric.STAGE_DURATION: "Time spent in a stage",
    Metric.REQUEST_DURATION: "Time from arrival to the end of the answer",
    Metric.OVERHEAD: "Time tiergate itself added",
    Metric.SIMILARITY: "Cosine to the nearest stored prompt",
    Metric.CONFIDENCE: "Confidence in the first answer",
    Metric.DROPPED_RECORDS: "Decision records lost: the journal was full or the database refused them",
    Metric.DRIFT_TESTS: "Tests for drift made in the background, by kind and domain",
    Metric.DRIFT_ALARMS: "Those of them that found drift",
    Metric.FEEDBACK: "Feedback on decisions",
    Metric.FEEDBACK_CONFIDENCE: "Sum of the confidence in graded answers",
    Metric.FEEDBACK_QUALITY: "Sum of the grades of the same answers",
}


class Label(StrEnum):
    """Metric labels. Each has a closed set of values, or one that configuration closes."""

    STATUS = "status"
    CACHE = "cache"
    GATE = "gate"
    TIER = "tier"
    DOMAIN = "domain"
    STAGE = "stage"
    OUTCOME = "outcome"
    REASON = "reason"
    TYPE = "type"
    FALLBACK = "fallback"
    PROVIDER = "provider"
    KIND = "kind"
    BIN = "bin"


class TokenType(StrEnum):
    """Values of the label `type` of the token counter."""

    INPUT = "input"
    OUTPUT = "output"
    CACHED = "cached"


class FeedbackKind(StrEnum):
    """Values of the label `kind` of the feedback counter."""

    GRADED = "graded"
    """A score on an answer whose confidence is known: it counts in calibration."""
    UNGRADED = "ungraded"
    """A score on another answer."""
    HIT = "hit"
    """A cached answer that was the right one, or that nobody called wrong."""
    WRONG_HIT = "wrong_hit"
    """A cached answer that belonged to another question."""


CONFIDENCE_BINS: Final = 10
"""Values of the label `bin`: "0" to "9", tenths of the confidence."""

MAX_PROVIDERS: Final = 20
"""So many values of the label `provider`, the first ones seen; any further one is `other`."""


class CallStatus(StrEnum):
    """Values of the label `status` of the call counter."""

    OK = "ok"
    FAILED = "failed"


LABEL_NONE: Final = "none"
"""Label value where there is nothing to name, such as the tier of a request that passed through."""

LABEL_OTHER: Final = "other"
"""Label value of anything outside the configured set."""

DURATION_BUCKETS_S: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
    0.1, 0.18, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
)  # fmt: skip
SHARE_BUCKETS: Final = (
    0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.92, 0.94, 0.96, 0.98, 0.99, 1.0,
)  # fmt: skip
BUCKETS: Final[dict[Metric, tuple[float, ...]]] = {
    Metric.STAGE_DURATION: DURATION_BUCKETS_S,
    Metric.REQUEST_DURATION: DURATION_BUCKETS_S,
    Metric.OVERHEAD: DURATION_BUCKETS_S,
    Metric.SIMILARITY: SHARE_BUCKETS,
    Metric.CONFIDENCE: SHARE_BUCKETS,
}
