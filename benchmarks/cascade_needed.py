"""How good would router and gate have to be for both in one to be 5 % below the better of the two alone?

    python benchmarks/cascade_needed.py        # writes benchmarks/results/cascade_needed.json

The outcomes are the tables' own. The router's score is made up: normal, drawn apart for each tier given its outcome,
with a stated area under the ROC curve, and calibrated by construction. The confidence of the answers is once the
tables' own, and then made up in the same way. 500 calibration rows, the rest evaluated. Drawn apart means that score
and confidence err independently, so the figures are on the kind side: a real router and a real gate find the same
questions hard.
"""

import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from outcome_tables import MCQ_PAIRS, MCQ_SETS, SEED, TEXT_PAIRS, free_form, multiple_choice, split, versions
from tiergate_classifier.cascade_evaluate import prices_around, sweep_prices
from tiergate_classifier.cascade_policy import TierTable
from tiergate_classifier.gate_calibrate import fit_gate, score_gate
from tiergate_classifier.gate_evaluate import gate_rows
from tiergate_classifier.logistic import log_odds_of, sigmoid
from tiergate_classifier.outcomes import Outcomes
from tiergate_classifier.routing_metrics import auroc

OUT = Path("benchmarks/results/cascade_needed.json")
AREAS = (0.55, 0.6, 0.7, 0.8, 0.9)
GATE_AREAS = (None, 0.8, 0.9)
"""None: the confidence as it is."""
RATIOS = (2.0, 4.0)
TARGET = 0.95

Floats = NDArray[np.float64]


def drawn_score(good: Floats, area: float, generator: np.random.Generator) -> Floats:
    """Return P(good) by a score whose area under the ROC curve is the stated one, shape (n,)."""
    distance = float(np.sqrt(2) * norm.ppf(area))
    score = generator.normal(size=len(good)) + distance * good
    rate = float(log_odds_of(np.array(good.mean())))
    return np.asarray(sigmoid(rate + distance * score - distance**2 / 2))


def judged_rows(table: Outcomes, tiers: tuple[str, str]) -> tuple[TierTable, TierTable]:
    """Return calibration and left-out rows with the gate's P(good), without a router's score."""
    fitted, held = split(table, 500, SEED)
    parts = {"fitted": fitted, "held": held}
    goods = {name: np.column_stack([part.measure("correct", tier) for tier in tiers]) for name, part in parts.items()}
    gates = [fit_gate(gate_rows(fitted, tier), fitted.measure("correct", tier)) for tier in tiers]
    posteriors = {
        "fitted": np.column_stack([gate.left_out for gate in gates]),
        "held": np.column_stack(
            [score_gate(gate.calibration, gate_rows(held, tier)) for gate, tier in zip(gates, tiers, strict=True)]
        ),
    }
    seen, unseen = (
        TierTable(
            good=goods[name],
            cost=np.ones_like(goods[name]),
            prior=np.full_like(goods[name], 0.5),
            posterior=posteriors[name],
            has_signal=(True, True),
        )
        for name in parts
    )
    return seen, unseen


def ratio_at(
    seen: TierTable, unseen: TierTable, *, area: float, gate: float | None, costs: tuple[float, float]
) -> float:
    """Return the area of both in one over the better of the two, with a router and a gate of a stated quality."""
    generator = np.random.default_rng(SEED)
    tables = [
        replace(
            one,
            cost=np.tile(costs, (len(one), 1)),
            prior=np.column_stack([drawn_score(good, area, generator) for good in one.good.T]),
            posterior=one.posterior
            if gate is None
            else np.column_stack([drawn_score(good, gate, generator) for good in one.good.T]),
        )
        for one in (seen, unseen)
    ]
    sweeps = sweep_prices(tables[0], tables[1], prices_around(tables[0])[::2])
    rows = np.arange(len(unseen))
    found = {name: sweep.area(rows, *costs) for name, sweep in sweeps.items()}
    return found["both"] / min(found["route"], found["gate"])


def needed(name: str, table: Outcomes, tiers: tuple[str, str]) -> list[dict[str, Any]]:
    """Return the ratios of one table, and the least area under the ROC curve that meets the target."""
    seen, unseen = judged_rows(table, tiers)
    shown = auroc(unseen.posterior[:, 0], unseen.good[:, 0])
    found = []
    for dearer, gate in product(RATIOS, GATE_AREAS):
        ratios = {area: ratio_at(seen, unseen, area=area, gate=gate, costs=(1.0, dearer)) for area in AREAS}
        found.append(
            {
                "table": name,
                "tiers": list(tiers),
                "price_ratio": dearer,
                "n": len(unseen),
                "gate_auroc": shown if gate is None else gate,
                "gate_is": "the table's" if gate is None else "drawn",
                "ratio_to_better_by_router_auroc": {str(area): ratio for area, ratio in ratios.items()},
                "router_auroc_needed": next((area for area, ratio in ratios.items() if ratio <= TARGET), None),
            }
        )
        print(json.dumps(found[-1]), flush=True)
    return found


def main() -> None:
    """Run everything and write the results."""
    results: list[dict[str, Any]] = []
    for dataset in MCQ_SETS:
        for pair in MCQ_PAIRS[:1]:
            results += needed(f"bplaut/{dataset}", multiple_choice(dataset, pair), pair)
    for pair in TEXT_PAIRS[1::2]:
        results += needed("mmlu_pro_texts, free-form", free_form(pair, 3000), pair)
    OUT.write_text(
        json.dumps({"seed": SEED, "target": TARGET, "versions": versions(), "results": results}, indent=1) + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
