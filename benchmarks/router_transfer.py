"""Does the default classifier rank questions of benchmarks it has never seen, and adapt and calibrate to them?

    python benchmarks/router_transfer.py --data ../shared/data/router

Test rows: MMLU's in MMLU-Pro and GSM8K's in ZeroEval, which are never trained on. Model pairs: none of the outcomes of
these rows was trained on. Beside it: prompt length, and the mean of the ranks of length and of a ridge on the vector
alone. Embedding every prompt takes some minutes.
"""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import Artifact, builtin_artifact_path, load_artifact
from tiergate_classifier.adapt import AdaptedOrder, Inputs
from tiergate_classifier.difficulty import EncodedSet, encode, encode_question_sets, fit_difficulty
from tiergate_classifier.recalibrate import recalibrate, slice_errors
from tiergate_classifier.routing_metrics import SEED, bootstrap_interval, gap_recovery
from tiergate_classifier.shared_tables import QuestionSet, load_question_sets

RESULT = Path(__file__).parent / "results" / "router_transfer.json"
REPEATS = 200
TRAIN_SIZES = (20, 50, 100, 200, 500, 1000, 5000)
PAIRS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "ori_mmlu": (
        ("Mixtral-8x7B-Instruct-v0.1", "gemini-1.5-pro-002"),
        ("Mixtral-8x7B-Instruct-v0.1", "any of six strong"),
        ("Meta-Llama-3_1-8B-Instruct", "any of six strong"),
        ("Phi-3-mini-4k-instruct", "Qwen1.5-110B"),
    ),
    "gsm": (
        ("Mixtral-8x7B-Instruct-v0.1", "gpt-4o-2024-05-13"),
        ("Mixtral-8x7B-Instruct-v0.1", "claude-3-sonnet-20240229"),
        ("gpt-3.5-turbo-0125", "gpt-4o-2024-05-13"),
        ("Meta-Llama-3-8B-Instruct", "Meta-Llama-3-70B-Instruct"),
    ),
}
STRONG = (
    "gemini-1.5-pro-002",
    "Meta-Llama-3_1-70B-Instruct",
    "Qwen1.5-110B",
    "jamba-1.5-large",
    "DeepSeek-Coder-V2",
    "gemini-1.5-flash-002",
)

Floats = NDArray[np.float64]


def outcome(one: QuestionSet, model: str) -> Floats:
    """Return a model's outcomes; "any of six strong" stands for a tier far above the weak ones."""
    if model == "any of six strong":
        return np.asarray(np.nanmax(one.correct[:, [one.models.index(name) for name in STRONG]], axis=1))
    return one.correct[:, one.models.index(model)]


def interval(need: Floats, weak: Floats, strong: Floats) -> dict[str, float]:
    """Return APGR with its bootstrap interval."""

    def figure(rows: NDArray[np.intp]) -> float | None:
        found = gap_recovery(need[rows], weak[rows], strong[rows])
        return None if found is None else found.apgr

    got = bootstrap_interval(figure, len(need), repeats=REPEATS)
    if got is None:
        raise SystemExit("the strong model is not better than the weak one on any sample")
    return {"apgr": round(got.value, 4), "low": round(got.low, 4), "high": round(got.high, 4)}


def ridge_on_vector(sets: list[EncodedSet]) -> Floats:
    """Return the weights of the strongest simple baseline: ridge on the vector, centred within each set."""
    x = np.concatenate([one.vectors - one.vectors.mean(axis=0) for one in sets]).astype(np.float64)
    y = np.concatenate([(one.difficulty - one.difficulty.mean()) / (one.difficulty.std() + 1e-9) for one in sets])
    return np.asarray(np.linalg.solve(x.T @ x + 5 * np.eye(x.shape[1]), x.T @ y))


def adaptation(inputs: Inputs, weak: Floats, strong: Floats) -> dict[str, dict[str, float]]:
    """Return APGR on the rest, adapted with so many rows and as shipped; mean of three draws."""
    found = {}
    for size in TRAIN_SIZES:
        if size > len(weak) - 300:
            continue
        figures = []
        for draw in range(3 if size < 5000 else 1):
            order = np.random.default_rng(draw).permutation(len(weak))
            train, test = order[:size], order[size:]
            adapted = AdaptedOrder(inputs.take(train), weak[train], strong[train]).need(inputs.take(test))
            pair = [gap_recovery(one, weak[test], strong[test]) for one in (adapted, inputs.need[test])]
            figures.append([one.apgr for one in pair if one is not None])
        mean = np.mean(figures, axis=0)
        found[str(size)] = {"adapted": round(float(mean[0]), 4), "shipped": round(float(mean[1]), 4)}
    return found


