"""Fits the prior of the confidence gate: P(answer is good) from the mean log-probability of its tokens.

    python benchmarks/fit_confidence_prior.py ../shared/data/gate/bplaut_msp_14models.csv.gz

Data: maximum softmax probability of the answer token and correctness of 14 models on five multiple-choice
sets (bplaut/llm-calibration-and-correctness-prediction, MIT). One slope for all models, one intercept for
each, every model weighted alike: the slope says how much confidence is worth, the intercept how good the
model is. Leaving one model out, the slope of the others and the accuracy of the left-out one must
calibrate it.
"""

import csv
import gzip
import json
import math
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_DOUBT = 1e-3
BINS = 10
ROUNDS = 60
RESULT = Path(__file__).parent / "results" / "confidence_prior.json"


def read_models(path: Path) -> dict[str, tuple[Array, Array]]:
    """Return (probability, correct) of each model."""
    with gzip.open(path, "rt") as file:
        rows = list(csv.DictReader(file))
    models = [column.removeprefix("msp|") for column in rows[0] if column.startswith("msp|")]
    found = {}
    for model in models:
        told = [(row[f"msp|{model}"], row[f"correct|{model}"]) for row in rows]
        kept = np.array([(float(p), float(c)) for p, c in told if p and c and float(p) > 0])
        found[model] = kept[:, 0], kept[:, 1]
    return found


def to_evidence(probability: Array) -> Array:
    """Log-odds of the probability, with the doubt cut off below."""
    return np.log(probability) - np.log(np.maximum(MIN_DOUBT, 1.0 - probability))


def sigmoid(score: Array) -> Array:
    """Logistic function."""
    return 1.0 / (1.0 + np.exp(-score))


def solve_intercept(evidence: Array, slope: float, mean: float) -> float:
    """Return the intercept at which the mean prediction is `mean`, by bisection."""
    low, high = -50.0, 50.0
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if sigmoid(middle + slope * evidence).mean() < mean else (low, middle)
    return low


def fit_slope(groups: list[tuple[Array, Array]]) -> float:
    """Return the slope shared by all groups, each with its own intercept and the same weight (Newton)."""
    slope = 0.3
    intercepts = [0.0] * len(groups)
    for _ in range(ROUNDS):
        gradient, curvature = 0.0, 0.0
        for place, (evidence, correct) in enumerate(groups):
            intercepts[place] = solve_intercept(evidence, slope, float(correct.mean()))
            guess = sigmoid(intercepts[place] + slope * evidence)
            spread = guess * (1 - guess)
            centre = (spread * evidence).sum() / spread.sum()
            gradient += float((evidence * (correct - guess)).mean())
            curvature += float((spread * (evidence - centre) ** 2).mean())
        step = gradient / curvature
        slope += step
        if abs(step) < 1e-7:
            break
    return slope


def measure_ece(guess: Array, correct: Array) -> float:
    """Expected calibration error over ten bins of equal count."""
    bins = np.array_split(np.argsort(guess), BINS)
    return float(sum(len(b) * abs(guess[b].mean() - correct[b].mean()) for b in bins) / len(guess))


def main() -> None:
    """Fit, check by leaving one model out, and write the result."""
    groups = {
        model: (to_evidence(probability), correct)
        for model, (probability, correct) in read_models(Path(sys.argv[1])).items()
    }
    left_out = {}
    for model, (evidence, correct) in groups.items():
        slope = fit_slope([group for other, group in groups.items() if other != model])
        intercept = solve_intercept(evidence, slope, float(correct.mean()))
        left_out[model] = {
            "n": len(correct),
            "accuracy": round(float(correct.mean()), 3),
            "slope_of_the_others": round(slope, 4),
            "ece": round(measure_ece(sigmoid(intercept + slope * evidence), correct), 4),
            "ece_of_the_bare_probability": round(measure_ece(sigmoid(evidence), correct), 4),
        }
    slope = fit_slope(list(groups.values()))
    at_mean = float(np.mean([evidence.mean() for evidence, _ in groups.values()]))
    eces = [entry["ece"] for entry in left_out.values()]
    bare = [entry["ece_of_the_bare_probability"] for entry in left_out.values()]
    result = {
        "data": "gate/bplaut_msp_14models.csv.gz (MIT)",
        "slope": round(slope, 4),
        "mean_evidence": round(at_mean, 3),
        "intercepts": {
            model: round(solve_intercept(evidence, slope, float(correct.mean())), 3)
            for model, (evidence, correct) in groups.items()
        },
        "intercept_at_base_rate": {
            str(rate): round(
                float(np.mean([solve_intercept(evidence, slope, rate) for evidence, _ in groups.values()])), 3
            )
            for rate in (0.8, 0.85, 0.9, 0.95)
        },
        "left_out_ece": {"mean": round(math.fsum(eces) / len(eces), 4), "max": max(eces)},
        "left_out_ece_of_the_bare_probability": {
            "mean": round(math.fsum(bare) / len(bare), 4),
            "max": max(bare),
        },
        "left_out": left_out,
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
