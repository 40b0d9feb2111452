"""Public tables of which model answered which question right, read under their leak rules.

They lie outside the project and are not copied into it. Rows that others publish figures on are never trained on:
MMLU-Pro rows taken from MMLU's test set, and GSM8K's test set in ZeroEval. They may be used as test rows only.
"""

import csv
import gzip
import hashlib
import json
import random
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiergate.errors import ConfigurationError

MMLU_PRO, ZERO_EVAL, LLM_ROUTER = (
    "mmlu_pro_29models.csv.gz",
    "zeroeval_correct.csv.gz",
    "llmrouter_tasks_9models.csv.gz",
)
LICENCES: Mapping[str, str] = {MMLU_PRO: "Apache-2.0", ZERO_EVAL: "Apache-2.0", LLM_ROUTER: "MIT"}
_LETTERS = "ABCDEFGHIJ"
_OPTIONS = 4


class LeakError(ConfigurationError):
    """Rows that must never be trained on were about to be."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QuestionSet:
    """Questions of one source, answered by the same models.

    Attributes:
        name: Of the set, such as `stemez`, `gsm` or `arc_challenge`.
        file: File it comes from.
        prompts: Length n.
        categories: Length n.
        models: Names, m of them.
        correct: 0..1, NaN where not run, shape (n, m).
        held_out: Whether its rows may only be tested on.
    """

    name: str
    file: str
    prompts: tuple[str, ...]
    categories: tuple[str, ...]
    models: tuple[str, ...]
    correct: NDArray[np.float64]
    held_out: bool

    def difficulty(self) -> NDArray[np.float64]:
        """Return the share of the models that fail, per question, shape (n,)."""
        return np.asarray(1.0 - np.nanmean(self.correct, axis=1))


def is_held_out(file: str, source: str) -> bool:
    """Whether rows of this source may only be tested on."""
    return (file == MMLU_PRO and source.startswith("ori_mmlu-")) or (file == ZERO_EVAL and source == "gsm")


def load_question_sets(folder: Path, *, options: bool = True) -> tuple[QuestionSet, ...]:
    """Read the tables of a folder.

    Args:
        folder: Holds `MMLU_PRO`, `ZERO_EVAL` and `LLM_ROUTER`.
        options: Whether an MMLU-Pro prompt ends with four of its options (the right one and three more, in an order
            drawn from its id) or is the bare question.

    Raises:
        ConfigurationError: A table cannot be read.
    """
    sets: list[QuestionSet] = []
    for file in (MMLU_PRO, ZERO_EVAL, LLM_ROUTER):
        grouped: defaultdict[tuple[str, bool], list[Mapping[str, str]]] = defaultdict(list)
        for row in _read(folder / file):
            source = row["src"] if file == MMLU_PRO else row["task"]
            held_out = is_held_out(file, source)
            grouped[source.split("-")[0] if file == MMLU_PRO else source, held_out].append(row)
        for (name, held_out), rows in sorted(grouped.items()):
            sets.append(_question_set(name, file, rows, held_out=held_out, options=options))
    return tuple(sets)


def assert_trainable(sets: Sequence[QuestionSet]) -> None:
    """Refuse sets that may only be tested on.

    Raises:
        LeakError: One of them is held out.
    """
    for one in sets:
        if one.held_out:
            problem = f"the rows of {one.name!r} may only be tested on"
            raise LeakError(one.file, one.name, problem, "train on the sets whose `held_out` is false")


def file_digest(file: Path) -> str:
    """Return "sha256:" and the SHA-256 of a file."""
    return f"sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"


def _read(file: Path) -> list[dict[str, str]]:
    csv.field_size_limit(1 << 30)
    try:
        with gzip.open(file, "rt", encoding="utf-8", newline="") as stream:
            return list(csv.DictReader(stream))
    except (OSError, EOFError) as exc:
        raise ConfigurationError(file, "", f"cannot be read ({exc})", "name the folder of the shared tables") from exc


def _question_set(
    name: str, file: str, rows: Sequence[Mapping[str, str]], *, held_out: bool, options: bool
) -> QuestionSet:
    columns = [column for column in rows[0] if column.startswith("correct|")]
    correct = np.array([[float(row[column] or "nan") for column in columns] for row in rows])
    run = np.isfinite(correct).any(axis=0)
    return QuestionSet(
        name=name,
        file=file,
        prompts=tuple(_multiple_choice(row, options=options) if file == MMLU_PRO else row["prompt"] for row in rows),
        categories=tuple(row.get("category", name) for row in rows),
        models=tuple(column.partition("|")[2] for column, seen in zip(columns, run, strict=True) if seen),
        correct=correct[:, run],
        held_out=held_out,
    )


def _multiple_choice(row: Mapping[str, str], *, options: bool) -> str:
    if not options:
        return row["question"]
    listed: list[str] = json.loads(row["options"])
    right = _LETTERS.index(row["answer"])
    others = [text for place, text in enumerate(listed) if place != right]
    order = random.Random(int(row["question_id"]))  # noqa: S311 - an order, no secret
    shown = [listed[right], *order.sample(others, min(_OPTIONS - 1, len(others)))]
    order.shuffle(shown)
    lines = [f"{letter}. {text}" for letter, text in zip(_LETTERS, shown, strict=False)]
    return "\n".join([row["question"], *lines])