def calibration(artifact: Artifact, inputs: Inputs, good: Floats, one: QuestionSet) -> dict[str, object]:
    """Return the calibration error on the rest after 500 rows: over all, and on the worst slice."""
    order = np.random.default_rng(0).permutation(len(good))
    train, test = order[:500], order[500:]
    head, fitted = recalibrate(artifact, inputs.vectors[train], inputs.features[train], {"simple": good[train]})
    log_odds = head.log_odds(inputs.vectors[test], inputs.features[test])[0][:, 0].astype(np.float64)
    curve = fitted.tiers["simple"]
    errors = slice_errors(
        np.interp(log_odds, curve.knots, curve.probability),
        good[test],
        domains=tuple(one.categories[row] for row in test),
        characters=np.array([float(len(one.prompts[row])) for row in test]),
    )
    worst = max(errors[1:], key=lambda found: found.ece)
    return {
        "n": len(test),
        "ece": round(errors[0].ece, 4),
        "worst_slice": worst.name,
        "worst_n": worst.n,
        "worst_ece": round(worst.ece, 4),
    }


def measure_set(one: QuestionSet, inputs: Inputs, baseline: Floats, artifact: Artifact) -> list[dict[str, object]]:
    """Return the figures of each pair of models on a held-out set."""
    length = np.array([float(len(prompt)) for prompt in one.prompts])
    mean = rankdata(length) + rankdata(inputs.vectors @ baseline)
    rows: list[dict[str, object]] = []
    for weak_name, strong_name in PAIRS[one.name]:
        weak, strong = outcome(one, weak_name), outcome(one, strong_name)
        run = np.flatnonzero(np.isfinite(weak) & np.isfinite(strong))
        inside, poor, good = inputs.take(run), weak[run], strong[run]
        rows.append(
            {
                "set": one.name,
                "weak": weak_name,
                "strong": strong_name,
                "n": len(run),
                "weak_quality": round(float(poor.mean()), 4),
                "strong_quality": round(float(good.mean()), 4),
                "shipped": interval(inside.need, poor, good),
                "length": interval(length[run], poor, good),
                "mean_of_ridge_and_length": interval(mean[run], poor, good),
                "adaptation": adaptation(inside, poor, good),
                "calibration_500_rows": calibration(artifact, inputs, weak, one) if len(run) == len(weak) else None,
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def left_out_sets(encoded: list[EncodedSet]) -> list[dict[str, object]]:
    """Return, per training set left out with all of its rows, how the score ranks its questions (rank correlation)."""
    found: list[dict[str, object]] = []
    for name in sorted({one.name for one in encoded}):
        score = fit_difficulty([one for one in encoded if one.name != name])
        one = next(one for one in encoded if one.name == name)
        ranks = [rankdata(score.of(one.vectors, one.features)), rankdata(one.difficulty), rankdata(one.features[:, 0])]
        found.append(
            {
                "left_out": name,
                "n": len(one.difficulty),
                "rank_correlation": round(float(np.corrcoef(ranks[0], ranks[1])[0, 1]), 4),
                "of_length": round(float(np.corrcoef(ranks[2], ranks[1])[0, 1]), 4),
            }
        )
    return found


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True)
    options = parser.parse_args()
    embedder, artifact = OnnxEmbedder(pool=InferencePool()), load_artifact(builtin_artifact_path())
    listed = load_question_sets(options.data, options=True)
    bare = load_question_sets(options.data, options=False)
    trainable = [[one for one in sets if not one.held_out] for sets in (bare, listed)]
    encoded = encode_question_sets(*trainable, embedder)
    baseline = ridge_on_vector(encoded)
    rows: list[dict[str, object]] = []
    for one in listed:
        if one.held_out:
            vectors, features = encode(one.prompts, embedder)
            need = -np.asarray(artifact.head.log_odds(vectors, features)[0][:, 0], dtype=np.float64)
            length = np.log1p([float(len(prompt)) for prompt in one.prompts])
            inputs = Inputs(vectors=vectors, features=features, need=need, length=length)
            rows += measure_set(one, inputs, baseline, artifact)
    result = {
        "artifact": artifact.digest,
        "bootstrap_repeats": REPEATS,
        "seed": SEED,
        "numpy": np.__version__,
        "held_out": rows,
        "left_out_sets": left_out_sets(encoded),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
