"""Routing, cascading and both in one on left-out rows: error-cost areas at stated price ratios.

    python benchmarks/cascade.py        # writes benchmarks/results/cascade.json

Prices are ratios per call, cheapest tier 1. Multiple-choice tables have no prompts, so routing alone is a random mix
there; free-form tables have prompts and answer texts. 500 calibration rows.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from outcome_tables import MCQ_PAIRS, MCQ_SETS, SEED, TEXT_PAIRS, free_form, multiple_choice, split, versions
from tiergate_classifier.cascade_evaluate import CascadeReport, fit_cascade, sweep_prices
from tiergate_classifier.outcomes import Outcomes
from tiergate_classifier.prompt_prior import prompt_inputs

OUT = Path("benchmarks/results/cascade.json")
RATIOS = ((1.0, 2.0), (1.0, 4.0), (1.0, 10.0))
THREE = ("Phi-3-mini-4k-instruct", "gemini-1.5-flash-002", "gemini-1.5-pro-002")


def reports(
    name: str, table: Outcomes, tiers: Sequence[str], rows: int, prices: Sequence[Sequence[float]]
) -> list[dict[str, Any]]:
    """Fit once, then sweep at every price ratio."""
    fitted, left_out = split(table, rows, SEED)
    place = np.ones((len(fitted), len(tiers)))
    model = fit_cascade(fitted, prompt_inputs(fitted.prompts), tiers, place)
    unseen = model.table(left_out, prompt_inputs(left_out.prompts), tiers, np.ones((len(left_out), len(tiers))))
    found = []
    for ratio in prices:
        costs = np.array(ratio)
        evaluated = replace(unseen, cost=np.tile(costs, (len(unseen), 1)))
        report = CascadeReport(
            tiers=tuple(tiers),
            costs=costs,
            costs_from="given",
            calibration="file",
            calibration_n=rows,
            table=evaluated,
            sweeps=sweep_prices(replace(model.seen, cost=np.tile(costs, (rows, 1))), evaluated),
        ).to_json()
        del report["curves"]
        found.append({"table": name, **report})
        print(json.dumps(found[-1]), flush=True)
    return found


def main() -> None:
    """Run everything and write the results."""
    results: list[dict[str, Any]] = []
    for dataset in MCQ_SETS[:2]:
        for pair in MCQ_PAIRS[:2]:
            results += reports(f"bplaut/{dataset}", multiple_choice(dataset, pair), pair, 500, RATIOS)
    for pair in TEXT_PAIRS:
        table = free_form(pair, 3000)
        results += reports("mmlu_pro_texts, free-form", table, pair, 500, RATIOS)
    three = ((1.0, 4.0, 16.0), (1.0, 2.0, 4.0))
    results += reports("mmlu_pro_texts, free-form", free_form(THREE, 3000), THREE, 500, three)
    OUT.write_text(
        json.dumps({"seed": SEED, "versions": versions(), "results": results}, indent=1) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
