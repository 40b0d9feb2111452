"""Yes-or-no heads of the safety domains: recall is what they are calibrated for.

They learn from the workload and from prompts that only carry a domain (workload/domains/*.txt): many short and odd ways
to ask about money or law, and near misses that use the same words for other things. The held-out prompts of the tests
are never trained on; `assert_not_held_out` checks it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact_format import Head
from tiergate.policy.domain_heads import recall_cut
from tiergate_classifier.data import Table
from tiergate_classifier.difficulty import FEATURE_LIMIT, encode
from tiergate_classifier.splits import near_duplicates

FLAGS = ("finance", "legal", "medical", "code")
MIN_RECALL = 0.99
FOLDS = 10
_INVERSE_STRENGTH = 0.1
_VECTOR_GAIN = 4.0
_FEATURE_GAIN = 0.3
_SEED = 20_250_205
_ONLY_FINANCE_AND_LEGAL = "other"
"""Prompts of this file are neither finance nor legal, and may be anything else."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DomainPrompts:
    """Prompts that only carry a domain.

    Attributes:
        prompts: Length n.
        domains: Length n.
        vectors: Shape (n, D).
        features: Shape (n, F).
    """

    prompts: tuple[str, ...]
    domains: tuple[str, ...]
    vectors: NDArray[np.float32]
    features: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flags:
    """Fitted heads.

    Attributes:
        weight: Shape (L, D + F).
        bias: Shape (L,).
        cuts: P(domain) that keeps `MIN_RECALL` of held-out rows, by domain.
        false_alarms: Share of held-out rows of other domains that reach the cut, by domain.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    cuts: Mapping[str, float]
    false_alarms: Mapping[str, float]


def builtin_domains_path() -> Path:
    """Return the folder of the prompts that only carry a domain."""
    return Path(str(files("tiergate_classifier"))) / "workload" / "domains"


def load_domain_prompts(folder: Path, embedder: OnnxEmbedder) -> DomainPrompts:
    """Read and encode `*.txt`: one prompt a line, the file's name is the domain.

    Raises:
        EmbedderError: The encoder failed.
    """
    named = [
        (line, file.stem)
        for file in sorted(folder.glob("*.txt"))
        for line in file.read_text(encoding="utf-8").splitlines()
        if line.strip()
    ]
    prompts = tuple(prompt for prompt, _ in named)
    vectors, features = encode(prompts, embedder)
    return DomainPrompts(
        prompts=prompts, domains=tuple(domain for _, domain in named), vectors=vectors, features=features
    )


def assert_not_held_out(training: Sequence[str], held_out: Sequence[str]) -> None:
    """Refuse training prompts that a held-out prompt repeats or nearly repeats.

    Raises:
        ValueError: Names the first such pair.
    """
    both = [*training, *held_out]
    for left, right in near_duplicates(both):
        if left < len(training) <= right:
            raise ValueError(f"{both[left]!r} is trained on and nearly repeats the held-out prompt {both[right]!r}")


def fit_flags(table: Table, names: Sequence[str], more: DomainPrompts, head: Head) -> Flags:
    """Fit one head per domain of `FLAGS` and choose its cut on rows that the head has not seen.

    Args:
        table: Development rows of the workload.
        names: Names of the workload's domains, by index.
        more: Prompts that only carry a domain.
        head: Whose feature scale the heads share.
    """
    features = np.concatenate([table.features, more.features])
    standard = np.clip((features - head.feature_mean) / head.feature_scale, -FEATURE_LIMIT, FEATURE_LIMIT)
    inputs = np.concatenate([np.concatenate([table.vectors, more.vectors]), standard], axis=1).astype(np.float64)
    domains = np.array([*(names[place] for place in table.domain), *more.domains])
    weights, biases, cuts, alarms = [], [], {}, {}
    for name in FLAGS:
        known = np.ones(len(domains), dtype=np.bool_)
        if name not in more.domains:
            known = domains != _ONLY_FINANCE_AND_LEGAL
        rows, positive = inputs[known], domains[known] == name
        weight, bias = _fit(rows, positive, table.vectors.shape[1])
        scores = expit(_left_out(rows, positive, table.vectors.shape[1]))
        cuts[name] = recall_cut(scores[positive].tolist(), MIN_RECALL)
        alarms[name] = round(float((scores[~positive] >= cuts[name]).mean()), 4)
        weights.append(weight)
        biases.append(bias)
    return Flags(
        weight=np.array(weights, dtype=np.float32),
        bias=np.array(biases, dtype=np.float32),
        cuts=cuts,
        false_alarms=alarms,
    )


def _fit(rows: Floats, positive: NDArray[np.bool_], dimensions: int) -> tuple[Floats, float]:
    gains = np.full(rows.shape[1], _FEATURE_GAIN)
    gains[:dimensions] = _VECTOR_GAIN
    model = LogisticRegression(C=_INVERSE_STRENGTH, max_iter=5000, tol=1e-8)
    model.fit(rows * gains, positive)
    return model.coef_[0] * gains, float(model.intercept_[0])


def _left_out(rows: Floats, positive: NDArray[np.bool_], dimensions: int) -> Floats:
    fold = np.random.default_rng(_SEED).permutation(len(rows)) % FOLDS
    said = np.zeros(len(rows))
    for number in range(FOLDS):
        weight, bias = _fit(rows[fold != number], positive[fold != number], dimensions)
        said[fold == number] = rows[fold == number] @ weight + bias
    return said
