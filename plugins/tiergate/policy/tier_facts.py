"""What is known of each tier's call before any is made: scores, prices, lengths, times, and how well the gate sees.

The proxy, `tiergate explain` and `tiergate replay` plan by the same facts; they differ in what they know.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from tiergate.decisions import RouteDecision
from tiergate.policy.expected_cost import GATE_AUROC, JUDGE_TOKENS, TierFacts
from tiergate.policy.gate_calibration import GateCalibration
from tiergate.policy.latency import TierLatency, mean_s, predict, predict_cascade
from tiergate.policy.money import Price
from tiergate.settings import Policy

PRIOR_ROWS: Final = 50
"""How many outcomes `GATE_AUROC` counts as, beside those of a model group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """What is known of a request's calls.

    Attributes:
        price: Tells the price of a model group in USD per token; None when unknown.
        prompt_tokens: Tokens of the prompt.
        answer_tokens: Tells how many tokens a tier's answer will have.
        latencies: How long each tier takes, by name; a tier that is missing is not predicted.
        budget_ms: The request's latency budget; None for none.
        calibration: The gate's; None before there are outcomes.
    """

    price: Callable[[str], Price | None]
    prompt_tokens: float
    answer_tokens: Callable[[str], float]
    latencies: Mapping[str, TierLatency] = field(default_factory=dict)
    budget_ms: float | None = None
    calibration: GateCalibration | None = None

    def call_usd(self, model_group: str, tier: str) -> float | None:
        """Return the expected cost of a call; None without a price."""
        price = self.price(model_group)
        if price is None:
            return None
        return self.prompt_tokens * price.input_usd + self.answer_tokens(tier) * price.output_usd


def build_tier_facts(route: RouteDecision, policy: Policy, calls: CallFacts) -> dict[str, TierFacts]:
    """Return what is known of each tier that has a score and a price, by name.

    Args:
        route: How the request was routed.
        policy: The whole policy.
        calls: What is known of its calls.
    """
    facts: dict[str, TierFacts] = {}
    for tier in policy.tiers:
        score, call_usd = route.scores.get(tier.name), calls.call_usd(tier.model_group, tier.name)
        if score is None or call_usd is None:
            continue
        alone, stronger = calls.latencies.get(tier.name), policy.stronger_tier(tier.name)
        cascade_ms = predict_cascade(alone, calls.latencies.get(stronger)) if stronger is not None else None
        facts[tier.name] = TierFacts(
            score=score,
            bound=route.lower_bounds.get(tier.name, score),
            call_usd=call_usd,
            verifier_usd=_verifier_usd(policy, calls, tier.name, call_usd),
            gate_auroc=find_gate_auroc(calls.calibration, tier.model_group),
            seconds=mean_s(alone),
            fits=_within(predict(alone), calls.budget_ms),
            cascade_fits=_within(cascade_ms, calls.budget_ms),
        )
    return facts


def find_gate_auroc(calibration: GateCalibration | None, model_group: str) -> float:
    """Return how well the gate tells a model group's good answers from its bad ones, beyond the router's score.

    It is that of the outcomes which the group was calibrated on, drawn towards `GATE_AUROC` as `PRIOR_ROWS` more
    outcomes would; without any, `GATE_AUROC` itself.
    """
    group = calibration.groups.get(model_group) if calibration is not None else None
    if group is None or group.answer_auroc is None:
        return GATE_AUROC
    return (group.n * group.answer_auroc + PRIOR_ROWS * GATE_AUROC) / (group.n + PRIOR_ROWS)


def _within(predicted_ms: float | None, budget_ms: float | None) -> bool:
    return budget_ms is None or predicted_ms is None or predicted_ms <= budget_ms


def _verifier_usd(policy: Policy, calls: CallFacts, tier: str, call_usd: float) -> float:
    """Return the cost of verifying one answer: a judge reads prompt and answer; else the tier is asked again."""
    verifier = policy.confidence_gate.verifier
    if verifier is None:
        return 0.0
    if verifier.kind == "self_consistency" or verifier.model_group is None:
        return verifier.samples * call_usd
    price = calls.price(verifier.model_group)
    if price is None:
        return 0.0
    read = calls.prompt_tokens + calls.answer_tokens(tier)
    return read * price.input_usd + JUDGE_TOKENS * price.output_usd
