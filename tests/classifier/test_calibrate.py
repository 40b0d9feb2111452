from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra [train]")

from scipy.special import expit

from tiergate_classifier.calibrate import (
    MIN_RECALL,
    Outputs,
    calibrate,
    calibrate_domains,
    cross_fit,
    platt_with_bound,
    recall_cut,
)
from tiergate_classifier.data import Table, builtin_workload_path, load_workload
from tiergate_classifier.splits import group_rows


def a_sample(n: int, seed: int = 0) -> tuple[Any, Any]:
    """Scores whose true P(good) is the sigmoid of 2x + 0.5."""
    random = np.random.default_rng(seed)
    scores = random.normal(scale=1.5, size=n)
    return scores, random.random(n) < expit(2 * scores + 0.5)


def test_platt_finds_the_sigmoid_that_made_the_sample() -> None:
    scores, good = a_sample(4000)
    curve = platt_with_bound(scores, good, np.arange(4000))

    at = np.linspace(-3, 3, 50)
    np.testing.assert_allclose(np.interp(at, curve.knots, curve.probability), expit(2 * at + 0.5), atol=0.05)


def test_the_bound_holds_at_a_score_in_about_its_share_of_samples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tiergate_classifier.calibrate.RESAMPLES", 200)
    held = []
    for seed in range(25):
        scores, good = a_sample(300, seed)
        curve = platt_with_bound(scores, good, np.arange(300))
        held.append(np.interp(1.0, curve.knots, curve.lower_bound) <= expit(2.5))

    assert np.mean(held) >= 0.84  # nominal 0.95; of 25 samples four misses come in about 3 % of runs


def test_more_rows_bring_the_bound_closer() -> None:
    gaps = []
    for n in (100, 1000):
        scores, good = a_sample(n)
        curve = platt_with_bound(scores, good, np.arange(n))
        gaps.append(float(np.max(np.subtract(curve.probability, curve.lower_bound))))

    assert gaps[1] < gaps[0] / 2


def test_rows_of_one_group_count_as_one() -> None:
    scores, good = a_sample(60)
    alone = platt_with_bound(scores, good, np.arange(60))
    copied = platt_with_bound(np.tile(scores, 5), np.tile(good, 5), np.tile(np.arange(60), 5))

    at_alone, at_copied = (np.interp(1.0, c.knots, c.lower_bound) for c in (alone, copied))
    assert at_copied == pytest.approx(at_alone, abs=0.05)


def test_a_separable_sample_claims_no_certainty() -> None:
    scores = np.concatenate([np.linspace(-2, -1, 20), np.linspace(1, 2, 20)])
    curve = platt_with_bound(scores, scores > 0, np.arange(40))

    assert 0.9 < np.interp(2.0, curve.knots, curve.probability) < 1


def test_the_temperature_cools_logits_that_are_too_bold() -> None:
    random = np.random.default_rng(0)
    truth = random.integers(3, size=2000)
    logits = np.eye(3)[truth] * 2 + random.gumbel(size=(2000, 3))
    drawn = logits.argmax(axis=1)

    honest = calibrate_domains(np.eye(3)[truth] * 2.0, drawn, ["a", "b", "c"], [])
    bold = calibrate_domains(np.eye(3)[truth] * 8.0, drawn, ["a", "b", "c"], [])

    assert honest.temperature == pytest.approx(1, abs=0.1)
    assert bold.temperature == pytest.approx(4, abs=0.4)
    assert honest.min_scores == {}


def test_a_safety_domain_gets_the_highest_cut_that_keeps_its_recall() -> None:
    scores = np.linspace(0.005, 0.995, 100)
    cut = recall_cut(scores)

    assert (scores >= cut).mean() >= MIN_RECALL
    assert (scores >= cut + 0.011).mean() < MIN_RECALL
    assert recall_cut(np.array([0.4, 0.9])) == pytest.approx(0.4)


def test_cross_fitted_outputs_are_those_of_heads_that_never_saw_the_row(
    a_table: Callable[..., Table],
) -> None:
    table = a_table()
    groups = np.arange(len(table.rows))
    random_labels = np.random.default_rng(5).permutation(table.tier)
    noise = Table(
        rows=table.rows,
        vectors=table.vectors,
        features=table.features,
        tier=random_labels,
        domain=table.domain,
    )

    real = cross_fit(table, groups, tiers=3, domains=2).tier_log_odds[:, 0] > 0
    guessed = cross_fit(noise, groups, tiers=3, domains=2).tier_log_odds[:, 0] > 0

    assert (real == (table.tier <= 0)).mean() > 0.95
    assert (guessed == (random_labels <= 0)).mean() < 0.75  # two thirds by always saying no


def test_every_tier_is_calibrated_and_the_last_is_good_by_definition(
    a_table: Callable[..., Table],
) -> None:
    table = a_table()
    outputs = Outputs(
        tier_log_odds=np.random.default_rng(0).normal(size=(240, 3)),
        domain_logits=np.random.default_rng(1).normal(size=(240, 2)),
    )
    found = calibrate(table, outputs, np.arange(240), tiers=["s", "m", "f"], domains=["x", "y"], safety=["y"])

    assert list(found.tiers) == ["s", "m", "f"]
    assert found.tiers["f"].probability == found.tiers["f"].lower_bound == (1.0,)
    assert list(found.domains.min_scores) == ["y"]


def test_the_workload_has_enough_groups_to_resample() -> None:
    rows = load_workload(builtin_workload_path())

    assert len(np.unique(group_rows(rows))) > 0.9 * len(rows)
