"""`evaluate cache` end to end with the shipped encoder and model, on prompts written here."""

import json
import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import typer
from typer.testing import CliRunner

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.cli.evaluate_cache import evaluate_cache as command
from tiergate.errors import ConfigurationError
from tiergate_classifier.pair_data import PairTable
from tiergate_classifier.pair_evaluate import evaluate_cache
from tiergate_classifier.pair_sources import generate, written_bases
from tiergate_classifier.pair_train import Memory

KEYS = {"n", "hit_ratio", "error_ratio", "bound", "ap", "recall_of_true_pairs", "static"}


@pytest.fixture(scope="module")
def encoder() -> Memory:
    return Memory(OnnxEmbedder(pool=InferencePool()))


@pytest.fixture(scope="module")
def tables() -> tuple[PairTable, PairTable]:
    pairs = generate("t", written_bases(), random.Random(2), licence="Apache-2.0", per_base=5).pairs
    order = np.random.default_rng(1).permutation(len(pairs))
    return pairs.take(order[:450]), pairs.take(order[450:900])


def test_the_figures_are_those_of_the_contract(encoder: Memory, tables: tuple[PairTable, PairTable]) -> None:
    test, labelled = tables
    figures = evaluate_cache(test, labelled, 0.1, 0, encoder=encoder)
    assert set(figures) >= KEYS
    assert set(figures["static"]) >= {"min_similarity", "hit_ratio", "error_ratio"}
    assert figures["n"] == 450
    assert figures["n_calibration"] == 450 - figures["n_shared"] > 440
    assert figures["refitted"]
    assert not figures["no_cut"]
    assert 0 < figures["hit_ratio"] < 1
    assert figures["error_ratio"] <= 0.1
    assert figures["hit_ratio"] > figures["static"]["hit_ratio"]
    assert figures["ap"] > figures["static"]["ap"]
    assert json.loads(json.dumps(figures)) == figures


def test_the_same_seed_gives_the_same_figures(encoder: Memory, tables: tuple[PairTable, PairTable]) -> None:
    assert evaluate_cache(*tables, 0.1, 3, encoder=encoder) == evaluate_cache(*tables, 0.1, 3, encoder=encoder)


def test_where_no_cut_controls_the_risk_only_exact_matches_are_served(
    encoder: Memory, tables: tuple[PairTable, PairTable]
) -> None:
    test, labelled = tables
    with_exact = PairTable(
        a=(*test.a, "same words"),
        b=(*test.b, "same words"),
        labels=np.append(test.labels, True),
        kinds=(*test.kinds, ""),
    )
    figures = evaluate_cache(with_exact, labelled, 0.001, 0, encoder=encoder)
    assert figures["no_cut"]
    assert figures["hit_ratio"] == 1 / 451
    assert figures["error_bound"] is None
    assert "only exact matches" in figures["guarantee"]


def test_without_calibration_nothing_is_promised(encoder: Memory, tables: tuple[PairTable, PairTable]) -> None:
    figures = evaluate_cache(tables[0], None, 0.1, 0, encoder=encoder)
    assert figures["confidence"] is None
    assert figures["n_calibration"] == 0
    assert "guarantees nothing" in figures["guarantee"]


def test_a_pair_in_both_tables_calibrates_nothing(encoder: Memory, tables: tuple[PairTable, PairTable]) -> None:
    test, labelled = tables
    both = PairTable(
        a=(*labelled.a, *test.a[:7]),
        b=(*labelled.b, *test.b[:7]),
        labels=np.append(labelled.labels, test.labels[:7]),
        kinds=(*labelled.kinds, *test.kinds[:7]),
    )
    with_them, without = (evaluate_cache(test, table, 0.1, 0, encoder=encoder) for table in (both, labelled))
    assert with_them["n_shared"] == without["n_shared"] + 7
    assert with_them["n_calibration"] == without["n_calibration"]
    with pytest.raises(ConfigurationError, match="every one of its pairs"):
        evaluate_cache(test, test, 0.1, 0, encoder=encoder)


@pytest.mark.parametrize("bound", [0.0, 1.0, -1.0])
def test_a_bound_out_of_range_is_refused(encoder: Memory, tables: tuple[PairTable, PairTable], bound: float) -> None:
    with pytest.raises(ConfigurationError, match="between 0 and 1"):
        evaluate_cache(tables[0], None, bound, 0, encoder=encoder)


@pytest.fixture
def app() -> typer.Typer:
    made = typer.Typer()
    made.command("cache")(command)
    return made


def test_the_command_prints_json_and_text(app: typer.Typer, tmp_path: Path) -> None:
    path = tmp_path / "pairs.csv"
    pl.DataFrame({"a": ["hi", "yes"], "b": ["hello", "no"], "label": [1, 0]}).write_csv(path)
    result = CliRunner().invoke(app, ["--pairs", str(path), "--max-error", "0.05", "--json"])
    assert result.exit_code == 0
    assert set(json.loads(result.stdout)) >= KEYS
    result = CliRunner().invoke(app, ["--pairs", str(path), "--max-error", "0.05"])
    assert "wrong among served" in result.stdout


def test_the_command_says_what_is_wrong(app: typer.Typer, tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["--pairs", str(tmp_path / "none.csv")])
    assert result.exit_code == 2
    assert "none.csv" in result.stderr
