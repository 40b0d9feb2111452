"""Calibrate the gate of one model group on outcomes: P(good) from confidence, prior and the answer's text.

Three steps, each on left-out folds so that a later one never sees a fit on its own rows:

1. the confidence alone, strictly rising (`confidence_map`);
2. evidence besides it, shrunk by a ridge whose strength is cross-validated. It is used only when it lowers the left-out
   log-loss by more than 1.64 standard errors and does not lower the left-out AUROC: mixing it in regardless costs up to
   .02 AUROC from 500 rows, more than it ever gains where the confidence is good;
3. rows without a confidence get a score of their own from the base rate of such rows and the evidence.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tiergate.policy.answer_features import ANSWER_FEATURES, answer_features_of
from tiergate.policy.gate_calibration import MISSING_SPREAD, Evidence, GateCalibration, GroupCalibration
from tiergate_classifier.confidence_map import ConfidenceMap, fit_confidence_map, scale_of
from tiergate_classifier.folds import left_out
from tiergate_classifier.logistic import fit_logistic, log_loss, log_odds_of, sigmoid
from tiergate_classifier.routing_metrics import SEED, auroc

Floats = NDArray[np.float64]

METHOD = "mean of rank-logistic and bagged isotonic, evidence gated by cross-validation"
FOLDS = 5
MIN_EVIDENCE_ROWS = 80
"""Below this many rows nothing is mixed into the confidence."""
MIN_MISSING_ROWS = 200
"""From this many rows without a confidence on, they alone say what such rows are worth."""

_PENALTIES = (10.0, 30.0, 100.0, 300.0)
_ERRORS_BETTER = 1.64
_INTERCEPT = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GateRows:
    """What is known of n answers of one model group.

    Attributes:
        confidence: Raw confidence, NaN where there is none, shape (n,).
        prior: Log-odds of the router's prior, shape (n,); fitted on other rows, all NaN when there is none.
        answer: Surface features of the answers, shape (n, features); a row of NaN where there is no text.
    """

    confidence: Floats
    prior: Floats
    answer: Floats

    def __len__(self) -> int:
        return len(self.confidence)

    def take(self, rows: NDArray[np.intp]) -> "GateRows":
        """Return these rows."""
        return GateRows(confidence=self.confidence[rows], prior=self.prior[rows], answer=self.answer[rows])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedGate:
    """A calibration and what it said of its own rows while they were left out.

    Attributes:
        calibration: The calibration.
        left_out: P(good) of each row from the other folds, shape (n,).
        evidence: What is mixed into the confidence: "", "prior", "answer" or "prior+answer".
    """

    calibration: GroupCalibration
    left_out: Floats
    evidence: str


def answer_matrix(answers: Sequence[str | None], prompts: Sequence[str]) -> Floats:
    """Return the surface features of answers, shape (n, features); a row of NaN where there is no text."""
    empty = [np.nan] * len(ANSWER_FEATURES)
    rows = [
        empty if answer is None else list(answer_features_of(answer, prompt).values())
        for answer, prompt in zip(answers, prompts, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(ANSWER_FEATURES))


def fit_gate(rows: GateRows, good: Floats, *, seed: int = SEED) -> FittedGate:
    """Calibrate one model group.

    Args:
        rows: What is known of its answers.
        good: Outcomes between 0 and 1, shape (n,).
        seed: Seed of folds and bootstrap samples.
    """
    has = np.isfinite(rows.confidence)
    scale = scale_of(rows.confidence[has])
    left_out_scores = np.empty(len(good))
    mapped = fit_confidence_map(rows.confidence[has], good[has], scale=scale, seed=seed) if has.any() else None
    table = _EvidenceTable.of(rows)
    if mapped is None:
        has = np.zeros(len(good), dtype=bool)
        with_evidence, chosen = _no_evidence(0.0), ""
    else:
        base = _left_out_map(rows.confidence[has], good[has], mapped, seed=seed)
        fit = _choose(table.take(has), good[has], base, must_gain=True, seed=seed)
        with_evidence, chosen = table.evidence(fit.columns, fit.weights, mapped.spread), fit.name
        left_out_scores[has] = sigmoid(fit.left_out)
    without, scores = _fit_without_confidence(table, good, has, mapped, seed=seed)
    left_out_scores[~has] = scores
    calibration = GroupCalibration(
        method=METHOD,
        n=len(good),
        n_without_confidence=int((~has).sum()),
        scale=scale,
        knots=() if mapped is None else tuple(mapped.knots.tolist()),
        log_odds=() if mapped is None else tuple(mapped.log_odds.tolist()),
        with_confidence=with_evidence,
        without_confidence=without,
    )
    return FittedGate(calibration=calibration, left_out=left_out_scores, evidence=chosen)


def score_gate(calibration: GroupCalibration, rows: GateRows) -> Floats:
    """Return P(good) of each row, shape (n,), by the function that serves requests."""
    scores = np.empty(len(rows))
    for place in range(len(rows)):
        confidence, prior = float(rows.confidence[place]), float(rows.prior[place])
        text = rows.answer[place]
        features = dict(zip(ANSWER_FEATURES, text.tolist(), strict=True)) if np.isfinite(text).all() else None
        belief = float(sigmoid(np.array(prior))) if np.isfinite(prior) else None
        scores[place] = calibration.score(confidence, prior=belief, answer=features).probability
    return scores


def build_calibration(groups: Mapping[str, GroupCalibration], data: bytes) -> GateCalibration:
    """Put the calibrations of all model groups together.

    Args:
        groups: Calibration by model group.
        data: The outcomes they were made from.
    """
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    return GateCalibration(format_version=1, data_digest=digest, groups=groups)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _EvidenceTable:
    """Evidence besides the confidence, standardised; absent values are 0, the mean.

    Attributes:
        inputs: Shape (n, 1 + features): prior, then the answer's features.
        mean: Shape (1 + features,).
        scale: Shape (1 + features,).
        present: Names of the kinds of evidence that some row has.
    """

    inputs: Floats
    mean: Floats
    scale: Floats
    present: tuple[str, ...]

    @classmethod
    def of(cls, rows: GateRows) -> "_EvidenceTable":
        raw = np.column_stack([rows.prior, rows.answer])
        known = np.isfinite(raw)
        filled = np.where(known, raw, 0.0)
        count = np.maximum(known.sum(axis=0), 1)
        mean = filled.sum(axis=0) / count
        scale = np.sqrt((np.where(known, raw - mean, 0.0) ** 2).sum(axis=0) / count)
        scale = np.where(scale > 1e-9, scale, 1.0)  # noqa: PLR2004 - a constant column
        inputs = np.where(known, (raw - mean) / scale, 0.0)
        kinds = {"prior": known[:, 0].any(), "answer": known[:, 1:].all(axis=1).any()}
        present = tuple(kind for kind, there in kinds.items() if there)
        return cls(inputs=inputs, mean=mean, scale=scale, present=present)

    def take(self, rows: NDArray[np.bool_]) -> "_EvidenceTable":
        return _EvidenceTable(inputs=self.inputs[rows], mean=self.mean, scale=self.scale, present=self.present)

    def columns(self, name: str) -> list[int]:
        kinds = name.split("+") if name else []
        prior = [0] if "prior" in kinds else []
        return prior + (list(range(1, self.inputs.shape[1])) if "answer" in kinds else [])

    def names(self) -> list[str]:
        """Return the kinds of evidence and, where there are two, both together."""
        return [*self.present, "+".join(self.present)] if len(self.present) > 1 else list(self.present)

    def evidence(self, columns: Sequence[int], weights: Floats, spread: float) -> Evidence:
        """Return evidence on the raw scale.

        Args:
            columns: Columns that weigh something.
            weights: Intercept, then a weight per column, on the standardised scale.
            spread: Standard deviation of the log-odds.
        """
        raw = np.zeros(self.inputs.shape[1])
        raw[list(columns)] = weights[1:] / self.scale[list(columns)]
        named = dict(zip(ANSWER_FEATURES, raw[1:].tolist(), strict=True))
        return Evidence(
            intercept=float(weights[0] - raw @ self.mean),
            prior=float(raw[0]),
            prior_mean=float(self.mean[0]),
            answer={name: weight for name, weight in named.items() if weight},
            answer_mean={
                name: mean for name, mean in zip(ANSWER_FEATURES, self.mean[1:].tolist(), strict=True) if named[name]
            },
            spread=spread,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fit:
    """Weights of evidence and the left-out log-odds they gave."""

    name: str
    columns: list[int]
    weights: Floats
    left_out: Floats


def _no_evidence(spread: float) -> Evidence:
    return Evidence(intercept=0.0, prior=0.0, prior_mean=0.0, answer={}, spread=spread)


def _left_out_map(confidence: Floats, good: Floats, whole: ConfidenceMap, *, seed: int) -> Floats:
    """Return the log-odds of every row from a map fitted on the other folds."""
    base = np.empty(len(good))
    for fitted, held in left_out(good, FOLDS, seed=seed):
        part = fit_confidence_map(confidence[fitted], good[fitted], scale=whole.scale, seed=seed)
        base[held] = (part or whole).apply(confidence[held])
    return base


def _choose(table: _EvidenceTable, good: Floats, base: Floats, *, must_gain: bool, seed: int) -> _Fit:
    """Choose evidence and shrinkage by the left-out log-loss.

    Args:
        table: Evidence of n rows.
        good: Outcomes, shape (n,).
        base: Log-odds that the evidence is added to, shape (n,).
        must_gain: Whether evidence must beat the base by `_ERRORS_BETTER` standard errors and not lose order;
            else any gain will do.
        seed: Seed of the folds.
    """
    nothing = _Fit(name="", columns=[], weights=np.zeros(1), left_out=base)
    if len(good) < MIN_EVIDENCE_ROWS:
        return nothing
    best, best_loss = nothing, np.inf
    for name in table.names():
        for penalty in _PENALTIES:
            fit = _fit_evidence(table, name, good, base, penalty=penalty, seed=seed)
            loss = float(log_loss(fit.left_out, good).mean())
            if loss < best_loss:
                best, best_loss = fit, loss
    gain = log_loss(base, good) - log_loss(best.left_out, good)
    needed = _ERRORS_BETTER * float(gain.std()) / np.sqrt(len(good)) if must_gain else 0.0
    keeps_order = (auroc(best.left_out, good) or 0.0) >= (auroc(base, good) or 0.0)
    return best if float(gain.mean()) > needed and (keeps_order or not must_gain) else nothing


def _fit_evidence(table: _EvidenceTable, name: str, good: Floats, base: Floats, *, penalty: float, seed: int) -> _Fit:
    columns = table.columns(name)
    inputs = np.column_stack([np.ones(len(good)), table.inputs[:, columns]])
    penalties = np.concatenate([[_INTERCEPT], np.full(len(columns), penalty)])
    scores = base.copy()
    for fitted, held in left_out(good, FOLDS, seed=seed + 1):
        weights = fit_logistic(inputs[fitted], good[fitted], penalty=penalties, offset=base[fitted])
        scores[held] += inputs[held] @ weights
    weights = fit_logistic(inputs, good, penalty=penalties, offset=base)
    return _Fit(name=name, columns=columns, weights=weights, left_out=scores)


def _fit_without_confidence(
    table: _EvidenceTable, good: Floats, has: NDArray[np.bool_], mapped: ConfidenceMap | None, *, seed: int
) -> tuple[Evidence, Floats]:
    """Fit the score of rows without a confidence; returns it and the left-out P(good) of these rows.

    Few such rows borrow the weights of the evidence from all rows, and their base rate as far as it does not differ.
    """
    missing = ~has
    alone = int(missing.sum()) >= MIN_MISSING_ROWS
    used = missing if alone else np.ones(len(good), dtype=bool)
    outcomes, part = good[used], table.take(used)
    rate = log_odds_of(np.array((outcomes.sum() + 0.5) / (len(outcomes) + 1)))
    fit = _choose(part, outcomes, np.full(len(outcomes), float(rate)), must_gain=False, seed=seed)
    weights, scores = fit.weights.copy(), fit.left_out
    weights[0] += float(rate)
    if not alone:
        scores = scores[missing]
        if missing.any():
            shift = _shrunk_shift(scores, good[missing])
            weights[0] += shift
            scores = scores + shift
    spread = MISSING_SPREAD if mapped is None else float(np.hypot(mapped.spread, mapped.log_odds.std()))
    return table.evidence(fit.columns, weights, spread), sigmoid(scores)


def _shrunk_shift(scores: Floats, good: Floats) -> float:
    """Return how far rows lie from their log-odds, shrunk by how unsure that is (James and Stein 1961)."""
    ones = np.ones((len(good), 1))
    shift = float(fit_logistic(ones, good, penalty=np.array([0.5]), offset=scores)[0])
    probability = sigmoid(scores + shift)
    variance = 1.0 / (0.5 + float(np.sum(probability * (1 - probability))))
    return shift * max(0.0, 1.0 - variance / shift**2) if shift else 0.0
