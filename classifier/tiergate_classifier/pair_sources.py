"""Pairs the default pair model is trained and tested on, by source.

Firm labels: `written` (groups of prompts written for this project) and `generated` (rules applied to prompts). Weak
labels: two prompts of one intent, where the intent is narrow and no number, date, unit or name differs. The same intent
is not the same answer, so weak sources count for less in the fit and have an offset of their own.
"""

import csv
import gzip
import hashlib
import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiergate.errors import ConfigurationError
from tiergate.policy import pair_words
from tiergate.policy.pair_features import FEATURES, compare, profile_of
from tiergate_classifier.pair_data import PairTable, TextEncoder
from tiergate_classifier.pair_negatives import negatives_of
from tiergate_classifier.pair_paraphrases import paraphrase

HERE = Path(__file__).parent
WRITTEN = HERE / "pairs" / "written.jsonl"
WORKLOAD = HERE / "workload"

HARD_FACTS = tuple(
    FEATURES.index(name)
    for name in (
        "numbers_changed",
        "dates_changed",
        "units_changed",
        "names_changed",
        "negation_changed",
        "antonyms",
        "direction_changed",
        "a_fact_changed",
    )
)
"""Features that tell two prompts of one intent have different answers. Negation is among them since one intent holds
both "it works" and "it does not work": as true pairs, those taught the model that a "not" hardly matters."""

NEIGHBOURS = 30
"""How many nearest prompts a weak negative is drawn from."""

MAX_BASE_CHARACTERS = 300


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """Pairs of one origin.

    Attributes:
        name: What it is called.
        pairs: The pairs.
        groups: Rows of one group share a text or a base and are never separated; shape (N,).
        weight: What one of its rows counts in the fit.
        licence: SPDX identifier of what it was made from.
        digest: "sha256:" and the SHA-256 of what it was made from.
    """

    name: str
    pairs: PairTable
    groups: tuple[str, ...]
    weight: float
    licence: str
    digest: str


@dataclass(frozen=True, slots=True)
class _Row:
    a: str
    b: str
    label: bool
    kind: str
    group: str


def load_written(path: Path = WRITTEN) -> Source:
    """Return the pairs written for this project: within a group, paraphrases and near misses."""
    rows: list[_Row] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        group = json.loads(line)
        alike = [group["base"], *group["same"]]
        name = group["base"]
        rows += [_Row(a, b, label=True, kind="written", group=name) for a, b in combinations(alike, 2)]
        rows += [
            _Row(a, other["text"], label=False, kind=f"written/{other['kind']}", group=name)
            for other in group["other"]
            for a in alike[:2]
        ]
    return _source("written", rows, weight=2.0, licence="Apache-2.0", files=[path])


def written_bases(path: Path = WRITTEN) -> tuple[str, ...]:
    """Return the first prompt of every written group."""
    return tuple(json.loads(line)["base"] for line in path.read_text(encoding="utf-8").splitlines())


def workload_prompts(folder: Path = WORKLOAD) -> tuple[str, ...]:
    """Return the shorter prompts of the workload that ships."""
    lines = [line for file in sorted(folder.glob("*.jsonl")) for line in file.read_text(encoding="utf-8").splitlines()]
    prompts = (json.loads(line)["prompt"] for line in lines)
    return tuple(prompt for prompt in prompts if len(prompt) <= MAX_BASE_CHARACTERS)


def question_prompts(shared: Path) -> tuple[str, ...]:
    """Return questions of the natural_qa and trivia_qa rows of the router table, without the words around them.

    Raises:
        ConfigurationError: The table is missing.
    """
    rows = _csv_rows(shared / "router" / "llmrouter_tasks_9models.csv.gz")
    asked = (row["prompt"] for row in rows if row["task"] in {"natural_qa", "trivia_qa"})
    return tuple(dict.fromkeys(text.strip() for text in asked if len(text) <= MAX_BASE_CHARACTERS))


def intent_rows(shared: Path, name: str) -> list[tuple[str, str]]:
    """Return (text, intent) of banking77 or clinc150.

    Raises:
        ConfigurationError: A file is missing.
    """
    if name == "banking77":
        files = [shared / "intents" / f"banking77_{part}.csv" for part in ("train", "test")]
        return [(row["text"].strip(), row["category"]) for file in files for row in _csv_rows(file)]
    file = shared / "intents" / "clinc150_full.json.gz"
    _require(file)
    parts = json.loads(gzip.decompress(file.read_bytes()))
    return [(text, intent) for part in ("train", "val", "test") for text, intent in parts[part]]


