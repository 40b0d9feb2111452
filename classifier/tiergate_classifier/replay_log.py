"""The decision log under another policy, decided with the functions that serve.

Two things can change: the tier, which is decided from the logged scores, and what the gate makes of the answer, which
is decided from the logged confidence. Whether the log tells what would have happened depends on which calls it holds.

Both decisions look at a row only to see which bounds its scores reach. Rows that reach the same ones are decided once,
by `decide_route` and `decide_gate` on one of them, so that a million rows take well under a second. Where a plan has
to be found (`strategy: auto`) each row is decided by itself: its plan depends on its very scores.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from tiergate.adapters.decision_columns import FAILURES, NONE, DecisionColumns
from tiergate.decisions import GateOutcome, RouteDecision
from tiergate.errors import ConfigurationError
from tiergate.policy.confidence_gate import decide_gate
from tiergate.policy.expected_cost import keeps_doubtful
from tiergate.policy.gate_calibration import GateCalibration
from tiergate.policy.intent_router import decide_route, find_domain_cut, find_least_bound
from tiergate.policy.latency import TierLatency
from tiergate.ports import Classification
from tiergate.settings import Policy
from tiergate_classifier.replay_plan import ReplayPlanner, read_latency

Floats = NDArray[np.float64]
Places = NDArray[np.intp]
METRICS = ("cost_usd", "quality", "escalated", "latency_ms")
NO_CUTS = Classification(scores={}, lower_bounds={}, domains={})


class ReplayError(ConfigurationError):
    """The log cannot tell what a policy would have done; names what is missing and the fix."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """n logged decisions under a policy.

    Attributes:
        names: Tiers of the log and of the policy.
        fixed: Shape (n,). No tier was chosen, so the row stays as it is.
        tiers: Shape (n,). Tier under the policy, place in `names`; `NONE` without one.
        logged_tiers: Shape (n,). Tier in the log, the same way.
        matched: Shape (n,). Both are the same.
        propensity: Shape (n,). P(the logged tier) by the odds in force; below 1 every tier was possible.
        outcomes: Metric -> shape (n,), what the row gives where it matches; NaN where not known.
        modelled: Metric -> shape (n,), what is expected under the policy's tier, from the rows of that tier.
        extended: Shape (n,). The gate would ask one tier more than it did: cost and latency of that call are modelled.
    """

    names: tuple[str, ...]
    fixed: NDArray[np.bool_]
    tiers: Places
    logged_tiers: Places
    matched: NDArray[np.bool_]
    propensity: Floats
    outcomes: Mapping[str, Floats]
    modelled: Mapping[str, Floats]
    extended: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class TierModel:
    """What a call to a tier costs and gives on average, from the log: the model behind the doubly robust estimate.

    Attributes:
        usd_per_token: Shape (tiers,). Of first calls; NaN for a tier without a call, as in the others.
        cost_factor: Shape (tiers,). What escalations add to a request's cost.
        first_ms: Shape (tiers,). Latency without escalations.
        means: Metric other than cost -> shape (tiers,).
    """

    usd_per_token: Floats
    cost_factor: Floats
    first_ms: Floats
    means: Mapping[str, Floats]

    def expect(self, metric: str, tiers: Places, tokens: Floats) -> Floats:
        """Return the expected outcome of requests that start on these tiers; NaN when the log has no such call."""
        if metric == "cost_usd":
            return self.usd_per_token[tiers] * tokens * self.cost_factor[tiers]
        return self.means[metric][tiers]


def fit_tiers(columns: DecisionColumns, names: Sequence[str]) -> TierModel:
    """Fit the averages of each tier; escalations count into its cost.

    Args:
        columns: The log.
        names: Tiers, those of the log first.
    """
    own = columns.tier >= 0
    tier = columns.tier[own].astype(np.intp)

    def total(values: Floats) -> Floats:
        return np.bincount(tier, weights=values, minlength=len(names)).astype(np.float64)

    ones = np.ones(len(tier))
    tokens, first, cost = total(columns.tokens[own]), total(columns.first_cost_usd[own]), total(columns.cost_usd[own])
    quality = columns.quality[own]
    rated = np.isfinite(quality)
    with np.errstate(divide="ignore", invalid="ignore"):
        count = np.where(total(ones) > 0, total(ones), np.nan)
        return TierModel(
            usd_per_token=np.where(tokens > 0, first / tokens, np.where(np.isnan(count), np.nan, 0.0)),
            cost_factor=np.where(first > 0, cost / first, 1.0),
            first_ms=total(columns.first_ms[own]) / count,
            means={
                "escalated": total(columns.escalated[own].astype(np.float64)) / count,
                "latency_ms": total(columns.latency_ms[own]) / count,
                "quality": total(np.where(rated, quality, 0.0)) / total(rated.astype(np.float64)),
            },
        )


def replay_columns(
    columns: DecisionColumns,
    policy: Policy,
    cuts: Classification = NO_CUTS,
    calibration: GateCalibration | None = None,
) -> Replayed:
    """Decide every row again under a policy.

    Args:
        columns: The log.
        policy: What to decide with.
        cuts: A classification of which only the cuts count: those of the artifact that the log was written with.
        calibration: The gate's, for plans; None for the documented prior.

    Raises:
        ReplayError: A tier of the policy is not among the logged scores.
    """
    names = (*columns.tiers, *(name for name in policy.tier_names if name not in columns.tiers))
    model = fit_tiers(columns, names)
    fixed = (columns.tier == NONE) | ~columns.classified
    logged = columns.tier.astype(np.intp)
    routes, route_of = _decide_routes(columns, policy, cuts, np.flatnonzero(~fixed))
    planner = ReplayPlanner(policy=policy, latencies=_read_latencies(columns, names), calibration=calibration)
    if planner.plans:
        routes, route_of = _plan_rows(columns, routes, route_of, planner, (np.flatnonzero(~fixed), names, model))
    tiers = logged.copy()
    tiers[~fixed] = np.array([names.index(str(route.tier)) for route in routes], dtype=np.intp)[route_of]
    escalates = columns.escalated.copy()
    targets = np.full(len(columns), NONE, dtype=np.intp)
    escalates[~fixed], targets[~fixed] = _decide_gates(
        columns, policy, routes, route_of, (np.flatnonzero(~fixed), names)
    )
    extended = escalates & ~columns.escalated & ~fixed
    outcomes = _find_outcomes(columns, model, (columns.escalated & ~escalates, extended), targets)
    modelled = {name: model.expect(name, tiers, columns.tokens) for name in METRICS}
    return Replayed(
        names=names,
        fixed=fixed,
        tiers=tiers,
        logged_tiers=logged,
        matched=tiers == logged,
        propensity=np.where(fixed, 1.0, columns.propensity),
        outcomes=outcomes,
        modelled={name: np.where(fixed, outcomes[name], modelled[name]) for name in METRICS},
        extended=extended & (tiers == logged),
    )


def _decide_routes(
    columns: DecisionColumns, policy: Policy, cuts: Classification, rows: Places
) -> tuple[list[RouteDecision], Places]:
    """Return the distinct routing decisions of these rows, and the place of each row's among them."""
    if not len(rows):
        return [], rows
    missing = [name for name in policy.tier_names if not _has_bounds(columns, name, rows)]
    if missing:
        raise ReplayError("the log", "route.lower_bounds", f"has no scores for {', '.join(missing)}", "use its tiers")
    code = np.where(columns.controlled[rows], columns.tier[rows].astype(np.intp) + 1, 0)
    for name in policy.tier_names:
        least = find_least_bound(cuts, name, policy)
        bound = columns.lower_bounds[rows, columns.tiers.index(name)]
        code = 2 * code + (0 if least is None else (bound >= least).astype(np.intp))
    overrides = [
        name for name, override in policy.domains.items() if override.start_tier is not None and name in columns.domains
    ]
    code = code * (len(overrides) + 1) + _find_overrides(columns, policy, cuts, (rows, overrides))
    planned = [name for name, one in policy.domains.items() if one.strategy is not None and name in columns.domains]
    code = code * (len(planned) + 1) + _find_overrides(columns, policy, cuts, (rows, planned))
    _, first, route_of = np.unique(code, return_index=True, return_inverse=True)
    return [_decide_route(columns, policy, cuts, int(row)) for row in rows[first]], route_of


