"""The plan of a replayed request, by the functions that plan while serving, from what a log or a table knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tiergate.decisions import RouteDecision
from tiergate.policy.confidence_gate import gate_acts
from tiergate.policy.expected_cost import TierFacts, decide_plan, strategy_of
from tiergate.policy.gate_calibration import GateCalibration
from tiergate.policy.latency import BUCKETS, TierLatency, find_bucket, mean_s, predict, predict_cascade
from tiergate.policy.tier_facts import find_gate_auroc
from tiergate.settings import Policy

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlanner:
    """Plans replayed requests: their latency budget is policy's own, no prompt cache is warm, no session is known.

    Attributes:
        policy: What to plan with.
        latencies: How long each tier takes, by name.
        calibration: The gate's; None before there are outcomes.
    """

    policy: Policy
    latencies: Mapping[str, TierLatency] = field(default_factory=dict)
    calibration: GateCalibration | None = None

    @property
    def plans(self) -> bool:
        """Whether any request could be planned."""
        return "auto" in {self.policy.strategy, *(domain.strategy for domain in self.policy.domains.values())}

    def plan(self, route: RouteDecision, call_usd: Mapping[str, float]) -> RouteDecision:
        """Return the route with the plan of the lowest expected cost, where its strategy is `auto`.

        Args:
            route: What the router decided.
            call_usd: Expected cost of a call by tier; a tier that is missing or NaN is in no plan. A verifier's is left
                out, as a replay asks none.
        """
        policy, budget_ms = self.policy, self.policy.latency.p95_budget_ms
        if strategy_of(route, policy) != "auto":
            return route
        facts = {}
        for tier in policy.tiers:
            bound, usd = route.lower_bounds.get(tier.name), call_usd.get(tier.name, np.nan)
            if bound is None or not np.isfinite(usd):
                continue
            alone, stronger = self.latencies.get(tier.name), policy.stronger_tier(tier.name)
            cascade_ms = predict_cascade(alone, self.latencies.get(stronger)) if stronger is not None else None
            facts[tier.name] = TierFacts(
                score=route.scores.get(tier.name, bound),
                bound=bound,
                call_usd=float(usd),
                gate_auroc=find_gate_auroc(self.calibration, tier.model_group),
                seconds=mean_s(alone),
                fits=_within(predict(alone), budget_ms),
                cascade_fits=_within(cascade_ms, budget_ms),
            )
        return decide_plan(route, policy, facts, cascades=gate_acts(route, policy, stream=False))


def read_latency(times_ms: Floats, escalated: float) -> TierLatency:
    """Return how long a tier takes, from its times in a log or a table; NaN where one is not known.

    Args:
        times_ms: Shape (n,).
        escalated: Share of its answers that were escalated.
    """
    known, counts = times_ms[np.isfinite(times_ms)], np.zeros(BUCKETS)
    for ms in known.tolist():
        counts[find_bucket(ms)] += 1.0
    return TierLatency(counts=counts, samples=len(known), escalation_ratio=escalated)


def _within(predicted_ms: float | None, budget_ms: float | None) -> bool:
    return budget_ms is None or predicted_ms is None or predicted_ms <= budget_ms
