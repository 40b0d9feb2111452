"""Curves and areas of a table: nested, within their bounds, with costs from where they say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn")

from tiergate_classifier.cascade_evaluate import evaluate_cascade
from tiergate_classifier.outcomes import Outcomes, OutcomeTableError, load_outcomes

PROMPTS = (
    "What is it?",
    "Prove that the sum of two odd numbers is even.",
    "Name a colour.",
    "Derive the bound, step by step.",
)


def _table(tmp_path: Path, *, seed: int, n: int = 300, costs: bool = True) -> Outcomes:
    generator = np.random.default_rng(seed)
    lines = ["id,prompt,correct|A,correct|B,confidence|A" + (",cost_usd|A,cost_usd|B" if costs else "")]
    for row in range(n):
        kind = row % 4
        chance = generator.random() ** (2.0 if kind % 2 else 0.5)
        lines.append(
            f'{row},"{PROMPTS[kind]}",{int(generator.random() < chance)},{int(generator.random() < 0.9)},{chance:.5f}'
            + (",1,4" if costs else "")
        )
    file = tmp_path / f"{seed}.csv"
    file.write_text("\n".join(lines))
    return load_outcomes(file)


def test_both_is_not_above_the_better_beyond_the_interval(tmp_path: Path) -> None:
    report = evaluate_cascade(_table(tmp_path, seed=1, n=1200), ["A", "B"], _table(tmp_path, seed=2, n=500))
    found: Any = report.to_json()
    areas = found["error_cost_area"]
    assert set(areas) == {"route", "gate", "both", "both_free_start", "A", "B"}
    assert found["ratio_to_better"]["low"] <= 1.0
    assert areas["both"] < areas["B"] < areas["A"]
    assert (found["calibration"], found["calibration_n"], found["costs_from"]) == ("file", 500, "table")
    for name in ("route", "gate", "both"):
        curve = found["curves"][name]
        assert curve[-1]["cost"] == 1.0
        assert all(1.0 <= point["cost"] <= 5.0 and 0 <= point["quality"] <= 1 for point in curve)
    assert found["curves"]["B"] == [{"cost": 4.0, "quality": pytest.approx(report.table.good[:, 1].mean())}]


def test_without_calibration_every_row_is_scored_by_the_other_folds(tmp_path: Path) -> None:
    table = _table(tmp_path, seed=3, costs=False)
    report = evaluate_cascade(table, ["A", "B"])
    assert (report.calibration, report.costs_from, report.costs.tolist()) == ("cross-fitted", "assumed", [1.0, 4.0])
    np.testing.assert_array_equal(report.table.good[:, 0], table.measure("correct", "A"))
    assert report.sweeps["both"].cost.shape[1] == len(table)


def test_given_costs_win_over_the_table(tmp_path: Path) -> None:
    report = evaluate_cascade(
        _table(tmp_path, seed=4), ["A", "B"], _table(tmp_path, seed=5, costs=False), costs=[2.0, 20.0]
    )
    assert (report.costs_from, report.costs.tolist()) == ("given", [2.0, 20.0])


def test_the_calibration_rows_may_lack_costs(tmp_path: Path) -> None:
    report = evaluate_cascade(_table(tmp_path, seed=6), ["A", "B"], _table(tmp_path, seed=7, costs=False))
    assert (report.costs_from, report.costs.tolist()) == ("table", [1.0, 4.0])


@pytest.mark.parametrize(
    ("tiers", "costs", "named"),
    [
        (["A"], None, "--tiers"),
        (["A", "A"], None, "--tiers"),
        (["A", "B"], [1.0], "--costs"),
        (["A", "B"], [-1.0, 1.0], "--costs"),
    ],
)
def test_wrong_usage_is_named(tmp_path: Path, tiers: list[str], costs: list[float] | None, named: str) -> None:
    with pytest.raises(OutcomeTableError, match=named):
        evaluate_cascade(_table(tmp_path, seed=8, n=60), tiers, costs=costs)


def test_too_few_rows_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OutcomeTableError, match="at least 50"):
        evaluate_cascade(_table(tmp_path, seed=9, n=20), ["A", "B"])
