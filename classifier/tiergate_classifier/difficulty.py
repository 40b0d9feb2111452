"""A linear score of how difficult a question is, learnt so that it transfers to benchmarks it has not seen.

Target: the share of many models that fail a question, standardised within each set of questions, so that the score
learns what makes a question harder than its neighbours and not which benchmark it is from. Every set counts the same
whatever its size. Why this and nothing richer: docs/decisions/0006-intent-classifier.md, benchmarks/router_transfer.py.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ConfigurationError
from tiergate.policy.features import FEATURES, features_of
from tiergate_classifier.shared_tables import (
    LICENCES,
    MMLU_PRO,
    QuestionSet,
    assert_trainable,
    file_digest,
    load_question_sets,
)

WEIGHTS, CARD = "difficulty.safetensors", "difficulty.json"
VECTOR_GAIN = 4.0
PENALTY = 10_000.0
ROWS_PER_SET = 500.0
FEATURE_LIMIT = 4.0
LENGTH_SHARE = 0.7
TOPIC_SHARE = 0.75
TOPIC_PENALTY = 5.0
WORD_PROBLEMS_SHARE = 0.25

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class EncodedSet:
    """One set of questions as arrays: n rows, D dimensions, F features.

    Attributes:
        name: Of the set.
        vectors: Shape (n, D).
        features: Shape (n, F), in the order of `FEATURES`.
        difficulty: Shape (n,); only its order and distances within the set count.
        share: How much the set counts against the others.
    """

    name: str
    vectors: NDArray[np.float32]
    features: Floats
    difficulty: Floats
    share: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DifficultyScore:
    """The score: linear in [vector, standardised and clipped features]; about unit spread within a set.

    Attributes:
        weight: Shape (D + F,).
        feature_mean: Shape (F,).
        feature_scale: Shape (F,).
        spread: Mean covariance of the inputs within a set of questions, shape (D + F, D + F): how benchmark
            questions differ from their neighbours. A head that is tied to the score tells them apart as the score
            does (`train.fit_heads`).
    """

    weight: Floats
    feature_mean: Floats
    feature_scale: Floats
    spread: Floats

    def of(self, vectors: NDArray[Any], features: NDArray[Any]) -> Floats:
        """Return the difficulty of each row, shape (n,).

        Args:
            vectors: Shape (n, D).
            features: Shape (n, F), in the order of `FEATURES`.
        """
        standard = np.clip((features - self.feature_mean) / self.feature_scale, -FEATURE_LIMIT, FEATURE_LIMIT)
        return np.asarray(np.concatenate([vectors, standard], axis=1) @ self.weight, dtype=np.float64)


def encode(prompts: Sequence[str], embedder: OnnxEmbedder) -> tuple[NDArray[np.float32], Floats]:
    """Return vectors, shape (n, D), and features, shape (n, F).

    Raises:
        EmbedderError: The encoder failed.
    """
    features = np.array([list(features_of(prompt).values()) for prompt in prompts])
    return embedder.embed_batch(prompts), features.reshape(len(prompts), len(FEATURES))


def fit_difficulty(sets: Sequence[EncodedSet]) -> DifficultyScore:
    """Fit the score by ridge regression on centred sets, plus fixed shares of log length and of a ridge on the vector.

    The first ridge is held back so far that the features say most; the one on the vector alone, held back little, says
    what topics are hard. The shares were chosen by leaving whole sets and whole tables out.

    Args:
        sets: Sets to fit on. The caller sees to it that none is held out (`shared_tables.assert_trainable`).

    Raises:
        ValueError: There is no set.
    """
    if not sets:
        raise ValueError("a difficulty score needs at least one set of questions")
    features = np.concatenate([one.features for one in sets])
    mean, spread = features.mean(axis=0), features.std(axis=0)
    scale = np.where(spread > 1e-3, spread, 1.0)  # noqa: PLR2004 - a constant feature
    inputs, targets, weights = [], [], []
    spread, shares = 0.0, sum(one.share for one in sets)
    for one in sets:
        standard = np.clip((one.features - mean) / scale, -FEATURE_LIMIT, FEATURE_LIMIT)
        both = np.concatenate([one.vectors * VECTOR_GAIN, standard], axis=1)
        inputs.append(both - both.mean(axis=0))
        bare = np.concatenate([one.vectors, standard], axis=1)
        spread = spread + np.cov(bare, rowvar=False, bias=True) * one.share / shares
        targets.append((one.difficulty - one.difficulty.mean()) / (one.difficulty.std() + 1e-9))
        weights.append(np.full(len(targets[-1]), one.share * ROWS_PER_SET / len(targets[-1])))
    x, y, w = np.concatenate(inputs), np.concatenate(targets), np.concatenate(weights)
    weighted = x * w[:, None]
    coefficients = np.linalg.solve(weighted.T @ x + PENALTY * np.eye(x.shape[1]), weighted.T @ y)
    coefficients /= (x @ coefficients).std()
    dimensions = sets[0].vectors.shape[1]
    coefficients[:dimensions] *= VECTOR_GAIN
    coefficients[dimensions + FEATURES.index("log_characters")] += LENGTH_SHARE
    coefficients[:dimensions] += TOPIC_SHARE * _ridge_on_vector(sets)
    x[:, :dimensions] /= VECTOR_GAIN
    coefficients /= (x @ coefficients).std()
    return DifficultyScore(weight=coefficients, feature_mean=mean, feature_scale=scale, spread=np.asarray(spread))


def _ridge_on_vector(sets: Sequence[EncodedSet]) -> Floats:
    """Return weights on the vector, shape (D,), of unit spread within the sets; every row counts its set's share."""
    x = np.concatenate([one.vectors - one.vectors.mean(axis=0) for one in sets]).astype(np.float64)
    y = np.concatenate([(one.difficulty - one.difficulty.mean()) / (one.difficulty.std() + 1e-9) for one in sets])
    weighted = x * np.concatenate([np.full(len(one.difficulty), one.share) for one in sets])[:, None]
    weights = np.linalg.solve(weighted.T @ x + TOPIC_PENALTY * np.eye(x.shape[1]), weighted.T @ y)
    return np.asarray(weights / ((x @ weights).std() + 1e-9))


