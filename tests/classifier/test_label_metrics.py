"""Figures on labelled rows: calibration error as the contract defines it, and routing by policy."""

import numpy as np
import pytest
from tests.classifier.labels import BASE, hidden_rule_rows, policy_of

from tiergate_classifier.label_metrics import (
    bootstrap_mean,
    calibration_error,
    find_metric,
    measure_labels,
    route_labels,
    slices_of,
)
from tiergate_classifier.label_rows import stack_labels


def test_a_calibrated_score_has_next_to_no_error_and_a_bold_one_has() -> None:
    random = np.random.default_rng(1)
    scores = random.random(2000)
    good = (random.random(2000) < scores).astype(float)
    assert calibration_error(scores, good) < 0.01
    assert calibration_error(np.clip(scores + 0.2, 0, 1), good) > 0.1
    assert calibration_error(np.array([]), np.array([])) == 0.0


def test_routing_looks_the_outcome_of_the_chosen_tier_up() -> None:
    labels = stack_labels(hidden_rule_rows(40), BASE.tiers)
    routed = route_labels(BASE, labels, policy_of(intent_router={"min_quality": 1.0}))
    assert routed.quality.tolist() == [labels.quality[at, tier] for at, tier in enumerate(routed.tier.tolist())]
    assert np.mean(routed.tier == 2) > 0.5
    cheap = route_labels(BASE, labels, policy_of(intent_router={"min_quality": 0.0}))
    assert cheap.cost_usd.tolist() == [0.1] * 40


def test_the_figures_of_the_card() -> None:
    labels = stack_labels(hidden_rule_rows(90), BASE.tiers)
    metrics = measure_labels(BASE, labels, policy_of(intent_router={"min_quality": 0.0}), min_slice_rows=25)
    share, worst = find_metric(metrics, "cost_share"), find_metric(metrics, "worst_slice_calibration_error")
    assert share is not None
    assert share.value == pytest.approx(0.1)
    assert worst is not None
    slices = [m for m in metrics if m.name.startswith("calibration_error/")]
    assert worst.value == max(m.value for m in slices)
    assert {m.name for m in slices} >= {"calibration_error/domain/code", "calibration_error/length/high"}
    assert find_metric(metrics, "none") is None
    small = measure_labels(BASE, labels, policy_of(), min_slice_rows=1000)
    assert find_metric(small, "worst_slice_calibration_error") is None


def test_the_slices_cover_every_row() -> None:
    labels = stack_labels(hidden_rule_rows(30), BASE.tiers)
    lengths = [mask for name, mask in slices_of(labels).items() if name.startswith("length/")]
    assert np.sum(lengths, axis=0).tolist() == [1] * 30


def test_the_interval_holds_the_mean() -> None:
    values = np.arange(100.0)
    low, high = bootstrap_mean(values, np.ones(100))
    assert low < 49.5 < high
