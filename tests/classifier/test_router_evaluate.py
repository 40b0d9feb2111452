"""An outcome table in, figures out: the whole way with the encoder and the classifier that ship."""

import csv
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("polars", reason="needs the extra [train]")

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate_classifier.outcomes import OutcomeTableError
from tiergate_classifier.router_evaluate import PromptEncoder, evaluate_router

EASY = [f"What is {n} + 1?" for n in range(12)]
HARD = [
    f"Prove that no graph with {n} vertices and girth above five has a proper colouring with two colours unless it is "
    "bipartite, and bound the number of its edges from above with a rigorous counting argument."
    for n in range(12)
]


def table_of(file: Path, rows: list[tuple[str, float, float]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["id", "prompt", "correct|small", "correct|large"])
        writer.writerows([[n, prompt, weak, strong] for n, (prompt, weak, strong) in enumerate(rows)])
    return file


@pytest.fixture
def outcomes(tmp_path: Path) -> Path:
    return table_of(tmp_path / "o.csv", [(p, 1, 1) for p in EASY] + [(p, 0, 1) for p in HARD])


def test_prompts_that_the_small_model_fails_come_first(outcomes: Path) -> None:
    figures = evaluate_router(outcomes, weak="small", strong="large")

    assert (figures.n, figures.weak_quality, figures.strong_quality) == (24, 0.5, 1.0)
    assert 0.5 < figures.apgr <= figures.oracle_apgr
    assert figures.apgr == pytest.approx(figures.oracle_apgr, abs=0.05)
    assert figures.ms_per_decision_p50 > 0
    assert figures.as_json()["n"] == 24


def test_rows_to_adapt_to_that_stand_in_the_table_teach_nothing(outcomes: Path) -> None:
    alone = evaluate_router(outcomes, weak="small", strong="large")

    same = evaluate_router(outcomes, weak="small", strong="large", train=outcomes)

    assert same.apgr == alone.apgr


def test_a_strong_tier_that_is_not_better_is_refused(outcomes: Path) -> None:
    with pytest.raises(OutcomeTableError, match="swap --weak and --strong"):
        evaluate_router(outcomes, weak="large", strong="small")


def test_a_tier_that_the_artifact_does_not_know_is_read_as_its_cheapest() -> None:
    encoder = PromptEncoder(load_artifact(builtin_artifact_path()), OnnxEmbedder(pool=InferencePool()))

    stranger, cheapest = (encoder.inputs(tuple(HARD[:2]), tier) for tier in ("small", "simple"))

    np.testing.assert_array_equal(stranger.need, cheapest.need)
    np.testing.assert_allclose(stranger.length, np.log1p([len(prompt) for prompt in HARD[:2]]))
