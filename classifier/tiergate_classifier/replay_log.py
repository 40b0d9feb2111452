"""Rows of the decision log, replayed under another policy with the decision functions that serve.

Two things can change: the tier, which is decided from the logged scores, and what the gate makes of the answer, which
is decided from the logged confidence. Whether the log tells what would have happened depends on which calls it holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiergate.decisions import GateOutcome, Reason
from tiergate.errors import ConfigurationError
from tiergate.policy.confidence_gate import decide_gate
from tiergate.policy.intent_router import decide_route
from tiergate.ports import Classification
from tiergate.settings import Policy

Floats = NDArray[np.float64]
METRICS = ("cost_usd", "quality", "escalated", "latency_ms")
_FAILURES = frozenset({Reason.REFUSAL, Reason.TRUNCATED, Reason.EMPTY_ANSWER, Reason.INVALID_JSON})


class ReplayError(ConfigurationError):
    """The log cannot tell what a policy would have done; names what is missing and the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedDecision:
    """What replay needs of one row.

    Attributes:
        classification: Logged scores; None when the request was not classified (cache hit, failure).
        controlled_tier: Tier that the client asked for; None without that control.
        tier: Tier of the first call.
        propensity: P(this tier was chosen).
        confidence: Of the first answer; None without a signal.
        failure: Structural defect of the first answer; None without one.
        escalated: Whether a stronger tier was asked.
        tokens: Tokens of the first call.
        first_cost_usd: Cost of the calls to the first tier.
        first_ms: Latency without the escalation's calls.
        cost_usd: Cost of all calls.
        latency_ms: Latency of the request.
        quality: Feedback, 0 to 1; NaN when nobody said.
    """

    classification: Classification | None
    controlled_tier: str | None
    tier: str | None
    propensity: float
    confidence: float | None
    failure: Reason | None
    escalated: bool
    tokens: int
    first_cost_usd: float
    first_ms: float
    cost_usd: float
    latency_ms: float
    quality: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """n logged decisions under a policy.

    Attributes:
        fixed: Shape (n,). No tier was chosen, so the row stays as it is.
        tiers: Tier under the policy, length n.
        logged_tiers: Tier in the log, length n.
        matched: Shape (n,). Both are the same.
        propensity: Shape (n,). P(the logged tier) by the odds in force; below 1 every tier was possible.
        outcomes: Metric -> shape (n,), what the row gives where it matches; NaN where not known.
        modelled: Metric -> shape (n,), what is expected under the policy's tier, from the rows of that tier.
        modelled_logged: Metric -> shape (n,), the same under the logged tier.
        extended: Shape (n,). The gate would ask one tier more than it did: cost and latency of that call are modelled.
    """

    fixed: NDArray[np.bool_]
    tiers: Sequence[str | None]
    logged_tiers: Sequence[str | None]
    matched: NDArray[np.bool_]
    propensity: Floats
    outcomes: Mapping[str, Floats]
    modelled: Mapping[str, Floats]
    modelled_logged: Mapping[str, Floats]
    extended: NDArray[np.bool_]


def parse_row(row: Mapping[str, Any], *, domain_cuts: Mapping[str, float]) -> LoggedDecision:
    """Return what replay needs of a row of the decision log.

    Args:
        row: As `DecisionRecord.to_row` writes it.
        domain_cuts: Cuts of the classifier artifact that the log was written with.
    """
    route, gate, calls = row["route"], row["gate"], row["calls"]
    first = next((call for call in calls if call["tier"] == route["tier"] and call["status"] == "ok"), None)
    later = [call for call in calls if call["tier"] not in {route["tier"], None}]
    feedback = row.get("feedback") or {}
    score = feedback.get("score")
    reason = gate["reason"]
    return LoggedDecision(
        classification=_classification(route, domain_cuts),
        controlled_tier=route["tier"] if route["reason"] == Reason.START_TIER_CONTROL else None,
        tier=route["tier"] if first is not None else None,
        propensity=float(route.get("propensity") or 1.0),
        confidence=gate["confidence"],
        failure=Reason(reason) if reason in _FAILURES else None,
        escalated=gate["outcome"] == GateOutcome.ESCALATED,
        tokens=0 if first is None else first["prompt_tokens"] + first["completion_tokens"],
        first_cost_usd=float(row["cost_usd"]) - sum(call["cost_usd"] for call in later),
        first_ms=float(row["latency_ms"]) - sum(call["ms"] for call in later),
        cost_usd=float(row["cost_usd"]),
        latency_ms=float(row["latency_ms"]),
        quality=float("nan") if score is None else float(score),
    )


def _classification(route: Mapping[str, Any], domain_cuts: Mapping[str, float]) -> Classification | None:
    if not route.get("lower_bounds"):
        return None
    return Classification(
        scores=route["scores"],
        lower_bounds=route["lower_bounds"],
        domains=route.get("domains") or {},
        domain_cuts=domain_cuts,
    )


