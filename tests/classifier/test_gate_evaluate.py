"""The report adds up, its cuts hold the quality asked for, and without calibration the documented prior speaks."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn")

from tiergate_classifier.gate_evaluate import (
    calibration_with_cuts,
    choose_cuts,
    evaluate_gate,
    fit_tier_gate,
)
from tiergate_classifier.outcomes import Outcomes, OutcomeTableError, load_outcomes


def _table(tmp_path: Path, *, seed: int, n: int = 600, missing: float = 0.1, costs: bool = True) -> Outcomes:
    generator = np.random.default_rng(seed)
    chance = generator.random(n)
    lines = ["id,prompt,answer|A,correct|A,correct|B,confidence|A" + (",cost_usd|A,cost_usd|B" if costs else "")]
    for row in range(n):
        given = "" if generator.random() < missing else f"{chance[row] ** 0.2:.6f}"
        weak, strong = int(generator.random() < chance[row]), int(generator.random() < 0.9)
        prompt = ("What is this?", "Prove that.", "Sum it up.")[row % 3]
        lines.append(f"{row},{prompt},It is so.,{weak},{strong},{given}" + (",1,4" if costs else ""))
    file = tmp_path / f"{seed}-{costs}.csv"
    file.write_text("\n".join(lines))
    return load_outcomes(file)


def test_the_calibrated_report_adds_up(tmp_path: Path) -> None:
    calibration, held = _table(tmp_path, seed=1), _table(tmp_path, seed=2, n=1500)
    report = evaluate_gate(held, "A", "B", calibration)
    assert (report.n, report.calibration_n) == (1500, 600)
    assert report.raw_auroc is not None
    assert report.auroc_with_confidence is not None
    assert report.auroc_with_confidence >= report.raw_auroc - 0.01
    assert report.ece <= 0.04
    assert report.quality >= 0.95 * report.strong_quality - 0.03
    assert report.cost_per_request == pytest.approx(1 + 4 * report.escalation_ratio)
    assert 0 <= report.escalate_below <= report.trust_from <= 1
    assert {"n", "auroc", "ece", "apgr", "cpt50", "cpt80", "escalate_below", "trust_from", "quality"} <= set(
        report.to_json()
    )
    assert evaluate_gate(held, "A", "B", calibration) == report


def test_without_calibration_the_documented_prior_and_its_cuts_are_used(tmp_path: Path) -> None:
    report = evaluate_gate(_table(tmp_path, seed=3, costs=False), "A", "B")
    assert (report.escalate_below, report.trust_from, report.calibration_n) == (0.70, 0.85, 0)
    assert report.cost_per_request is None
    assert report.auroc_with_confidence == pytest.approx(report.raw_auroc, abs=0.01)


def test_an_unknown_tier_is_named(tmp_path: Path) -> None:
    with pytest.raises(OutcomeTableError, match=r"correct\|C"):
        evaluate_gate(_table(tmp_path, seed=4), "A", "C")


def test_the_lower_cut_is_the_cheapest_that_holds_the_quality() -> None:
    scores = np.linspace(0.01, 0.99, 100)
    weak, strong = (np.arange(100) >= 40).astype(float), np.ones(100)
    below, trust = choose_cuts(scores, weak, strong, min_quality=1.0)
    assert (scores < below).sum() == 40
    assert trust >= below
    assert choose_cuts(scores, weak, strong, min_quality=0.5)[0] == 0.0


def test_no_answer_is_trusted_where_escalation_always_gains() -> None:
    scores = np.linspace(0.01, 0.99, 100)
    assert choose_cuts(scores, np.zeros(100), np.ones(100), min_quality=0.95)[1] == 1.0


def test_the_cuts_travel_with_the_calibration(tmp_path: Path) -> None:
    gate = fit_tier_gate(_table(tmp_path, seed=5, n=200), "A", read_prompts=False)
    group = calibration_with_cuts(gate.fitted, (0.4, 0.8))
    assert (group.escalate_below, group.trust_from, group.n) == (0.4, 0.8, 200)