def _has_bounds(columns: DecisionColumns, tier: str, rows: Places) -> bool:
    return tier in columns.tiers and bool(np.isfinite(columns.lower_bounds[rows, columns.tiers.index(tier)]).all())


def _find_overrides(
    columns: DecisionColumns, policy: Policy, cuts: Classification, asked: tuple[Places, list[str]]
) -> Places:
    """Return for each row the place of its overriding domain among those asked about, from 1 on; 0 without one."""
    rows, overrides = asked
    if not overrides:
        return np.zeros(len(rows), dtype=np.intp)
    scores = columns.domain_scores[rows][:, [columns.domains.index(name) for name in overrides]]
    least = np.array([find_domain_cut(cuts, name, policy) for name in overrides])
    counted = np.where(scores >= least, scores, -np.inf)
    return np.where(np.isfinite(counted).any(axis=1), counted.argmax(axis=1) + 1, 0)


def _decide_route(columns: DecisionColumns, policy: Policy, cuts: Classification, row: int) -> RouteDecision:
    bounds = _named(columns.tiers, columns.lower_bounds[row])
    found = replace(
        cuts, scores=bounds, lower_bounds=bounds, domains=_named(columns.domains, columns.domain_scores[row])
    )
    controls = {"start_tier": columns.tiers[columns.tier[row]]} if columns.controlled[row] else {}
    return decide_route(found, policy, controls=controls, kind="log", digest="")


