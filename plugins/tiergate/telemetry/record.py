"""The decision record: what tiergate did with one request and why, once, in one shape."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any, Final, Literal

import numpy as np

from tiergate.decisions import (
    CacheDecision,
    GateDecision,
    GateOutcome,
    HedgeDecision,
    JudgeDecision,
    PlanCost,
    Reason,
    RouteDecision,
)
from tiergate.exchange import Call
from tiergate.ports import Vector
from tiergate.telemetry.names import GATE_PENDING, Header, Stage

FAILURE_REASONS: Final = frozenset(
    {
        Reason.STAGE_FAILED,
        Reason.BUDGET_EXCEEDED,
        Reason.QUEUE_FULL,
        Reason.ESCALATION_FAILED,
    }
)
"""Reasons that say that a stage could not do its work. A failed model call is the provider's: see `calls[].status`."""


class DecisionStatus(StrEnum):
    """How the request ended."""

    OK = "ok"
    FAILED = "failed"
    DISCONNECTED = "disconnected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What a user said of the answer afterwards.

    Attributes:
        score: How good it was, 0 to 1; None when not said.
        wrong_cache_hit: Whether the cached answer belonged to another question.
        comment: The user's words; empty when none.
    """

    score: float | None = None
    wrong_cache_hit: bool = False
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionRecord:
    """One request's decisions. `RECORD_FIELDS` describes each field with its unit.

    `embedding` is a float32 vector of shape (dimensions,). It goes to the log row, so that training works without the
    text, and to no span, metric or JSON line. `prompt` is None unless policy says that prompts are stored.
    """

    decision_id: str
    ts: float
    call_id: str
    entry_model: str
    cache: CacheDecision
    route: RouteDecision
    gate: GateDecision
    hedge: HedgeDecision | None = None
    calls: Sequence[Call] = ()
    trace_id: str | None = None
    tenant: str | None = None
    strategy: Literal["route", "cascade"] | None = None
    mode: Literal["active", "shadow"] = "active"
    experiment: str | None = None
    arm: str | None = None
    unit: str | None = None
    session: str | None = None
    final_tier: str | None = None
    cost_usd: float = 0.0
    baseline_cost_usd: float | None = None
    saved_usd: float | None = None
    latency_ms: float = 0.0
    overhead_ms: float = 0.0
    stage_ms: Mapping[Stage, float] = field(default_factory=dict)
    stage_start_ms: Mapping[Stage, float] = field(default_factory=dict)
    status: DecisionStatus = DecisionStatus.OK
    errors: Mapping[Stage, str] = field(default_factory=dict)
    feedback: Feedback | None = None
    judge: JudgeDecision | None = None
    embedding: Vector | None = None
    features: Mapping[str, float] | None = None
    prompt: str | None = None

    def to_row(self) -> dict[str, Any]:
        """Return the log row: nested, JSON-ready, every float finite (NaN and infinities become null).

        `embedding`, `features` and `prompt` are present only when given; the embedding is base64 of little-endian
        float32.
        """
        row = self.to_line()
        if self.embedding is not None:
            row["embedding"] = encode_embedding(self.embedding)
        if self.features is not None:
            row["features"] = {name: round(value, 6) for name, value in self.features.items()}
        if self.prompt is not None:
            row["prompt"] = self.prompt
        return row

    def to_line(self) -> dict[str, Any]:
        """Return the row without embedding and prompt: what a JSON log line may hold."""
        row = {name: _plain(getattr(self, name)) for name in _LINE_NAMES}
        row["route"]["ms"] = _plain(self.stage_ms.get(Stage.INTENT_ROUTER))
        return row


_ROW_ONLY: Final = ("embedding", "features", "prompt")
_LINE_NAMES: Final = tuple(f.name for f in fields(DecisionRecord) if f.name not in _ROW_ONLY)
_PARTS: Final[dict[type, tuple[str, ...]]] = {
    # The error of a stage stands in `errors`, by the stage's name.
    part: tuple(f.name for f in fields(part) if f.name != "error")
    for part in (CacheDecision, RouteDecision, PlanCost, GateDecision, HedgeDecision, Call, Feedback, JudgeDecision)
}


def _plain(value: Any) -> Any:
    """Return a JSON-ready copy of a field."""
    if value is None or type(value) in {str, int, bool}:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if names := _PARTS.get(type(value)):
        return {name: _plain(getattr(value, name)) for name in names}
    return [_plain(item) for item in value]


def encode_embedding(vector: Vector) -> str:
    """Return a vector of shape (dimensions,) as base64 of little-endian float32."""
    return base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode("ascii")


def decode_embedding(text: str) -> Vector:
    """Return the float32 vector of shape (dimensions,) that `encode_embedding` wrote."""
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)


def build_headers(record: DecisionRecord, *, streaming: bool, settled: bool = True) -> dict[str, str]:
    """Return the response headers of a decision; a header without a value is absent.

    Args:
        record: The decision. On a stream, what is known when the headers leave.
        streaming: Whether the answer is a stream. Then tier and score are those of routing, the gate is `pending`, and
            confidence, cost and saved are absent: the record behind the decision id has them later.
        settled: Whether every call has ended. Cost and saved are absent until then.
    """
    spent = settled and not streaming
    headers = {
        Header.DECISION_ID: record.decision_id,
        Header.TIER: (record.route.tier or record.final_tier) if streaming else record.final_tier,
        Header.CACHE: record.cache.outcome.value,
        Header.ROUTE_SCORE: _score(record.route.score),
        Header.CONFIDENCE: None if streaming else _score(_served_confidence(record.gate)),
        Header.GATE: GATE_PENDING if streaming else record.gate.outcome.value,
        Header.COST_USD: _usd(record.cost_usd) if spent else None,
        Header.SAVED_USD: _usd(record.saved_usd) if spent else None,
        Header.EXPERIMENT: f"{record.experiment}={record.arm}" if record.experiment else None,
    }
    return {header.value: _header_text(value) for header, value in headers.items() if value is not None}


def _served_confidence(gate: GateDecision) -> float | None:
    """Return P(the answer the client got is good), never that of an answer that was replaced."""
    if gate.final_confidence is not None or gate.outcome is GateOutcome.ESCALATED:
        return gate.final_confidence
    return gate.confidence


def _score(value: float | None) -> str | None:
    return None if value is None or not math.isfinite(value) else f"{value:.4f}"


def _usd(value: float | None) -> str | None:
    # Adding 0.0 turns a negative zero, also one made by rounding, into zero.
    return None if value is None or not math.isfinite(value) else f"{round(value, 8) + 0.0:.8f}"


def _header_text(value: str) -> str:
    """Return the value with everything but printable ASCII replaced: a name in policy must not break a response."""
    return "".join(char if " " <= char <= "~" else "?" for char in value)


def find_failure(record: DecisionRecord, stage: Stage) -> Reason | None:
    """Return why a stage could not do its work; None when it could, or decides nothing."""
    decided = {
        Stage.SEMANTIC_CACHE: record.cache.reason,
        Stage.INTENT_ROUTER: record.route.reason,
        Stage.CONFIDENCE_GATE: record.gate.reason,
    }
    reason = decided.get(stage)
    return reason if reason in FAILURE_REASONS else None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordField:
    """One line of the documented table.

    Attributes:
        name: Dotted name in the row; `[]` marks a list, `.*` a mapping.
        unit: Unit or type in words.
        text: What it says, one line.
    """

    name: str
    unit: str
    text: str


def _described(*lines: tuple[str, str, str]) -> tuple[RecordField, ...]:
    return tuple(RecordField(name=name, unit=unit, text=text) for name, unit, text in lines)


RECORD_FIELDS: Final = _described(
    ("decision_id", "id", "Names the decision; the same in the header, the span and the log"),
    ("ts", "Unix time, s", "When the request arrived"),
    ("call_id", "id", "LiteLLM's call id"),
    ("trace_id", "32 hex digits", "Trace the spans are in; null without tracing"),
    ("tenant", "hash", "Identity that answers may be shared with; null when it could not be established"),
    ("entry_model", "name", "What the client put in `model`"),
    ("strategy", "route, cascade", "Plan that was followed; null when the request passed through"),
    (
        "mode",
        "active, shadow",
        "Whether the decision was acted on; a shadow request went where it would go without tiergate",
    ),
    ("experiment", "name", "Experiment the request took part in; null when none"),
    ("arm", "name", "Arm of the experiment"),
    ("unit", "hash", "What was assigned to the arm: key, user or session"),
    ("session", "hash", "Session of the client; null when none"),
    ("cache.outcome", "CacheOutcome", "What the semantic cache did"),
    ("cache.reason", "Reason", "Why"),
    ("cache.similarity", "-1 to 1", "Cosine to the nearest stored prompt; null when none was looked up"),
    ("cache.error_bound", "share", "Bound on the share of wrong hits in force; null with a static similarity"),
    ("cache.age_s", "s", "Age of the served answer; null unless hit"),
    ("cache.entry_id", "id", "The served entry; null unless hit"),
    ("cache.probability", "probability", "P(the same answer serves both prompts); null when not asked for"),
    ("cache.store_reason", "Reason", "What became of the new answer: stored, or why not; null when there was none"),
    ("cache.agreed", "boolean", "Whether a re-asked answer says the same as the stored one; null when not re-asked"),
    ("cache.waited_ms", "ms", "How long it waited for the same question of another request; null when it did not"),
    ("route.outcome", "RouteOutcome", "What the intent router did"),
    ("route.reason", "Reason", "Why"),
    ("route.tier", "name", "Tier it chose; null when the request passed through"),
    ("route.score", "probability", "P(the chosen tier's answer is good enough)"),
    ("route.scores.*", "probability", "The same for each tier, by name"),
    ("route.lower_bounds.*", "probability", "Lower confidence bound of each score, by tier name"),
    ("route.domain", "name", "Most probable domain; null when not classified"),
    ("route.domain_score", "probability", "P(domain)"),
    ("route.strategy_domain", "name", "Domain whose `strategy` counted; null where that of policy did"),
    ("route.classifier", "kind", "Kind of classifier that scored"),
    ("route.artifact_digest", "digest", "Classifier artifact in use"),
    ("route.ruled_out.*", "Need", "What each tier that cannot take the request lacks, by tier"),
    ("route.shadow_tier", "name", "Tier the shadow artifact would have chosen; null without one"),
    ("route.shadow_score", "probability", "P(good enough) of that tier by the shadow artifact"),
    ("route.shadow_digest", "digest", "The shadow artifact"),
    ("route.fallback", "error class", "Why another classifier than the configured one scored; null when it did not"),
    ("route.domains.*", "probability", "P(domain) of every domain, by name"),
    (
        "route.propensity",
        "probability",
        "P(this tier was chosen), exploration counted in; null when no tier was chosen",
    ),
    ("route.plan[]", "name", "Tiers of the plan chosen by `strategy: auto`, as they are asked; empty without one"),
    ("route.plans[].tiers[]", "name", "Tiers of each plan that was compared, as they would be asked"),
    ("route.plans[].quality", "probability", "Its P(good enough), by lower bounds"),
    ("route.plans[].escalation_probability", "probability", "P(its first answer is escalated)"),
    ("route.plans[].calls_usd", "USD", "Tokens times price of its calls, each by the probability that it is made"),
    ("route.plans[].verifier_usd", "USD", "The same for the verifier"),
    ("route.plans[].latency_s", "s", "Expected time; null when the time of some tier is not known"),
    ("route.plans[].latency_usd", "USD", "That time at `latency.usd_per_s`"),
    ("route.plans[].switching_usd", "USD", "Cached tokens lost by starting here, times the price difference"),
    ("route.plans[].expected_usd", "USD", "The sum of the four"),
    ("route.ms", "ms", "Time spent in the intent router"),
    ("gate.outcome", "GateOutcome", "What the confidence gate did"),
    ("gate.reason", "Reason", "Why"),
    ("gate.confidence", "probability", "P(the first answer is good); null without a signal"),
    ("gate.final_confidence", "probability", "P(the answer the client got is good); null without a signal"),
    ("gate.signals.*", "number", "The signals behind it, by name"),
    ("gate.escalate_below", "probability", "Lower cut in force"),
    ("gate.trust_from", "probability", "Upper cut in force"),
    ("gate.escalate_to", "name", "Tier to ask next; null unless the answer was too weak"),
    ("gate.verifier", "kind", "Verifier that was asked; null when none was"),
    ("hedge.outcome", "HedgeOutcome", "What became of the hedge; `hedge` is null where policy has none"),
    ("hedge.reason", "Reason", "Why it begins, or why it does not"),
    ("hedge.tier", "name", "Tier that it asks; null when skipped without one"),
    ("hedge.after_ms", "ms", "When it begins, after the start of the first call; null when it cannot"),
    ("hedge.escalation_probability", "probability", "P(the first answer is escalated), before there is one"),
    ("calls[].tier", "name", "Tier the call was made for; null when the request passed through"),
    ("calls[].model_group", "name", "LiteLLM model group that was asked"),
    ("calls[].model", "name", "Model that answered"),
    ("calls[].provider", "name", "Provider that answered"),
    ("calls[].fallback_from", "name", "What failed before; null without a fallback"),
    ("calls[].prompt_tokens", "tokens", "Tokens of the prompt"),
    ("calls[].completion_tokens", "tokens", "Tokens of the answer"),
    ("calls[].cached_tokens", "tokens", "Prompt tokens read from the provider's own cache"),
    ("calls[].cost_usd", "USD", "What the call cost"),
    ("calls[].ms", "ms", "How long it took"),
    ("calls[].start_ms", "ms after ts", "When it began; null when not measured"),
    ("calls[].status", "ok or error class", "How it ended"),
    ("calls[].hedge", "boolean", "Whether it began before the weaker answer was there"),
    ("final_tier", "name", "Tier whose answer the client got"),
    ("cost_usd", "USD", "What the request cost, all calls together"),
    ("baseline_cost_usd", "USD", "What it would have cost on the baseline tier; null when not known"),
    ("saved_usd", "USD", "Baseline less cost, negative when dearer; null when not known"),
    ("latency_ms", "ms", "From arrival to the end of the answer"),
    ("overhead_ms", "ms", "The part of it that tiergate added"),
    ("stage_ms.*", "ms", "Time spent in each stage, by name"),
    ("stage_start_ms.*", "ms after ts", "When each stage began, by name"),
    ("status", "DecisionStatus", "How the request ended"),
    ("errors.*", "error class", "Error of each stage that failed, by name"),
    ("feedback.score", "0 to 1", "How good the answer was, from feedback; `feedback` is null before"),
    ("feedback.wrong_cache_hit", "boolean", "Whether the cached answer belonged to another question"),
    ("feedback.comment", "text", "The user's words"),
    (
        "judge.score",
        "0 to 1",
        "Served answer against the baseline's: 1 better, 0 worse; `judge` is null when not graded",
    ),
    ("judge.probability", "probability", "P(this answer was graded): weigh by its inverse"),
    ("judge.cost_usd", "USD", "What the grading cost; no part of `cost_usd`"),
    ("embedding", "base64", "The prompt's vector, little-endian float32; log row only, absent when none"),
    ("features.*", "number", "Surface features of the prompt; log row only, absent when not classified"),
    ("prompt", "text", "The prompt; log row only, absent unless `store_prompts` is true"),
)
"""Every field of the row, in order."""


def build_record_table() -> str:
    """Return the Markdown table of the record for the documentation."""
    lines = ["| Field | Unit or type | Meaning |", "|---|---|---|"]
    lines += [f"| `{item.name}` | {item.unit} | {item.text} |" for item in RECORD_FIELDS]
    return "\n".join(lines) + "\n"
