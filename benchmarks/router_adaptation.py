"""Adaptation to a workload beside the strongest simple methods, from the same rows of the workload.

    python benchmarks/router_adaptation.py --data ../shared/data/router

Simple methods: ridge regression of the gap on the vector, the mean gap of the 50 nearest rows, the mean of both
(standardised), and the mean of the ranks of that and of the shipped score. `development` are the sets that the
adaptation was chosen on; their shipped score is the difficulty score fitted without their table. `held_out` are MMLU's
rows in MMLU-Pro and GSM8K's in ZeroEval, with the classifier that ships: learner and blends were not chosen on them.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from router_transfer import PAIRS, outcome
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate_classifier.adapt import AdaptedOrder, Inputs
from tiergate_classifier.difficulty import encode, encode_question_sets, encode_word_problems, fit_difficulty
from tiergate_classifier.routing_metrics import bootstrap_interval, gap_recovery
from tiergate_classifier.shared_tables import LLM_ROUTER, MMLU_PRO, ZERO_EVAL, QuestionSet, load_question_sets

RESULT = Path(__file__).parent / "results" / "router_adaptation.json"
SIZES = ((200, 3), (500, 3), (1000, 3), (3000, 1), (5000, 1))
"""Rows of the workload, and how many times they are drawn."""
LEAST_TEST_ROWS = 220
RIDGE, NEIGHBOURS, REPEATS = 10.0, 50, 200
MODEL_PAIRS, LEAST_GAP, SEED = 5, 0.06, 11
DEVELOPMENT = {
    "MMLU-Pro without MMLU": (MMLU_PRO, ("scibench", "stemez", "theoremQA")),
    "LLMRouter, all tasks": (LLM_ROUTER, ()),
    "LLMRouter, knowledge": (
        LLM_ROUTER,
        ("arc_challenge", "commonsense_qa", "gpqa", "natural_qa", "openbook_qa", "trivia_qa"),
    ),
    "CRUX": (ZERO_EVAL, ("crux",)),
    "MATH level 5": (ZERO_EVAL, ("math-l5",)),
}

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Workload:
    """Prompts with the outcomes of two models.

    Attributes:
        name: Of the set.
        weak: Name of the weak model.
        strong: Name of the strong model.
        inputs: n prompts.
        poor: Outcomes of the weak model, shape (n,).
        good: Outcomes of the strong model, shape (n,).
    """

    name: str
    weak: str
    strong: str
    inputs: Inputs
    poor: Floats
    good: Floats


def ridge_of_gap(train: Inputs, gap: Floats, test: Inputs) -> Floats:
    """Return ridge regression of the gap on the vector."""
    middle = train.vectors.mean(axis=0)
    x, y = (train.vectors - middle).astype(np.float64), gap - gap.mean()
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    return np.asarray((test.vectors - middle) @ weights)


def neighbours_of_gap(train: Inputs, gap: Floats, test: Inputs) -> Floats:
    """Return the mean gap of the nearest rows."""
    nearest = np.argpartition(-(test.vectors @ train.vectors.T), NEIGHBOURS, axis=1)[:, :NEIGHBOURS]
    return np.asarray(gap[nearest].mean(axis=1))


def orders_of(train: Inputs, poor: Floats, good: Floats, test: Inputs) -> dict[str, Floats]:
    """Return what each method says of the test rows."""
    ridge, near = ridge_of_gap(train, good - poor, test), neighbours_of_gap(train, good - poor, test)
    both = ridge / (ridge.std() + 1e-9) + near / (near.std() + 1e-9)
    return {
        "adapted": AdaptedOrder(train, poor, good).need(test),
        "shipped": test.need,
        "length": test.length,
        "ridge": ridge,
        "neighbours": near,
        "ridge_and_neighbours": both,
        "ranks_of_both_and_shipped": rankdata(both) + rankdata(test.need),
    }


def advantage(one: Floats, other: Floats, poor: Floats, good: Floats) -> list[float]:
    """Return the 95 % bootstrap interval of the difference of two orders' APGR on the same rows."""

    def figure(rows: NDArray[np.intp]) -> float | None:
        pair = [gap_recovery(order[rows], poor[rows], good[rows]) for order in (one, other)]
        return None if pair[0] is None or pair[1] is None else pair[0].apgr - pair[1].apgr

    got = bootstrap_interval(figure, len(poor), repeats=REPEATS)
    return [] if got is None else [round(got.low, 4), round(got.high, 4)]