def _plan_rows(
    columns: DecisionColumns,
    routes: Sequence[RouteDecision],
    route_of: Places,
    planner: ReplayPlanner,
    asked: tuple[Places, Sequence[str], TierModel],
) -> tuple[list[RouteDecision], Places]:
    """Return each row's own route with its plan, and the rows' places among them.

    A call is expected to cost what the tier's calls in the log cost for each token, times the tokens of the row.
    """
    rows, names, model = asked
    planned = []
    for row, place in zip(rows.tolist(), route_of.tolist(), strict=True):
        bounds = _named(columns.tiers, columns.lower_bounds[row])
        route = replace(routes[place], scores=bounds, lower_bounds=bounds)
        usd = dict(zip(names, (model.usd_per_token * columns.tokens[row]).tolist(), strict=True))
        planned.append(planner.plan(route, usd))
    return planned, np.arange(len(rows))


def _read_latencies(columns: DecisionColumns, names: Sequence[str]) -> dict[str, TierLatency]:
    found = {}
    for place, name in enumerate(names):
        own = columns.tier == place
        escalated = float(columns.escalated[own].mean()) if own.any() else 0.0
        found[name] = read_latency(columns.first_ms[own], escalated)
    return found


def _named(names: Sequence[str], values: Floats) -> dict[str, float]:
    return {name: value for name, value in zip(names, values.tolist(), strict=True) if value == value}  # noqa: PLR0124  NaN


def _decide_gates(
    columns: DecisionColumns,
    policy: Policy,
    routes: Sequence[RouteDecision],
    route_of: Places,
    asked: tuple[Places, Sequence[str]],
) -> tuple[NDArray[np.bool_], Places]:
    """Return for each row whether the gate escalates, and to which tier."""
    rows, names = asked
    if not len(rows):
        return np.zeros(0, dtype=bool), rows
    confidence, failure = columns.confidence[rows], columns.failure[rows].astype(np.intp)
    cuts = sorted({policy.confidence_gate.escalate_below, policy.confidence_gate.trust_from})
    band = np.where(np.isnan(confidence), len(cuts) + 1, np.searchsorted(cuts, confidence, side="right"))
    code = (route_of * (len(cuts) + 2) + band) * (len(FAILURES) + 1) + failure + 1
    _, first, gate_of = np.unique(code, return_index=True, return_inverse=True)
    decided = [
        decide_gate(
            routes[route_of[place]],
            policy,
            tier=str(routes[route_of[place]].tier),
            confidence=None if np.isnan(confidence[place]) else float(confidence[place]),
            failure=None if failure[place] == NONE else FAILURES[failure[place]],
            signals={},
            escalations=0,
        )
        for place in first
    ]
    escalates = np.array(
        [
            gate.outcome is GateOutcome.ESCALATED and not keeps_doubtful(routes[route_of[place]], policy, gate.reason)
            for gate, place in zip(decided, first.tolist(), strict=True)
        ],
        dtype=bool,
    )
    targets = [NONE if gate.escalate_to is None else names.index(gate.escalate_to) for gate in decided]
    return escalates[gate_of], np.array(targets, dtype=np.intp)[gate_of]


def _find_outcomes(
    columns: DecisionColumns, model: TierModel, changed: tuple[NDArray[np.bool_], NDArray[np.bool_]], targets: Places
) -> dict[str, Floats]:
    """Return each metric where the logged tier stays: as logged, without the escalation, or with one more."""
    shortened, extended = changed
    added = np.where(extended, model.usd_per_token[targets] * columns.tokens, 0.0)
    waited = np.where(extended, model.first_ms[targets], 0.0)
    return {
        # The log has the first call's cost; the grade it has is of the stronger tier's answer.
        "cost_usd": np.where(shortened, columns.first_cost_usd, columns.cost_usd + added),
        "quality": np.where(shortened | extended, np.nan, columns.quality),
        "escalated": (columns.escalated & ~shortened | extended).astype(np.float64),
        "latency_ms": np.where(shortened, columns.first_ms, columns.latency_ms + waited),
    }
