"""`tiergate calibrate cache`, and that `tiergate calibrate` alone still is what it was."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from tiergate.adapters.pair_label_file import PairLabelFile
from tiergate.cli.main import app
from tiergate.pair_artifact import builtin_pair_model_path, load_pair_model
from tiergate.policy.deployment_cuts import PairLabel
from tiergate.policy.pair_features import FEATURES

pytest.importorskip("sklearn")

TIERS = "tiers: [{name: small, model_group: s}, {name: large, model_group: l}]\n"


class Desk:
    """A policy, and labels whose cosine tells everything or nothing."""

    def __init__(self, path: Path) -> None:
        self.path, self.labels = path, PairLabelFile(path / "labels.jsonl")
        self.write_policy("  max_error: 0.05\n")

    def write_policy(self, more: str) -> None:
        text = f"version: 1\n{TIERS}semantic_cache:\n  labels: {self.labels.path}\n{more}"
        (self.path / "policy.yaml").write_text(text, encoding="utf-8")

    def fill(self, count: int, *, noise: float) -> None:
        rng = np.random.default_rng(1)
        dimensions = load_pair_model(builtin_pair_model_path()).dimensions
        unit = np.full(dimensions, dimensions**-0.5, dtype=np.float32)
        for score in np.linspace(0.4, 1.0, count):
            features = np.zeros(len(FEATURES), dtype=np.float32)
            features[FEATURES.index("cosine")] = score
            same = bool(rng.random() < 0.5) if rng.random() < noise else bool(score > 0.7)
            self.labels.add_label(
                PairLabel(
                    ts=1.0, tenant="t", entry_id="e", similarity=score, same=same, would_hit=False, drawn=True,
                    features=features, asked=unit, stored=unit,
                )
            )  # fmt: skip

    def run(self, *options: str) -> Result:
        return CliRunner().invoke(app, ["calibrate", "cache", "--policy", str(self.path / "policy.yaml"), *options])


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_dry_run_prints_the_bound_and_the_labels_and_writes_nothing(desk: Desk) -> None:
    desk.fill(700, noise=0.0)
    before = sorted(desk.path.iterdir())
    told = desk.run("--dry-run", "--json")
    assert told.exit_code == 0, told.output
    figures = json.loads(told.stdout)
    assert (figures["n"], figures["max_error"], figures["written"]) == (700, 0.05, None)
    assert figures["cut"]["controls"]
    assert figures["cut"]["error_bound"] <= 0.05
    assert set(figures["scopes"]) == {"t"}
    assert sorted(desk.path.iterdir()) == before


def test_what_is_written_is_a_model_that_policy_can_name(desk: Desk) -> None:
    desk.fill(400, noise=0.0)
    told = desk.run("--out", str(desk.path / "pairs"))
    assert told.exit_code == 0, told.output
    assert "400" in told.stdout
    assert "upper bound" in told.stdout
    assert load_pair_model(desk.path / "pairs").cuts[0.05].controls


def test_no_cut_is_exit_1_and_said_in_words(desk: Desk) -> None:
    desk.fill(400, noise=1.0)
    told = desk.run("--dry-run")
    assert told.exit_code == 1
    assert "exact matches only" in told.stdout


@pytest.mark.parametrize(
    ("options", "said"), [((), "--out"), (("--out", "x", "--dry-run"), "--out"), (("--dry-run",), "0 labels")]
)
def test_what_is_missing_is_said(desk: Desk, options: tuple[str, ...], said: str) -> None:
    told = desk.run(*options)
    assert told.exit_code == 2
    assert said in told.stderr


def test_a_policy_without_a_bound_needs_one(desk: Desk) -> None:
    desk.fill(310, noise=0.0)
    desk.write_policy("")
    assert desk.run("--dry-run").exit_code == 2
    assert desk.run("--dry-run", "--max-error", "0.1").exit_code == 0


def test_calibrate_alone_is_the_classifiers(desk: Desk) -> None:
    told = CliRunner().invoke(app, ["calibrate", "--labels", str(desk.labels.path)])
    assert told.exit_code == 2
    assert "--policy" in told.stderr
