"""Yes-or-no heads of the safety domains: recall is what they are calibrated for.

They learn from the workload, from prompts that only carry a domain (workload/domains/*.txt: many short and odd ways to
ask about money or law, and near misses that use the same words for other things), and from public prompts
(`public_domains`).

The cut of a domain comes from prompts that nothing was fitted on (workload/calibration/*.jsonl), sets by different
hands in other styles: it keeps the recall on the worst of them, since the next hand writes otherwise again. Where those
hold no prompts of a domain, it comes from training rows scored by heads that have not seen them. The held-out prompts
of the tests are in neither; `assert_not_held_out` checks it.
"""

import json
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
from tiergate.policy.domain_terms import DOMAIN_TERMS
from tiergate.policy.features import FEATURES
from tiergate_classifier.data import Table
from tiergate_classifier.difficulty import encode
from tiergate_classifier.public_domains import FLAGS, UNSURE, PublicDomains
from tiergate_classifier.splits import near_duplicates

MIN_RECALL: Mapping[str, float] = {"finance": 0.99, "legal": 0.99, "medical": 0.98, "code": 0.95}
"""Of each set of calibration rows; of a domain that has none there, of training rows scored by heads that have not
seen them nor, where prompts are filed by style, their style. Trivial rows (rules S) do not count: "what's a 20 % tip"
is about money, and no harm is done when a cheap tier says it."""

FOLDS = 5
WIDTH = 0.7
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
    *DOMAIN_TERMS,
)
FEATURE_GAIN = 0.2
SHARPNESS = 2.0
"""What the machine's output is multiplied by to read it as log-odds."""

_COST = 5.0
_CACHE_MB = 1_000
_SEED = 20_250_205
_NEITHER = "other"
_ONLY = ("finance", "legal")
"""Prompts filed under `_NEITHER` are none of these, and may be anything else."""


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
        weight: Weight of each reference, shape (L, R): the table's rows, then those of the prompts that only carry a
            domain, then of the public ones, that a head leans on.
        bias: Shape (L,).
        extra: What the heads read of each reference's features, shape (R, J).
        prompts: Which of the prompts that only carry a domain are references, rising.
        public: Which of the public prompts are, rising.
        cuts: P(domain) that keeps `MIN_RECALL`, by domain.
        false_alarms: Share of rows of other domains that reach the cut, by domain: of the calibration rows where the
            cut comes from them, else of the training rows.
    """

    weight: NDArray[np.float32]
    bias: NDArray[np.float32]
    extra: NDArray[np.float32]
    prompts: NDArray[np.int64]
    public: NDArray[np.int64]
    cuts: Mapping[str, float]
    false_alarms: Mapping[str, float]


def builtin_domains_path() -> Path:
    """Return the folder of the prompts that only carry a domain."""
    return Path(str(files("tiergate_classifier"))) / "workload" / "domains"


def builtin_calibration_path() -> Path:
    """Return the folder of the prompts that the cuts come from."""
    return Path(str(files("tiergate_classifier"))) / "workload" / "calibration"


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
    filed = [(prompt, stem.partition(".")) for prompt, stem in named]
    return _encoded([(prompt, domain, style) for prompt, (domain, _, style) in filed], embedder)


def load_calibration_prompts(folder: Path, embedder: OnnxEmbedder) -> DomainPrompts:
    """Read and encode `*.jsonl`: rows with `prompt` and `domain`. The set, which is the file's name, is the style.

    Raises:
        EmbedderError: The encoder failed.
    """
    rows = [
        (json.loads(line), file.stem)
        for file in sorted(folder.glob("*.jsonl"))
        for line in file.read_text(encoding="utf-8").splitlines()
    ]
    return _encoded([(row["prompt"], row["domain"], name) for row, name in rows], embedder)


def _encoded(rows: Sequence[tuple[str, str, str]], embedder: OnnxEmbedder) -> DomainPrompts:
    prompts = tuple(prompt for prompt, _, _ in rows)
    vectors, features = encode(prompts, embedder)
    return DomainPrompts(
        prompts=prompts,
        domains=tuple(domain for _, domain, _ in rows),
        styles=tuple(style for _, _, style in rows),
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


def fit_flags(
    table: Table,
    names: Sequence[str],
    more: DomainPrompts,
    public: PublicDomains,
    calibration: DomainPrompts,
    head: Head,
) -> Flags:
    """Fit one support vector machine per domain of `FLAGS` and choose its cut on rows that it has not seen.

    Support vector machines with a Gaussian kernel (Cortes and Vapnik 1995) on the vector and `FEATURES_READ`, both
    sides weighing the same: a domain is many small topics, which no single direction of the vector holds.

    Args:
        table: Development rows of the workload.
        names: Names of the workload's domains, by index.
        more: Prompts that only carry a domain.
        public: What was computed from public prompts.
        calibration: Prompts that no head is fitted on; their style names their set.
        head: Standardises the features.
    """
    inputs, extra = _inputs(table, more, public, head)
    unseen = np.concatenate([calibration.vectors, _extra(head, calibration.features)], axis=1).astype(np.float64)
    claims, own = _claims(table, names, more, public), len(table.rows) + len(more.domains)
    folds = _folds((*([""] * len(table.rows)), *more.styles, *public.groups))
    trivial = np.array([row.rule.startswith("S") for row in table.rows] + [False] * (len(inputs) - len(table.rows)))
    sets, weights, biases, cuts, alarms = np.array(calibration.styles), [], [], {}, {}
    for place, name in enumerate(FLAGS):
        positive = claims[(rows := np.flatnonzero(claims[:, place] != UNSURE)), place] == 1
        model = _fit(inputs[rows], positive)
        weights.append(_spread(model, rows, len(inputs)))
        biases.append(model.intercept_[0] * SHARPNESS)
        belongs = np.array([domain == name for domain in calibration.domains])
        if belongs.any():
            scores, others = model.decision_function(unseen), ~belongs
            counted = [belongs & (sets == one) for one in np.unique(sets[belongs])]
        else:
            scores, others = _left_out(inputs[rows], positive, folds[rows]), ~positive
            counted = [positive & ~trivial[rows] & (rows < own)]
        cuts[name], alarms[name] = _cut(expit(scores * SHARPNESS), counted, others, MIN_RECALL[name])
    kept = _references(weights, len(table.rows))
    return Flags(
        weight=np.array(weights, dtype=np.float32)[:, kept],
        bias=np.array(biases, dtype=np.float32),
        extra=extra[kept],
        prompts=kept[(kept >= len(table.rows)) & (kept < own)] - len(table.rows),
        public=kept[kept >= own] - own,
        cuts=cuts,
        false_alarms=alarms,
    )


def _spread(model: SVC, rows: NDArray[np.int64], count: int) -> Floats:
    """Return the machine's weight of each of `count` rows, of which it was fitted on some."""
    weight = np.zeros(count)
    weight[rows[model.support_]] = model.dual_coef_[0] * SHARPNESS
    return weight


