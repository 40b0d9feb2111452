"""`tiergate evaluate gate`: how well a weak tier's answers are gated, on rows that took no part in calibration."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from tiergate.policy.gate_calibration import GroupCalibration, score_by_prior
from tiergate_classifier.gate_calibrate import FittedGate, GateRows, answer_matrix, fit_gate, score_gate
from tiergate_classifier.outcomes import Outcomes
from tiergate_classifier.prompt_prior import PromptPrior, fit_prompt_prior, prompt_inputs
from tiergate_classifier.routing_metrics import SEED, auroc, calibration_error, gap_recovery

Floats = NDArray[np.float64]

PRIOR_ESCALATE_BELOW = 0.70
PRIOR_TRUST_FROM = 0.85
"""The cuts of a fresh policy.yaml: in force until outcomes suggest others."""
MIN_QUALITY = 0.95
"""`intent_router.min_quality` of a fresh policy.yaml: the share of the strong tier's quality to hold."""
MAX_GAIN = 0.02
"""An answer is trusted where escalating it would gain less than this."""

_LEAST_ROWS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GateReport:
    """What `evaluate gate` prints (contracts.md, CLI).

    Attributes:
        n: Rows evaluated: those in which both tiers were run.
        n_without_confidence: Rows among them without a confidence of the weak tier.
        auroc: P(a good answer of the weak tier scores above a bad one), all rows; None when all are good or all bad.
        raw_auroc: The same of the raw confidence, on rows that have one.
        auroc_with_confidence: The calibrated score's on the rows that have one.
        ece: Calibration error of the score, all rows.
        apgr: Gap recovered by escalating the lowest scores first; None without a gap.
        cpt50: Least share of strong calls that recovers half of the gap.
        cpt80: Least share that recovers 80 %.
        escalate_below: Lower cut.
        trust_from: Upper cut.
        weak_quality: Mean goodness of the weak tier.
        strong_quality: Mean goodness of the strong tier.
        escalation_ratio: Share of rows escalated at `escalate_below`.
        quality: Mean goodness of what the client gets; between the cuts the answer is kept.
        cost_per_request: Mean cost in USD, the weak call always paid; None when the table has no costs.
        evidence: What is mixed into the confidence: "", "prior", "answer" or "prior+answer".
        calibration_n: Outcomes the gate was calibrated on; 0 for the documented prior.
    """

    n: int
    n_without_confidence: int
    auroc: float | None
    raw_auroc: float | None
    auroc_with_confidence: float | None
    ece: float
    apgr: float | None
    cpt50: float | None
    cpt80: float | None
    escalate_below: float
    trust_from: float
    weak_quality: float
    strong_quality: float
    escalation_ratio: float
    quality: float
    cost_per_request: float | None
    evidence: str
    calibration_n: int

    def to_json(self) -> Mapping[str, object]:
        """Return the fields by name."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TierGate:
    """The calibrated gate of one tier, ready for rows it has not seen.

    Attributes:
        tier: Name of the tier.
        prior: Its prior from prompts; None when prompts are not read.
        fitted: Its calibration.
    """

    tier: str
    prior: PromptPrior | None
    fitted: FittedGate

    def score(self, table: Outcomes) -> Floats:
        """Return P(the tier's answer is good), shape (n,). Embeds only prompts whose prior weighs something."""
        rows = gate_rows(table, self.tier)
        calibration = self.fitted.calibration
        needed = np.zeros(len(table), dtype=bool)
        if self.prior is not None:
            has = np.isfinite(rows.confidence) & bool(calibration.knots)
            needed = (has & (calibration.with_confidence.prior != 0)) | (
                ~has & (calibration.without_confidence.prior != 0)
            )
        if self.prior is not None and needed.any():
            places = np.flatnonzero(needed)
            rows.prior[places] = self.prior.log_odds(prompt_inputs([table.prompts[place] for place in places]))
        return score_gate(calibration, rows)


def gate_rows(table: Outcomes, tier: str, prior: Floats | None = None) -> GateRows:
    """Return what the gate may know of a tier's answers.

    Args:
        table: Outcomes of n rows.
        tier: Name of the tier.
        prior: Log-odds of the router's prior, shape (n,); None for none.
    """
    return GateRows(
        confidence=table.measure("confidence", tier),
        prior=np.full(len(table), np.nan) if prior is None else prior,
        answer=answer_matrix(table.answer_texts(tier), table.prompts),
    )


def fit_tier_gate(table: Outcomes, tier: str, *, read_prompts: bool = True, seed: int = SEED) -> TierGate:
    """Calibrate the gate of a tier on the rows in which it was run.

    Args:
        table: Calibration rows.
        tier: Name of the tier.
        read_prompts: Whether a prior from the prompts may be mixed in.
        seed: Seed of folds and bootstrap samples.

    Raises:
        OutcomeTableError: The tier is not in the table or was never run.
    """
    ran = table.take(table.rows_run_on([tier]))
    good = ran.measure("correct", tier)
    prior = fit_prompt_prior(prompt_inputs(ran.prompts), good, seed=seed) if read_prompts else None
    rows = gate_rows(ran, tier, None if prior is None else prior.left_out)
    return TierGate(tier=tier, prior=prior, fitted=fit_gate(rows, good, seed=seed))


def evaluate_gate(
    outcomes: Outcomes,
    weak: str,
    strong: str,
    calibration: Outcomes | None = None,
    *,
    min_quality: float = MIN_QUALITY,
    seed: int = SEED,
) -> GateReport:
    """Evaluate the gate between two tiers.

    Args:
        outcomes: Rows to evaluate on.
        weak: Tier whose answers are gated.
        strong: Tier that is escalated to.
        calibration: Rows to calibrate on and to choose the cuts; None for the documented prior.
        min_quality: Share of the strong tier's quality that `escalate_below` must hold on the calibration rows.
        seed: Seed of everything drawn at random.

    Raises:
        OutcomeTableError: A tier is not in a table, or no row has both.
    """
    table = outcomes.take(outcomes.rows_run_on([weak, strong]))
    if calibration is None:
        scores = score_rows_by_prior(table, weak)
        return _report(table, weak, strong, scores, (PRIOR_ESCALATE_BELOW, PRIOR_TRUST_FROM), fitted=None)
    gate = fit_tier_gate(calibration, weak, seed=seed)
    cuts = _cuts_from(calibration, gate, weak, strong, min_quality)
    return _report(table, weak, strong, gate.score(table), cuts, fitted=gate.fitted)


def score_rows_by_prior(table: Outcomes, tier: str) -> Floats:
    """Return P(good) by the documented prior, shape (n,)."""
    confidences = table.measure("confidence", tier).tolist()
    return np.array([score_by_prior(one if np.isfinite(one) else None).probability for one in confidences])


def choose_cuts(scores: Floats, weak: Floats, strong: Floats, *, min_quality: float) -> tuple[float, float]:
    """Return (escalate_below, trust_from).

    `escalate_below` is the least cut, so the cheapest, that keeps `min_quality` of the strong tier's quality.
    `trust_from` is the least cut above which escalating would gain less than `MAX_GAIN` on average; 1.0 when there is
    none with at least 20 rows above it.

    Args:
        scores: Left-out P(good) of the weak tier's answers, shape (n,).
        weak: Goodness of the weak tier's answers, shape (n,).
        strong: Goodness of the strong tier's answers, shape (n,).
        min_quality: Share of the strong tier's quality.
    """
    order = np.argsort(scores, kind="stable")
    gains = (strong - weak)[order]
    quality = (weak.sum() + np.concatenate([[0.0], np.cumsum(gains)])) / len(weak)
    enough = np.flatnonzero(quality >= min_quality * strong.mean() - 1e-12)
    place = int(enough[0]) if len(enough) else int(np.argmax(quality))
    cuts = np.concatenate([[0.0], (scores[order][1:] + scores[order][:-1]) / 2, [1.0]])
    above = np.cumsum(gains[::-1])[::-1] / np.arange(len(gains), 0, -1)
    trusted = np.flatnonzero(above[: len(above) - _LEAST_ROWS + 1] <= MAX_GAIN)
    later = trusted[trusted >= place]
    trust_from = float(cuts[later[0]]) if len(later) else 1.0
    return float(cuts[place]), max(trust_from, float(cuts[place]))


def calibration_with_cuts(fitted: FittedGate, cuts: tuple[float, float]) -> GroupCalibration:
    """Return the calibration with the cuts that its outcomes suggest."""
    return fitted.calibration.model_copy(update={"escalate_below": cuts[0], "trust_from": cuts[1]})


def _cuts_from(
    calibration: Outcomes, gate: TierGate, weak: str, strong: str, min_quality: float
) -> tuple[float, float]:
    """Choose the cuts on the calibration rows in which both tiers were run."""
    weak_rows = calibration.rows_run_on([weak])
    both = calibration.rows_run_on([weak, strong])
    scores = gate.fitted.left_out[np.searchsorted(weak_rows, both)]
    paired = calibration.take(both)
    return choose_cuts(
        scores, paired.measure("correct", weak), paired.measure("correct", strong), min_quality=min_quality
    )


def _report(
    table: Outcomes, weak: str, strong: str, scores: Floats, cuts: tuple[float, float], *, fitted: FittedGate | None
) -> GateReport:
    confidence, good = table.measure("confidence", weak), table.measure("correct", weak)
    better = table.measure("correct", strong)
    has = np.isfinite(confidence)
    recovery = gap_recovery(-scores, good, better)
    escalated = scores < cuts[0]
    cost = table.measure("cost_usd", weak) + np.where(escalated, table.measure("cost_usd", strong), 0.0)
    return GateReport(
        n=len(table),
        n_without_confidence=int((~has).sum()),
        auroc=auroc(scores, good),
        raw_auroc=auroc(confidence[has], good[has]),
        auroc_with_confidence=auroc(scores[has], good[has]),
        ece=calibration_error(scores, good),
        apgr=recovery.apgr if recovery else None,
        cpt50=recovery.cpt50 if recovery else None,
        cpt80=recovery.cpt80 if recovery else None,
        escalate_below=cuts[0],
        trust_from=cuts[1],
        weak_quality=float(good.mean()),
        strong_quality=float(better.mean()),
        escalation_ratio=float(escalated.mean()),
        quality=float(np.where(escalated, better, good).mean()),
        cost_per_request=float(cost.mean()) if np.isfinite(cost).all() else None,
        evidence=fitted.evidence if fitted else "",
        calibration_n=fitted.calibration.n if fitted else 0,
    )