@dataclass(frozen=True, slots=True)
class TierModel:
    """What a call to a tier costs and gives on average, from the log: the model behind the doubly robust estimate."""

    usd_per_token: Mapping[str, float]
    means: Mapping[tuple[str, str], float]

    def expect(self, metric: str, tier: str, tokens: int) -> float:
        """Return the expected outcome of a request that starts on a tier; NaN when the log has no such call."""
        if metric == "cost_usd":
            return self.usd_per_token.get(tier, np.nan) * tokens * self.means.get(("cost_factor", tier), 1.0)
        return self.means.get((metric, tier), np.nan)


def fit_tiers(rows: Sequence[LoggedDecision]) -> TierModel:
    """Fit the averages of each tier; escalations count into its cost."""
    price: dict[str, float] = {}
    means: dict[tuple[str, str], float] = {}
    for tier in {row.tier for row in rows if row.tier is not None}:
        own = [row for row in rows if row.tier == tier]
        tokens, first = sum(row.tokens for row in own), sum(row.first_cost_usd for row in own)
        price[tier] = first / tokens if tokens else 0.0
        means["cost_factor", tier] = sum(row.cost_usd for row in own) / first if first else 1.0
        means["escalated", tier] = float(np.mean([row.escalated for row in own]))
        means["latency_ms", tier] = float(np.mean([row.latency_ms for row in own]))
        means["first_ms", tier] = float(np.mean([row.first_ms for row in own]))
        rated = [row.quality for row in own if row.quality == row.quality]
        means["quality", tier] = float(np.mean(rated)) if rated else np.nan
    return TierModel(price, means)


def replay_rows(rows: Sequence[LoggedDecision], policy: Policy) -> Replayed:
    """Decide every row again under a policy.

    Args:
        rows: The log.
        policy: What to decide with.

    Raises:
        ReplayError: A tier of the policy is not among the logged scores.
    """
    model = fit_tiers(rows)
    decided = [_replay_row(row, policy, model) for row in rows]
    return Replayed(
        fixed=np.array([row.tier is None or row.classification is None for row in rows], dtype=bool),
        tiers=[item.tier for item in decided],
        logged_tiers=[row.tier for row in rows],
        matched=np.array([item.tier == row.tier for item, row in zip(decided, rows, strict=True)], dtype=bool),
        propensity=np.array([item.propensity for item in decided]),
        outcomes={name: np.array([item.outcome[name] for item in decided]) for name in METRICS},
        modelled={name: np.array([item.expected[name] for item in decided]) for name in METRICS},
        modelled_logged={name: np.array([item.expected_logged[name] for item in decided]) for name in METRICS},
        extended=np.array([item.extended for item in decided], dtype=bool),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    tier: str | None
    propensity: float
    outcome: Mapping[str, float]
    expected: Mapping[str, float]
    expected_logged: Mapping[str, float]
    extended: bool


def _replay_row(row: LoggedDecision, policy: Policy, model: TierModel) -> _Row:
    logged = {
        "cost_usd": row.cost_usd,
        "quality": row.quality,
        "escalated": float(row.escalated),
        "latency_ms": row.latency_ms,
    }
    if row.tier is None or row.classification is None:
        return _Row(
            tier=row.tier, propensity=1.0, outcome=logged, expected=logged, expected_logged=logged, extended=False
        )
    if missing := [name for name in policy.tier_names if name not in row.classification.lower_bounds]:
        raise ReplayError("the log", "route.lower_bounds", f"has no scores for {', '.join(missing)}", "use its tiers")
    controls = {} if row.controlled_tier is None else {"start_tier": row.controlled_tier}
    route = decide_route(row.classification, policy, controls=controls, kind="log", digest="")
    tier = str(route.tier)
    gate = decide_gate(
        route,
        policy,
        tier=tier,
        confidence=row.confidence,
        failure=row.failure,
        signals={},
        escalations=0,
    )
    escalates = gate.outcome is GateOutcome.ESCALATED
    extended = escalates and not row.escalated
    outcome = dict(logged)
    if row.escalated and not escalates:
        # The log has the first call's cost; the grade it has is of the stronger tier's answer.
        outcome |= {"cost_usd": row.first_cost_usd, "latency_ms": row.first_ms, "escalated": 0.0, "quality": np.nan}
    elif extended:
        target = str(gate.escalate_to)
        outcome |= {
            "cost_usd": row.cost_usd + model.usd_per_token.get(target, np.nan) * row.tokens,
            "latency_ms": row.latency_ms + model.means.get(("first_ms", target), np.nan),
            "escalated": 1.0,
            "quality": np.nan,
        }
    return _Row(
        tier=tier,
        propensity=row.propensity,
        outcome=outcome,
        expected={name: model.expect(name, tier, row.tokens) for name in METRICS},
        expected_logged={name: model.expect(name, row.tier, row.tokens) for name in METRICS},
        extended=extended and tier == row.tier,
    )