def _references(weights: Sequence[Floats], table_rows: int) -> NDArray[np.int64]:
    """Return the rows that a head leans on, and those of the table: they are the neighbours that have a tier."""
    leaned_on = np.abs(weights).sum(axis=0) > 0
    leaned_on[:table_rows] = True
    return np.flatnonzero(leaned_on)


def _cut(
    scores: Floats, counted: Sequence[NDArray[np.bool_]], others: NDArray[np.bool_], min_recall: float
) -> tuple[float, float]:
    """Return the cut that keeps the recall on each set of rows that counts, and its share of false alarms."""
    cut = min(recall_cut(scores[chosen].tolist(), min_recall) for chosen in counted)
    return cut, round(float((scores[others] >= cut).mean()), 4)


def _inputs(table: Table, more: DomainPrompts, public: PublicDomains, head: Head) -> tuple[Floats, NDArray[np.float32]]:
    """Return what the machines are fitted on, shape (n, D + J), and its last J columns."""
    extra = _extra(head, np.concatenate([table.features, more.features, public.features.astype(np.float64)]))
    vectors = np.concatenate([table.vectors, more.vectors, public.vectors.astype(np.float32)])
    return np.concatenate([vectors, extra], axis=1).astype(np.float64), extra


def _extra(head: Head, features: Floats) -> NDArray[np.float32]:
    """Return what the heads read of the features, shape (n, J)."""
    places = [FEATURES.index(feature) for feature in FEATURES_READ]
    return head.flag_inputs(features, places, FEATURE_GAIN).astype(np.float32)


def _claims(table: Table, names: Sequence[str], more: DomainPrompts, public: PublicDomains) -> NDArray[np.int8]:
    """Return what each training row says of each domain of `FLAGS`, shape (n, L)."""
    domains = np.array([*(names[place] for place in table.domain), *more.domains])
    own = np.zeros((len(domains), len(FLAGS)), dtype=np.int8)
    for place, name in enumerate(FLAGS):
        own[domains == name, place] = 1
        if name not in _ONLY:
            own[domains == _NEITHER, place] = UNSURE
    return np.concatenate([own, public.claims])


def _fit(vectors: Floats, positive: NDArray[np.bool_]) -> SVC:
    model = SVC(
        C=_COST, kernel="rbf", gamma=WIDTH, class_weight="balanced", tol=1e-4, cache_size=_CACHE_MB, random_state=0
    )
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
        said[fold == number] = model.decision_function(vectors[fold == number])
    return said