def encode_question_sets(
    bare: Sequence[QuestionSet], listed: Sequence[QuestionSet], embedder: OnnxEmbedder
) -> list[EncodedSet]:
    """Encode sets for training; MMLU-Pro counts half as bare questions and half with options listed.

    Args:
        bare: Sets with bare questions.
        listed: The same sets with options listed.
        embedder: Encoder.

    Raises:
        LeakError: A set may only be tested on.
        EmbedderError: The encoder failed.
    """
    assert_trainable([*bare, *listed])
    picked = [(one, 0.5 if one.file == MMLU_PRO else 1.0) for one in listed]
    picked += [(one, 0.5) for one in bare if one.file == MMLU_PRO]
    encoded = []
    for one, share in picked:
        vectors, features = encode(one.prompts, embedder)
        encoded.append(
            EncodedSet(name=one.name, vectors=vectors, features=features, difficulty=one.difficulty(), share=share)
        )
    return encoded


def encode_word_problems(embedder: OnnxEmbedder) -> EncodedSet:
    """Encode the word problems that ship, whose difficulty is a level by the number of steps."""
    file = Path(str(files("tiergate_classifier"))) / "workload" / "levels" / "word_problems.tsv"
    rows = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    vectors, features = encode([prompt for _, prompt in rows], embedder)
    levels = np.array([float(level) for level, _ in rows])
    return EncodedSet(
        name="word_problems", vectors=vectors, features=features, difficulty=levels, share=WORD_PROBLEMS_SHARE
    )


def builtin_difficulty_path() -> Path:
    """Return the folder of the score that ships."""
    return Path(str(files("tiergate_classifier"))) / "difficulty"


def write_difficulty(folder: Path, score: DifficultyScore, card: dict[str, Any]) -> None:
    """Write the score and what it was computed from."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {
        "weight": score.weight.astype(np.float32),
        "feature_mean": score.feature_mean.astype(np.float32),
        "feature_scale": score.feature_scale.astype(np.float32),
        "spread": score.spread.astype(np.float32),
    }
    (folder / WEIGHTS).write_bytes(save_tensors(tensors))
    (folder / CARD).write_text(json.dumps(card, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_difficulty(folder: Path) -> tuple[DifficultyScore, dict[str, Any]]:
    """Read a score and its card.

    Raises:
        ConfigurationError: A file is missing, or the score is of other features.
    """
    try:
        tensors = load_tensors((folder / WEIGHTS).read_bytes())
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigurationError(folder, "", f"cannot be read ({exc})", "rebuild it: make difficulty") from exc
    if card.get("features") != list(FEATURES):
        raise ConfigurationError(folder / CARD, "features", "are not those of this version", "run make difficulty")
    return DifficultyScore(**{name: tensor.astype(np.float64) for name, tensor in tensors.items()}), card


def main(arguments: Sequence[str] | None = None) -> None:
    """Learn the difficulty score from the shared tables."""
    parser = argparse.ArgumentParser(prog="python -m tiergate_classifier.difficulty", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the shared router tables")
    parser.add_argument("--out", type=Path, default=builtin_difficulty_path(), help="folder to write to")
    options = parser.parse_args(arguments)
    embedder = OnnxEmbedder(pool=InferencePool())
    bare, listed = (
        [one for one in load_question_sets(options.data, options=shown) if not one.held_out] for shown in (False, True)
    )
    score = fit_difficulty([*encode_question_sets(bare, listed, embedder), encode_word_problems(embedder)])
    data = [
        {
            "name": name,
            "digest": file_digest(options.data / name),
            "licence": licence,
            "rows": sum(len(one.prompts) for one in listed if one.file == name),
        }
        for name, licence in LICENCES.items()
    ]
    write_difficulty(
        options.out, score, {"features": list(FEATURES), "encoder": embedder.digest, "training_data": data}
    )


if __name__ == "__main__":
    main()
