"""Resampled splits: no pair on both sides, figures that add up, and the command that prints them."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from tiergate.cli.evaluate_cache import evaluate_cache as command
from tiergate.errors import ConfigurationError
from tiergate.policy.pair_features import FEATURES
from tiergate.policy.pair_model import PairModel
from tiergate_classifier import pair_splits
from tiergate_classifier.pair_data import PairInputs, PairTable
from tiergate_classifier.pair_splits import evaluate_splits, interval, run, without_repeats

COSINE, NUMBERS = FEATURES.index("cosine"), FEATURES.index("numbers_changed")


def world(n: int, seed: int = 1) -> PairInputs:
    """Pairs whose truth hangs on a number that cosine does not see."""
    rng = np.random.default_rng(seed)
    features = np.zeros((n, len(FEATURES)), dtype=np.float32)
    features[:, COSINE] = rng.uniform(0.4, 1.0, n)
    features[:, NUMBERS] = rng.random(n) < 0.3
    odds = 40 * (features[:, COSINE] - 0.6) - 60 * features[:, NUMBERS]
    vectors = rng.normal(size=(n, 8)).astype(np.float32)
    return PairInputs(features=features, vectors=vectors, labels=rng.random(n) < 1 / (1 + np.exp(-odds)))


def model() -> PairModel:
    weight = np.zeros(len(FEATURES), dtype=np.float32)
    weight[COSINE] = 5.0
    return PairModel(feature_weight=weight, vector_weight=np.zeros(8, dtype=np.float32), bias=0.0, cuts={})


def test_the_bound_is_kept_where_cosine_finds_no_cut() -> None:
    found = evaluate_splits(world(1600), model(), max_errors=(0.05, 0.1), splits=8, seed=0)
    assert set(found) == {0.05, 0.1}
    for row in found.values():
        assert row["splits"] == 8
        assert row["bound_kept"] >= 7 / 8
        assert row["bound_kept_low_95"] < row["bound_kept"] or row["bound_kept"] < 1
        assert row["hit_ratio"]["mean"] > 0.2
        assert row["hit_ratio"]["low"] <= row["hit_ratio"]["mean"] <= row["hit_ratio"]["high"]
    assert found[0.1]["hits_over_static"] is None or found[0.1]["hits_over_static"] > 1.3


def test_no_pair_calibrates_and_tests_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = world(400)
    inputs.vectors[:, 0] = np.arange(400)  # a mark by which a pair is known again
    seen: list[tuple[set[float], set[float]]] = []
    real = pair_splits.calibrate

    def spy(labelled: PairInputs, *rest: object, further: object, **options: object) -> object:
        seen.append((set(labelled.vectors[:, 0].tolist()), set(further.vectors[:, 0].tolist())))  # type: ignore[attr-defined]
        return real(labelled, *rest, further=further, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(pair_splits, "calibrate", spy)
    evaluate_splits(inputs, model(), max_errors=(0.1,), splits=3, seed=0, calibration=0.75)
    assert [(len(one), len(other), len(one & other)) for one, other in seen] == [(300, 100, 0)] * 3
    assert seen[0][0] != seen[1][0]


def test_a_pair_that_stands_twice_counts_once_in_either_order() -> None:
    table = PairTable(
        a=("x", "y", "x", "z"), b=("y", "x", "y", "z"), labels=np.array([True, True, True, False]), kinds=("",) * 4
    )
    once = without_repeats(table)
    assert (once.a, once.b) == (("x", "z"), ("y", "z"))


def test_an_interval_is_the_middle_of_the_values() -> None:
    assert interval(np.arange(101.0)) == {"mean": 50.0, "low": 2.5, "high": 97.5}


def table(path: Path, rows: int) -> Path:
    texts = [f"what is the price of item {number}" for number in range(rows)]
    frame = {"a": texts, "b": [f"{text} please" for text in texts], "label": [number % 2 for number in range(rows)]}
    pl.DataFrame(frame).write_csv(path / "pairs.csv")
    return path / "pairs.csv"


def test_the_command_splits_the_file_itself(tmp_path: Path) -> None:
    app = typer.Typer()
    app.command()(command)
    options = [
        "--pairs",
        str(table(tmp_path, 40)),
        "--max-error",
        "0.05",
        "--splits",
        "3",
        "--calibration-share",
        "0.25",
    ]
    told = CliRunner().invoke(app, [*options, "--json"])
    assert told.exit_code == 0, told.output
    figures = json.loads(told.stdout)
    assert (figures["n"], figures["splits"], figures["calibration_share"]) == (40, 3, 0.25)
    assert (figures["no_cut"], figures["hits_over_static"], figures["n_repeated"]) == (1.0, None, 0)
    assert "bound kept" in CliRunner().invoke(app, options).stdout
    refused = CliRunner().invoke(app, [*options, "--calibration", str(tmp_path / "pairs.csv")])
    assert refused.exit_code == 2
    assert "leave --calibration out" in refused.output


@pytest.mark.parametrize(("changes", "said"), [({"max_error": 0.0}, "max-error"), ({"calibration": 1.0}, "share")])
def test_a_share_out_of_range_is_refused(tmp_path: Path, changes: dict[str, float], said: str) -> None:
    asked = {"max_error": 0.05, "calibration": 0.5, **changes}
    with pytest.raises(ConfigurationError, match=said):
        run(tmp_path / "none.csv", asked["max_error"], splits=2, calibration=asked["calibration"], model=None)


def test_a_table_that_is_too_small_to_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="too few"):
        run(table(tmp_path, 3), 0.05, splits=2, model=None)