def generate(name: str, bases: Sequence[str], rng: random.Random, *, licence: str, per_base: int = 6) -> Source:
    """Return generated pairs: for every base, paraphrases and hard negatives in equal number.

    A positive starts from a text that a negative starts from, facts added included, so that no fact tells a label by
    being there. Either side of a pair may be paraphrased, so that an untouched rest tells none either.

    Args:
        name: Name of the source.
        bases: Prompts.
        rng: Source of every choice.
        licence: SPDX identifier of the bases.
        per_base: Negatives, and positives, per base.
    """
    vocabulary = _vocabulary(bases)
    rows: list[_Row] = []
    for base in bases:
        made = negatives_of(base, rng, vocabulary)
        for kind in rng.sample(sorted(made), min(per_base, len(made))):
            a, b = made[kind]
            left, right = _vary(a, rng, 0.3), _vary(b, rng, 0.5)
            if profile_of(left).words != profile_of(right).words:
                rows.append(_Row(left, right, label=False, kind=kind, group=base))
            start = a if rng.random() < 0.5 else base  # noqa: PLR2004 - half with the fact, half without
            twin = paraphrase(start, rng, rng.choice((1, 1, 2, 3)))
            first = _vary(start, rng, 0.2)
            if twin != first:
                rows.append(_Row(first, twin, label=True, kind="paraphrase", group=base))
    return _source(name, rows, weight=0.15, licence=licence, texts=bases)


def mine_intents(
    name: str,
    rows: Sequence[tuple[str, str]],
    encoder: TextEncoder,
    rng: random.Random,
    *,
    positives: float,
    licence: str,
    facts: bool = True,
) -> Source:
    """Return weakly labelled pairs: each prompt with one of its nearest of the same or of another intent.

    Args:
        name: Name of the source.
        rows: (text, intent).
        encoder: The encoder that finds neighbours.
        rng: Source of every choice.
        positives: Share of pairs of one intent.
        licence: SPDX identifier.
        facts: Leave out pairs of one intent whose hard facts differ; without it the intent alone is the label.
    """
    texts = [text for text, _ in rows]
    intents = np.array([intent for _, intent in rows])
    vectors = encoder.embed_batch(texts)
    mined: list[_Row] = []
    for place, (text, intent) in enumerate(rows):
        same = rng.random() < positives
        near = vectors @ vectors[place]
        near[(intents == intent) != same] = -2.0
        near[place] = -2.0
        count = min(NEIGHBOURS, int(np.count_nonzero(near > -1.5)))  # noqa: PLR2004 - below every cosine
        if not count:
            continue
        ranked = np.argpartition(-near, count - 1)[:count]
        other = int(ranked[rng.randrange(count)])
        if same and facts and _facts_differ(text, texts[other], float(near[other])):
            continue
        kind = "same_intent" if same else "other_intent"
        mined.append(_Row(text, texts[other], label=same, kind=kind, group=intent))
    return _source(name, mined, weight=0.4, licence=licence, texts=texts)


def _facts_differ(a: str, b: str, cosine: float) -> bool:
    return bool(compare(profile_of(a), profile_of(b), cosine)[list(HARD_FACTS)].any())


def _vary(text: str, rng: random.Random, chance: float) -> str:
    return paraphrase(text, rng, rng.choice((1, 2))) if rng.random() < chance else text


def _vocabulary(bases: Sequence[str]) -> tuple[str, ...]:
    words = {word for base in bases for word in base.split() if word.isalpha() and word.islower() and len(word) > 3}  # noqa: PLR2004
    return tuple(sorted(words - pair_words.FUNCTION_WORDS))


def _source(
    name: str,
    rows: Sequence[_Row],
    *,
    weight: float,
    licence: str,
    files: Sequence[Path] = (),
    texts: Sequence[str] = (),
) -> Source:
    content = b"".join(file.read_bytes() for file in files) + "\n".join(texts).encode()
    return Source(
        name=name,
        pairs=PairTable(
            a=tuple(row.a for row in rows),
            b=tuple(row.b for row in rows),
            labels=np.array([row.label for row in rows], dtype=np.bool_),
            kinds=tuple(row.kind for row in rows),
        ),
        groups=tuple(row.group for row in rows),
        weight=weight,
        licence=licence,
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
    )


def _csv_rows(file: Path) -> Iterator[Mapping[str, str]]:
    _require(file)
    opener: Callable[..., object] = gzip.open if file.suffix == ".gz" else open
    with opener(file, "rt", encoding="utf-8", newline="") as lines:  # type: ignore[attr-defined]
        yield from csv.DictReader(lines)


def _require(file: Path) -> None:
    if not file.is_file():
        raise ConfigurationError(file, "", "the file is missing", "name the folder of the shared data with --shared")


def group_folds(groups: Sequence[str], folds: int) -> NDArray[np.intp]:
    """Return the fold of every row, shape (N,), by a digest of its group: stable, and no group is split."""
    return np.array([int(hashlib.sha256(group.encode()).hexdigest(), 16) % folds for group in groups], dtype=np.intp)
