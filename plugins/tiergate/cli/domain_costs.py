"""What the cut of each domain costs: the false alarms, from the artifact's figures or from the policy's examples."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tiergate.artifact_format import Metric
from tiergate.pack_check import Pack


@dataclass(frozen=True, slots=True, kw_only=True)
class CutCost:
    """The cut of one domain.

    Attributes:
        domain: Its name.
        source: Whose cut it is: `artifact`, `examples`, or `policy` for `intent_router.min_domain_score`.
        cut: P(domain) from which a prompt counts as the domain.
        min_recall: Recall asked for; None where policy.yaml does not name the domain.
        examples: Prompts of the domain behind the figures; 0 where never measured.
        recall: Share of them at or above the cut, scored by heads that have not seen them; None where not known.
        others: Prompts of other domains behind the figures; 0 where never measured.
        false_alarms: Share of them at or above the cut; None where not known.
        false_alarms_interval: Its 95 % interval; None where the artifact does not state it.
    """

    domain: str
    source: str
    cut: float
    min_recall: float | None
    examples: int
    recall: float | None
    others: int
    false_alarms: float | None
    false_alarms_interval: tuple[float, float] | None = None


def domain_costs(pack: Pack) -> tuple[CutCost, ...]:
    """Return what each cut costs: domains of the artifact that have one, then those that policy.yaml names by examples.

    Where `intent_router.min_domain_score` replaces the cuts, no figure is known for it.
    """
    policy, minimum = pack.policy, pack.policy.intent_router.min_domain_score
    heads = () if pack.domain_heads is None else pack.domain_heads.costs
    own = {cost.domain for cost in heads}
    metrics = {metric.name: metric for metric in pack.artifact.manifest.metrics}
    found = []
    for name, cut in pack.artifact.calibration.domains.min_scores.items():
        if name not in own:
            asked = policy.domains[name].min_recall if name in policy.domains else None
            found.append(_shipped(name, cut, asked, metrics))
    found += [
        CutCost(
            domain=cost.domain,
            source="examples",
            cut=cost.cut,
            min_recall=cost.min_recall,
            examples=cost.examples,
            recall=cost.recall,
            others=cost.others,
            false_alarms=cost.false_alarms,
        )
        for cost in heads
    ]
    return tuple(found) if minimum is None else tuple(_replaced(cost, minimum) for cost in found)


def describe_cost(cost: CutCost) -> str:
    """Return one line about a cut."""
    text = f"domain {cost.domain}: cut {cost.cut:.4f} of the {cost.source}"
    if cost.recall is None or cost.false_alarms is None:
        return f"{text}, false alarms not measured"
    text += f", false alarms {cost.false_alarms:.1%}"
    if cost.false_alarms_interval is not None:
        low, high = cost.false_alarms_interval
        text += f" ({low:.1%} to {high:.1%})"
    text += f" of {cost.others} other prompts, recall {cost.recall:.1%} of {cost.examples}"
    if cost.min_recall is None:
        return f"{text}; policy.yaml does not name it"
    reached = "" if cost.recall >= cost.min_recall else " is not reached"
    return f"{text}; min_recall {cost.min_recall:g}{reached}"


def _replaced(cost: CutCost, minimum: float) -> CutCost:
    return replace(cost, source="policy", cut=minimum, recall=None, false_alarms=None, false_alarms_interval=None)


def _shipped(name: str, cut: float, min_recall: float | None, metrics: Mapping[str, Metric]) -> CutCost:
    recall, alarms = metrics.get(f"domain_flag_recall/{name}"), metrics.get(f"domain_flag_false_alarms/{name}")
    return CutCost(
        domain=name,
        source="artifact",
        cut=cut,
        min_recall=min_recall,
        examples=0 if recall is None else recall.n,
        recall=None if recall is None else recall.value,
        others=0 if alarms is None else alarms.n,
        false_alarms=None if alarms is None else alarms.value,
        false_alarms_interval=None if alarms is None else (alarms.low, alarms.high),
    )
