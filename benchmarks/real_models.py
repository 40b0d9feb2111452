"""One run with a real model and no simulation: SmolLM2-135M gated by its own token log-probabilities.

    python benchmarks/smollm2.py --out answers.jsonl                 # asks the model
    python benchmarks/real_models.py --answers answers.jsonl         # writes benchmarks/results/real_models.json

The cheap tier is SmolLM2-135M-Instruct; the strong tier is the reference answer, right by definition. The gate is
calibrated on one half of the answers, all figures are on the other half. Prices are ratios per call.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from outcome_tables import SEED, versions
from tiergate_classifier.cascade_evaluate import CascadeReport, fit_cascade, sweep_prices
from tiergate_classifier.gate_evaluate import evaluate_gate, fit_tier_gate
from tiergate_classifier.outcomes import Outcomes, load_outcomes
from tiergate_classifier.prompt_prior import prompt_inputs
from tiergate_classifier.routing_metrics import Interval, auroc, bootstrap_interval, calibration_error, risk_coverage

OUT = Path("benchmarks/results/real_models.json")
WEAK, STRONG = "smollm2", "reference"
COVERAGES = (0.1, 0.25, 0.5, 0.75, 1.0)


def risk_figures(scores: Any, good: Any) -> dict[str, Any]:
    """Return discrimination, risk at some coverages, and the area under the risk-coverage curve."""
    curve = risk_coverage(scores, good)
    n = len(good)
    return {
        "auroc": _shown(bootstrap_interval(lambda rows: auroc(scores[rows], good[rows]), n)),
        "area_under_risk_coverage": _shown(
            bootstrap_interval(lambda rows: float(risk_coverage(scores[rows], good[rows]).mean()), n)
        ),
        "risk_at_coverage": {str(share): round(float(curve[max(round(share * n), 1) - 1]), 4) for share in COVERAGES},
    }


def cascade_figures(fitted: Outcomes, held: Outcomes, ratio: float) -> dict[str, Any]:
    """Return error-cost areas at a price ratio."""
    costs = np.array([1.0, ratio])
    model = fit_cascade(fitted, prompt_inputs(fitted.prompts), (WEAK, STRONG), np.tile(costs, (len(fitted), 1)))
    unseen = model.table(held, prompt_inputs(held.prompts), (WEAK, STRONG), np.tile(costs, (len(held), 1)))
    report = CascadeReport(
        tiers=(WEAK, STRONG),
        costs=costs,
        costs_from="given",
        calibration="file",
        calibration_n=len(fitted),
        table=unseen,
        sweeps=sweep_prices(model.seen, unseen),
    )
    return {key: value for key, value in report.to_json().items() if key not in {"curves", "tiers", "calibration"}}


def main(arguments: Sequence[str] | None = None) -> None:
    """Calibrate on one half, measure on the other."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--answers", type=Path, required=True)
    answers = parser.parse_args(arguments).answers
    table = load_outcomes(answers)
    order = np.random.default_rng(SEED).permutation(len(table))
    fitted, held = table.take(order[: len(order) // 2]), table.take(order[len(order) // 2 :])
    gate = fit_tier_gate(fitted, WEAK)
    scores, good = gate.score(held), held.measure("correct", WEAK)
    raw = held.measure("confidence", WEAK)
    seconds = table.measure("latency_ms", WEAK) / 1000
    result = {
        "about": json.loads(answers.with_suffix(".about.json").read_text(encoding="utf-8")),
        "seed": SEED,
        "versions": versions(),
        "n": len(table),
        "n_calibration": len(fitted),
        "n_left_out": len(held),
        "quality": {
            domain: round(float(table.measure("correct", WEAK)[[one == domain for one in table.domains]].mean()), 4)
            for domain in sorted({one for one in table.domains if one})
        },
        "seconds_per_answer_p50": round(float(np.median(seconds)), 2),
        "evidence": gate.fitted.evidence,
        "ece": round(calibration_error(scores, good), 4),
        "ece_raw_confidence": round(calibration_error(raw, good), 4),
        "calibrated": risk_figures(scores, good),
        "raw_confidence": risk_figures(raw, good),
        "gate": evaluate_gate(held, WEAK, STRONG, fitted).to_json(),
        "cascade": {f"1:{ratio:g}": cascade_figures(fitted, held, ratio) for ratio in (4.0, 10.0, 50.0)},
    }
    OUT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


def _shown(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {name: round(value, 4) for name, value in asdict(interval).items()}


if __name__ == "__main__":
    main()
