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
from sklearn.svm import SVC

from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact_format import Head
from tiergate.policy.domain_heads import recall_cut
from tiergate.policy.features import FEATURES
from tiergate_classifier.data import Table
from tiergate_classifier.difficulty import encode
from tiergate_classifier.splits import near_duplicates

FLAGS = ("finance", "legal", "medical", "code")
MIN_RECALL: Mapping[str, float] = {"finance": 0.98, "legal": 0.98, "medical": 0.98, "code": 0.95}
"""Of rows scored by heads that have not seen them nor, where prompts are filed by style, their style."""

FOLDS = 10
WIDTH = 1.5
FEATURES_READ = (
    "finance_words",
    "legal_words",
    "money_marks",
    "code_marks",
    "first_person",
    "log_words",
    "customer_words",
    "question_words",
    "imperatives",
)
FEATURE_GAIN = 0.2
SHARPNESS = 2.0
"""What the machine's output is multiplied by to read it as log-odds."""

_COST = 3.0
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
        styles: Length n; empty for prompts of mixed styles.
        vectors: Shape (n, D).
        features: Shape (n, F).
    """

    prompts: tuple[str, ...]
    domains: tuple[str, ...]
    styles: tuple[str, ...]
    vectors: NDArray[np.float32]
    features: Floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flags:
    """Fitted heads.

    Attributes:
        weight: Weight of each training row, shape (L, R): the table's rows, then the prompts that only carry a domain.
        bias: Shape (L,).
        extra: What the heads read of each training row's features, shape (R, J).
        cuts: P(domain) that keeps `MIN_RECALL` of held-out rows, by domain.
        false_alarms: Share of held-out rows of other domains that reach the cut, by domain.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    extra: NDArray[np.float32]
    cuts: Mapping[str, float]
    false_alarms: Mapping[str, float]


def builtin_domains_path() -> Path:
    """Return the folder of the prompts that only carry a domain."""
    return Path(str(files("tiergate_classifier"))) / "workload" / "domains"


def load_domain_prompts(folder: Path, embedder: OnnxEmbedder) -> DomainPrompts:
    """Read and encode `*.txt`: one prompt a line, the file's name is the domain, or the domain, a dot and the style.

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
    filed = [stem.partition(".") for _, stem in named]
    return DomainPrompts(
        prompts=prompts,
        domains=tuple(domain for domain, _, _ in filed),
        styles=tuple(style for _, _, style in filed),
        vectors=vectors,
        features=features,
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
    """Fit one support vector machine per domain of `FLAGS` and choose its cut on rows that it has not seen.

    Support vector machines with a Gaussian kernel (Cortes and Vapnik 1995) on the vector and `FEATURES_READ`, both
    sides weighing the same: a domain is many small topics, which no single direction of the vector holds. The cut
    keeps `MIN_RECALL` of the domain's rows that are not trivial (rules S: "what's a 20 % tip" is about money, and no
    harm is done when a cheap tier says it).

    Args:
        table: Development rows of the workload.
        names: Names of the workload's domains, by index.
        more: Prompts that only carry a domain.
        head: Standardises the features.
    """
    places = [FEATURES.index(feature) for feature in FEATURES_READ]
    extra = head.flag_inputs(np.concatenate([table.features, more.features]), places, FEATURE_GAIN).astype(np.float32)
    vectors = np.concatenate([np.concatenate([table.vectors, more.vectors]), extra], axis=1).astype(np.float64)
    folds = _folds((*([""] * len(table.rows)), *more.styles))
    domains = np.array([*(names[place] for place in table.domain), *more.domains])
    matters = np.array([*(not row.rule.startswith("S") for row in table.rows), *([True] * len(more.domains))])
    weights, biases, cuts, alarms = [], [], {}, {}
    for name in FLAGS:
        known = np.ones(len(domains), dtype=np.bool_)
        if name not in more.domains:
            known = domains != _ONLY_FINANCE_AND_LEGAL
        rows, positive = np.flatnonzero(known), (domains == name)[known]
        model = _fit(vectors[rows], positive)
        weight = np.zeros(len(domains))
        weight[rows[model.support_]] = model.dual_coef_[0] * SHARPNESS
        scores = expit(_left_out(vectors[rows], positive, folds[rows]))
        cuts[name] = recall_cut(scores[positive & matters[known]].tolist(), MIN_RECALL[name])
        alarms[name] = round(float((scores[~positive] >= cuts[name]).mean()), 4)
        weights.append(weight)
        biases.append(float(model.intercept_[0]) * SHARPNESS)
    return Flags(
        weight=np.array(weights, dtype=np.float32),
        bias=np.array(biases, dtype=np.float32),
        extra=extra,
        cuts=cuts,
        false_alarms=alarms,
    )


def _fit(vectors: Floats, positive: NDArray[np.bool_]) -> SVC:
    model = SVC(C=_COST, kernel="rbf", gamma=WIDTH, class_weight="balanced", tol=1e-5, random_state=0)
    model.fit(vectors, positive)
    return model


def _folds(styles: Sequence[str]) -> NDArray[np.int64]:
    """Return a fold per row: rows of one style share one, the others are spread at random."""
    found = np.random.default_rng(_SEED).permutation(len(styles)) % FOLDS
    named = sorted({style for style in styles if style})
    return np.array([named.index(s) % FOLDS if s else fold for s, fold in zip(styles, found.tolist(), strict=True)])


def _left_out(vectors: Floats, positive: NDArray[np.bool_], fold: NDArray[np.int64]) -> Floats:
    said = np.zeros(len(vectors))
    for number in range(FOLDS):
        model = _fit(vectors[fold != number], positive[fold != number])
        said[fold == number] = model.decision_function(vectors[fold == number]) * SHARPNESS
    return said
