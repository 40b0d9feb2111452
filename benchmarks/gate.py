"""The gate on left-out rows: discrimination against raw confidence, calibration error, recovered gap.

    python benchmarks/gate.py        # writes benchmarks/results/gate.json

Multiple-choice pairs have answer probabilities and no prompts (bplaut, MIT); free-form pairs have answer texts and
prompts and no probabilities (MMLU-Pro, Apache-2.0). Every figure is on rows that took no part in calibration.
"""

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.isotonic import IsotonicRegression

from outcome_tables import MCQ_PAIRS, MCQ_SETS, SEED, TEXT_PAIRS, free_form, multiple_choice, split, versions
from outcome_tables import without_confidence as drop
from tiergate.policy.answer_features import ANSWER_FEATURES
from tiergate.policy.gate_calibration import score_by_prior
from tiergate_classifier.gate_calibrate import GateRows, fit_gate, score_gate
from tiergate_classifier.gate_evaluate import TierGate, fit_tier_gate
from tiergate_classifier.logistic import fit_logistic, log_odds_of, sigmoid
from tiergate_classifier.outcomes import Outcomes
from tiergate_classifier.routing_metrics import Interval, auroc, bootstrap_interval, calibration_error, gap_recovery

Floats = np.ndarray[Any, np.dtype[np.float64]]
Indices = np.ndarray[Any, np.dtype[np.intp]]
OUT = Path("benchmarks/results/gate.json")
CALIBRATION_ROWS = (100, 500, 2000)


def figures(gate: TierGate, left_out: Outcomes, weak: str, strong: str) -> dict[str, Any]:
    """Return the figures of a gate on left-out rows, with 95 % bootstrap intervals."""
    scores = gate.score(left_out)
    confidence, good = left_out.measure("confidence", weak), left_out.measure("correct", weak)
    better, has = left_out.measure("correct", strong), np.isfinite(left_out.measure("confidence", weak))

    def lost(rows: Indices) -> float | None:
        kept = rows[has[rows]]
        mine, raw = auroc(scores[kept], good[kept]), auroc(confidence[kept], good[kept])
        return None if mine is None or raw is None else mine - raw

    def apgr(rows: Indices) -> float | None:
        recovery = gap_recovery(-scores[rows], good[rows], better[rows])
        return recovery.apgr if recovery else None

    return {
        "n": len(left_out),
        "without_confidence": int((~has).sum()),
        "evidence": gate.fitted.evidence,
        "auroc": shown(bootstrap_interval(lambda rows: auroc(scores[rows], good[rows]), len(left_out), repeats=100)),
        "auroc_over_raw": shown(bootstrap_interval(lost, len(left_out), repeats=100)) if has.any() else None,
        "ece": calibration_error(scores, good),
        "apgr": shown(bootstrap_interval(apgr, len(left_out), repeats=100)),
    }


def shown(interval: Interval | None) -> dict[str, float] | None:
    """Return an interval with four digits."""
    return None if interval is None else {name: round(value, 4) for name, value in asdict(interval).items()}


def methods() -> dict[str, dict[str, float]]:
    """Compare calibrations of the confidence alone: 500 rows, every model, every set."""
    ways: dict[str, Callable[[Floats, Floats, Floats], Floats]] = {
        "rank logistic + bagged isotonic": _ours,
        "platt on log-odds": _platt,
        "beta": _beta,
        "isotonic": lambda c, y, new: IsotonicRegression(out_of_bounds="clip").fit(c, y).predict(new),
        "venn-abers": _venn_abers,
    }
    models = sorted({model for pair in MCQ_PAIRS for model in pair})
    lost: dict[str, list[float]] = defaultdict(list)
    errors: dict[str, list[float]] = defaultdict(list)
    for dataset in MCQ_SETS:
        for model in models:
            fitted, left_out = split(multiple_choice(dataset, [model]), 500, SEED)
            c, y = fitted.measure("confidence", model), fitted.measure("correct", model)
            new, good = left_out.measure("confidence", model), left_out.measure("correct", model)
            for name, way in ways.items():
                scores = way(c, y, new)
                lost[name].append((auroc(scores, good) or 0) - (auroc(new, good) or 0))
                errors[name].append(calibration_error(scores, good, simulations=200))
    return {
        name: {
            "tables": len(lost[name]),
            "auroc_over_raw_mean": round(float(np.mean(lost[name])), 4),
            "auroc_over_raw_worst": round(min(lost[name]), 4),
            "ece_mean": round(float(np.mean(errors[name])), 4),
            "ece_worst": round(max(errors[name]), 4),
        }
        for name in ways
    }