def measure(work: Workload, size: int, draws: int) -> dict[str, object]:
    """Return the mean APGR of each method, and how far ours is above the best simple one on the first draw."""
    figures: dict[str, list[float]] = {}
    first: tuple[dict[str, Floats], NDArray[np.intp]] | None = None
    for draw in range(draws):
        order = np.random.default_rng(draw).permutation(len(work.poor))
        train, test = order[:size], order[size:]
        said = orders_of(work.inputs.take(train), work.poor[train], work.good[train], work.inputs.take(test))
        first = first or (said, test)
        for name, need in said.items():
            found = gap_recovery(need, work.poor[test], work.good[test])
            figures.setdefault(name, []).append(float("nan") if found is None else found.apgr)
    means = {name: round(float(np.nanmean(values)), 4) for name, values in figures.items()}
    best = max((name for name in means if name not in {"adapted", "shipped"}), key=lambda name: means[name])
    result: dict[str, object] = {
        "set": work.name,
        "weak": work.weak,
        "strong": work.strong,
        "n": len(work.poor),
        "train_rows": size,
        "draws": draws,
        **means,
        "best_simple": best,
        "adapted_less_best": round(means["adapted"] - means[best], 4),
    }
    if first is not None:
        said, test = first
        result["interval_of_first_draw"] = advantage(said["adapted"], said[best], work.poor[test], work.good[test])
    print(json.dumps(result), flush=True)
    return result


def development_workloads(
    sets: Sequence[tuple[QuestionSet, Inputs]], fitted: Callable[[str], Callable[[Inputs], Floats]]
) -> Iterator[Workload]:
    """Yield the workloads that the adaptation was chosen on; `fitted` gives a score without a table's rows."""
    for name, (file, wanted) in DEVELOPMENT.items():
        picked = [pair for pair in sets if pair[0].file == file and (not wanted or pair[0].name in wanted)]
        run = [model for model in picked[0][0].models if all(model in one.models for one, _ in picked)]
        correct = np.concatenate([one.correct[:, [one.models.index(model) for model in run]] for one, _ in picked])
        whole = np.isfinite(correct).all(axis=0)
        run, correct = [model for model, kept in zip(run, whole, strict=True) if kept], correct[:, whole]
        bare = Inputs(
            vectors=np.concatenate([inputs.vectors for _, inputs in picked]),
            features=np.concatenate([inputs.features for _, inputs in picked]),
            need=np.zeros(len(correct)),
            length=np.concatenate([inputs.length for _, inputs in picked]),
        )
        inputs = Inputs(vectors=bare.vectors, features=bare.features, need=fitted(file)(bare), length=bare.length)
        level = correct.mean(axis=0)
        apart = np.argwhere(level[None, :] - level[:, None] > LEAST_GAP)
        for low, high in np.random.default_rng(SEED).permutation(apart)[:MODEL_PAIRS].tolist():
            yield Workload(
                name=name,
                weak=run[low],
                strong=run[high],
                inputs=inputs,
                poor=correct[:, low],
                good=correct[:, high],
            )


def held_out_workloads(sets: Sequence[tuple[QuestionSet, Inputs]]) -> Iterator[Workload]:
    """Yield MMLU's and GSM8K's rows, with the score that ships."""
    head = load_artifact(builtin_artifact_path()).head
    for one, inputs in sets:
        need = -np.asarray(head.log_odds(inputs.vectors, inputs.features)[0][:, 0], dtype=np.float64)
        scored = Inputs(vectors=inputs.vectors, features=inputs.features, need=need, length=inputs.length)
        for weak, strong in PAIRS[one.name]:
            poor, good = outcome(one, weak), outcome(one, strong)
            run = np.flatnonzero(np.isfinite(poor) & np.isfinite(good))
            yield Workload(
                name=one.name, weak=weak, strong=strong, inputs=scored.take(run), poor=poor[run], good=good[run]
            )


def as_inputs(prompts: Sequence[str], vectors: NDArray[np.float32], features: Floats) -> Inputs:
    """Return encoded prompts, of need 0."""
    length = np.log1p([float(len(prompt)) for prompt in prompts])
    return Inputs(vectors=vectors, features=features, need=np.zeros(len(length)), length=length)


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    embedder = OnnxEmbedder(pool=InferencePool())
    listed = load_question_sets(options.data, options=True)
    trainable = [one for one in listed if not one.held_out]
    bare = [one for one in load_question_sets(options.data, options=False) if not one.held_out]
    encoded = encode_question_sets(bare, trainable, embedder)
    files = {one.name: one.file for one in trainable}

    def fitted(file: str) -> Callable[[Inputs], Floats]:
        kept = [one for one in encoded if files[one.name] != file]
        score = fit_difficulty([*kept, encode_word_problems(embedder)])
        return lambda inputs: score.of(inputs.vectors, inputs.features)

    shown = [
        (one, as_inputs(one.prompts, arrays.vectors, arrays.features))
        for one, arrays in zip(trainable, encoded, strict=False)
    ]
    held_out = [(one, as_inputs(one.prompts, *encode(one.prompts, embedder))) for one in listed if one.held_out]
    parts = {"development": development_workloads(shown, fitted), "held_out": held_out_workloads(held_out)}
    result: dict[str, object] = {
        "artifact": load_artifact(builtin_artifact_path()).digest,
        "numpy": np.__version__,
        "simple": {"ridge_penalty": RIDGE, "neighbours": NEIGHBOURS},
    }
    for part, works in parts.items():
        result[part] = [
            measure(work, size, draws)
            for work in works
            for size, draws in SIZES
            if size <= len(work.poor) - LEAST_TEST_ROWS
        ]
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
