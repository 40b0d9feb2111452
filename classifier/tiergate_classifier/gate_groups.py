"""The gate's calibration of a whole policy: each tier's model group on the outcomes of its tier.

The prior that may be mixed in is the score that the policy's own classifier gives, the number that the live gate gets:
a prior fitted on these prompts would be another one than is served.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from tiergate.policy.gate_calibration import GateCalibration, GroupCalibration
from tiergate.settings import Policy
from tiergate_classifier.gate_calibrate import FittedGate, build_calibration, fit_gate
from tiergate_classifier.gate_evaluate import calibration_with_cuts, choose_cuts, gate_rows
from tiergate_classifier.logistic import log_odds_of
from tiergate_classifier.outcomes import Outcomes, OutcomeTableError
from tiergate_classifier.routing_metrics import SEED, auroc, calibration_error

Floats = NDArray[np.float64]

LEAST_ROWS = 50
"""Fewer outcomes of a tier than this leave its model group to the documented prior."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFigures:
    """What a calibration says of its own rows while they were left out."""

    n: int
    n_without_confidence: int
    ece: float
    auroc: float | None
    evidence: str
    escalate_below: float | None
    trust_from: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibratedGroups:
    """The calibration of a policy's model groups, and figures on left-out rows by model group."""

    calibration: GateCalibration
    figures: Mapping[str, GroupFigures]

    def to_json(self) -> dict[str, dict[str, object]]:
        """Return the figures by name."""
        return {
            group: {name: getattr(figures, name) for name in GroupFigures.__dataclass_fields__}
            for group, figures in self.figures.items()
        }


def calibrate_groups(
    table: Outcomes,
    policy: Policy,
    scores: Sequence[Mapping[str, float]] | None,
    data: bytes,
    *,
    seed: int = SEED,
) -> CalibratedGroups:
    """Calibrate the model group of every tier of the policy that the table has enough outcomes of.

    Args:
        table: Outcomes of n rows by tier name; `confidence|TIER` is the mean token probability.
        policy: Names tiers and model groups.
        scores: The policy's classifier's P(good) by tier name, for each row; None without a router.
        data: The outcomes as they were read, for the digest.
        seed: Seed of folds and bootstrap samples.

    Raises:
        OutcomeTableError: No tier has enough outcomes, or a confidence is no probability.
    """
    fits: dict[str, tuple[NDArray[np.intp], FittedGate]] = {}
    told: dict[str, float | None] = {}
    for tier in policy.tiers:
        good = table.measure("correct", tier.name)
        rows = np.flatnonzero(np.isfinite(good))
        if len(rows) >= LEAST_ROWS:
            prior = _prior(scores, tier.name, rows)
            fits[tier.name] = (rows, _fit(table.take(rows), tier.name, prior, seed=seed))
            told[tier.name] = _answer_auroc(
                table.measure("confidence", tier.name)[rows], good[rows], prior, fits[tier.name][1]
            )
    if not fits:
        problem = f"no tier of the policy has {LEAST_ROWS} outcomes"
        fix = f"name the columns correct|TIER by the policy's tiers: {', '.join(policy.tier_names)}"
        raise OutcomeTableError(table.file, "", problem, fix)
    cuts = {
        weak: _cuts(table, weak, strong, fits[weak], policy.intent_router.min_quality)
        for weak, strong in pairwise(name for name in policy.tier_names if name in fits)
    }
    groups: dict[str, GroupCalibration] = {}
    figures: dict[str, GroupFigures] = {}
    for name, (rows, fitted) in fits.items():
        found, group = cuts.get(name), policy.tier(name).model_group
        calibration = fitted.calibration if found is None else calibration_with_cuts(fitted, found)
        groups[group] = calibration.model_copy(update={"answer_auroc": told[name]})
        figures[group] = _figures(groups[group], fitted, table.measure("correct", name)[rows])
    return CalibratedGroups(calibration=build_calibration(groups, data), figures=figures)


def _fit(table: Outcomes, tier: str, prior: Floats | None, *, seed: int) -> FittedGate:
    fitted = fit_gate(gate_rows(table, tier, prior), table.measure("correct", tier), seed=seed)
    if fitted.calibration.scale != "probability":
        problem, fix = "is no probability", "write the mean token probability, exp(mean log-probability)"
        raise OutcomeTableError(table.file, f"column confidence|{tier}", problem, fix)
    return fitted


def _prior(scores: Sequence[Mapping[str, float]] | None, tier: str, rows: NDArray[np.intp]) -> Floats | None:
    if scores is None or any(tier not in scores[row] for row in rows.tolist()):
        return None
    return np.asarray(log_odds_of(np.array([scores[row][tier] for row in rows.tolist()])))


def _answer_auroc(confidence: Floats, good: Floats, prior: Floats | None, fitted: FittedGate) -> float | None:
    """Return how well what the answers tell beyond the prior orders them; a half where they tell nothing."""
    evidence = np.asarray(log_odds_of(fitted.left_out))
    if prior is not None:
        known = fitted.calibration
        weight = np.where(np.isfinite(confidence), known.with_confidence.prior, known.without_confidence.prior)
        evidence = np.round(evidence - weight * prior, 9)
    return auroc(evidence, good)


def _cuts(
    table: Outcomes, weak: str, strong: str, fit: tuple[NDArray[np.intp], FittedGate], min_quality: float
) -> tuple[float, float] | None:
    """Choose the cuts of a tier on the rows in which the next one was run too; None without enough of them."""
    rows, fitted = fit
    better = table.measure("correct", strong)[rows]
    both = np.isfinite(better)
    if int(both.sum()) < LEAST_ROWS:
        return None
    good = table.measure("correct", weak)[rows]
    return choose_cuts(fitted.left_out[both], good[both], better[both], min_quality=min_quality)


def _figures(group: GroupCalibration, fitted: FittedGate, good: Floats) -> GroupFigures:
    return GroupFigures(
        n=group.n,
        n_without_confidence=group.n_without_confidence,
        ece=calibration_error(fitted.left_out, good),
        auroc=auroc(fitted.left_out, good),
        evidence=fitted.evidence,
        escalate_below=group.escalate_below,
        trust_from=group.trust_from,
    )