def prior_spread() -> dict[str, float]:
    """Return how far models and sets lie from the documented prior, in log-odds."""
    shifts = []
    for dataset in MCQ_SETS:
        for model in sorted({model for pair in MCQ_PAIRS for model in pair}):
            table = multiple_choice(dataset, [model])
            confidences = table.measure("confidence", model).tolist()
            base = log_odds_of(np.array([score_by_prior(one).probability for one in confidences]))
            ones = np.ones((len(table), 1))
            good = table.measure("correct", model)
            shifts.append(float(fit_logistic(ones, good, penalty=np.array([1e-3]), offset=base)[0]))
    return {"tables": len(shifts), "mean": round(float(np.mean(shifts)), 3), "sd": round(float(np.std(shifts)), 3)}


def _ours(c: Floats, y: Floats, new: Floats) -> Floats:
    return score_gate(fit_gate(_bare(c), y).calibration, _bare(new))


def _bare(confidence: Floats) -> GateRows:
    """Return rows that have a confidence and nothing else."""
    nothing = np.full((len(confidence), len(ANSWER_FEATURES)), np.nan)
    return GateRows(confidence=confidence, prior=nothing[:, 0], answer=nothing)


def _places(confidence: Floats) -> Floats:
    return log_odds_of(confidence, least=1e-12)


def _platt(c: Floats, y: Floats, new: Floats) -> Floats:
    def table(values: Floats) -> Floats:
        return np.column_stack([np.ones(len(values)), _places(values)])

    return sigmoid(table(new) @ fit_logistic(table(c), y, penalty=np.array([1e-3, 1e-3])))


def _beta(c: Floats, y: Floats, new: Floats) -> Floats:
    def table(values: Floats) -> Floats:
        inside = np.clip(values, 1e-12, 1 - 1e-12)
        return np.column_stack([np.ones(len(values)), np.log(inside), -np.log1p(-inside)])

    weights = fit_logistic(table(c), y, penalty=np.array([1e-3, 1e-3, 1e-3]))
    return sigmoid(table(new) @ weights)


def _venn_abers(c: Floats, y: Floats, new: Floats) -> Floats:
    """Inductive Venn-Abers on 200 quantiles of the new confidences, interpolated between them."""
    grid = np.unique(np.quantile(new, np.linspace(0, 1, 200)))
    low, high = (
        np.array([IsotonicRegression().fit([*c, one], [*y, label]).predict([one])[0] for one in grid])
        for label in (0.0, 1.0)
    )
    return np.interp(new, grid, high / (1 - low + high))


def main() -> None:
    """Run everything and write the results."""
    results: list[dict[str, Any]] = []

    def add(name: str, table: Outcomes, pair: tuple[str, str], rows: int) -> None:
        fitted, left_out = split(table, rows, SEED)
        gate = fit_tier_gate(fitted, pair[0], read_prompts=bool(table.answers))
        results.append(
            {"table": name, "weak": pair[0], "strong": pair[1], "calibration_n": rows, **figures(gate, left_out, *pair)}
        )
        print(json.dumps(results[-1]), flush=True)

    for dataset in MCQ_SETS:
        for pair in MCQ_PAIRS:
            table = multiple_choice(dataset, pair)
            for rows in CALIBRATION_ROWS:
                if len(table) > rows + 1000:
                    add(f"bplaut/{dataset}", table, pair, rows)
            add(f"bplaut/{dataset}, 20 % without confidence", drop(table, 0.2, SEED), pair, 500)
    for pair in TEXT_PAIRS:
        add("mmlu_pro_texts, free-form", free_form(pair, 2500), pair, 500)
    summary = {"methods": methods(), "prior_spread": prior_spread()}
    OUT.write_text(
        json.dumps({"seed": SEED, "versions": versions(), **summary, "results": results}, indent=1) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
