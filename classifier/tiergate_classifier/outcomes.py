"""Reader of outcome tables: what each tier's answer to each prompt was worth (contracts.md, "Files").

CSV, JSONL or Parquet, each also with `.gz`. One row per prompt: `id`, `prompt`, optional `domain` and
`session`; per tier `correct|TIER` (0..1, empty = not run) and optional `answer|TIER`, `confidence|TIER`,
`cost_usd|TIER`, `latency_ms|TIER`, `prompt_tokens|TIER`, `completion_tokens|TIER`. Other columns are ignored.
Rows are counted from 1, without a CSV's heading.
"""

import gzip
import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tiergate.errors import ConfigurationError

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

_NUMBERS = ("correct", "confidence", "cost_usd", "latency_ms", "prompt_tokens", "completion_tokens")
_EMPTY = frozenset({"", "nan", "null", "none", "na"})
_SPOKEN = {"true": 1.0, "false": 0.0}
_SUFFIXES = (".csv", ".jsonl", ".parquet")


class OutcomeTableError(ConfigurationError):
    """An outcome table is missing, torn, or a value in it is out of range; names file, row, column and fix."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Outcomes:
    """A checked outcome table of n rows.

    Attributes:
        file: Where it came from.
        tiers: Names of the tiers, in the order of the `correct|TIER` columns.
        ids: Length n.
        prompts: Length n.
        domains: Length n, None where not given.
        sessions: Length n, None where not given.
        answers: Texts by tier, length n, None where not given; tiers without the column are absent.
        numbers: (measure, tier) -> shape (n,), NaN where not given; absent columns are absent.
    """

    file: str
    tiers: tuple[str, ...]
    ids: tuple[str, ...]
    prompts: tuple[str, ...]
    domains: tuple[str | None, ...]
    sessions: tuple[str | None, ...]
    answers: Mapping[str, tuple[str | None, ...]] = field(default_factory=dict)
    numbers: Mapping[tuple[str, str], Floats] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def measure(self, name: str, tier: str) -> Floats:
        """Return `name|tier`, shape (n,); all NaN when the table has no such column."""
        column = self.numbers.get((name, tier))
        return np.full(len(self), np.nan) if column is None else column

    def answer_texts(self, tier: str) -> tuple[str | None, ...]:
        """Return `answer|tier`, length n; all None when the table has no such column."""
        return self.answers.get(tier, (None,) * len(self))

    def rows_run_on(self, tiers: Sequence[str]) -> Indices:
        """Return the rows in which every one of the tiers was run.

        Raises:
            OutcomeTableError: A tier is not in the table, or no row has them all.
        """
        for tier in tiers:
            if tier not in self.tiers:
                near = get_close_matches(tier, self.tiers, n=1) or self.tiers
                raise OutcomeTableError(
                    self.file, f"column correct|{tier}", "there is no such column", f"name one of {sorted(near)!r}"
                )
        run = np.all([np.isfinite(self.measure("correct", tier)) for tier in tiers], axis=0)
        rows: Indices = np.flatnonzero(run)
        if len(rows) == 0:
            problem = f"no row has an outcome of all of {list(tiers)!r}"
            raise OutcomeTableError(
                self.file, f"column correct|{tiers[0]}", problem, "run the tiers on the same prompts"
            )
        return rows

    def take(self, rows: Indices) -> "Outcomes":
        """Return the table of these rows, in this order; a row may be taken more than once."""
        picked = rows.tolist()
        return Outcomes(
            file=self.file,
            tiers=self.tiers,
            ids=tuple(self.ids[row] for row in picked),
            prompts=tuple(self.prompts[row] for row in picked),
            domains=tuple(self.domains[row] for row in picked),
            sessions=tuple(self.sessions[row] for row in picked),
            answers={tier: tuple(texts[row] for row in picked) for tier, texts in self.answers.items()},
            numbers={key: column[rows] for key, column in self.numbers.items()},
        )


def load_outcomes(file: Path) -> Outcomes:
    """Read and check an outcome table.

    Raises:
        OutcomeTableError: The file cannot be read, a needed column is missing, or a value is out of range.
    """
    columns = _read_columns(file)
    tiers = tuple(name.partition("|")[2] for name in columns if name.startswith("correct|"))
    _check_columns(file, columns, tiers)
    rows = len(columns["id"])
    absent: list[Any] = [None] * rows
    return Outcomes(
        file=str(file),
        tiers=tiers,
        ids=_texts(file, "id", columns["id"]),
        prompts=_texts(file, "prompt", columns["prompt"]),
        domains=tuple(_optional_text(value) for value in columns.get("domain", absent)),
        sessions=tuple(_optional_text(value) for value in columns.get("session", absent)),
        answers={
            tier: tuple(None if value is None else str(value) for value in columns[f"answer|{tier}"])
            for tier in tiers
            if f"answer|{tier}" in columns
        },
        numbers={
            (name, tier): _numbers(file, name, f"{name}|{tier}", columns[f"{name}|{tier}"])
            for name in _NUMBERS
            for tier in tiers
            if f"{name}|{tier}" in columns
        },
    )


def _read_columns(file: Path) -> dict[str, list[Any]]:
    kind = _kind(file)
    try:
        data = file.read_bytes()
        data = gzip.decompress(data) if file.suffix == ".gz" else data
    except FileNotFoundError as exc:
        raise OutcomeTableError(file, "", "there is no such file", "check the path") from exc
    except (OSError, EOFError) as exc:
        raise OutcomeTableError(file, "", f"cannot be read ({exc})", "make it a readable, whole file") from exc
    if kind == ".jsonl":
        return _read_jsonl(file, data)
    try:
        if kind == ".csv":
            _check_heading(file, data)
            frame = pl.read_csv(io.BytesIO(data), infer_schema=False)
        else:
            frame = pl.read_parquet(io.BytesIO(data))
    except pl.exceptions.PolarsError as exc:
        raise OutcomeTableError(file, "", f"no {kind[1:]} table ({exc})", "write the table anew, in UTF-8") from exc
    return {name: frame[name].to_list() for name in frame.columns}


def _kind(file: Path) -> str:
    name = file.name.removesuffix(".gz")
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return suffix
    raise OutcomeTableError(
        file, "", "its name tells no known format", f"name it {', '.join(_SUFFIXES)}, or these with .gz"
    )


def _check_heading(file: Path, data: bytes) -> None:
    """Refuse a column named twice, which polars would rename."""
    heading = pl.read_csv(io.BytesIO(data), infer_schema=False, has_header=False, n_rows=1).row(0)
    for name in heading:
        if heading.count(name) > 1:
            raise OutcomeTableError(file, f"column {name}", "the heading names it twice", "keep one of the two")


def _read_jsonl(file: Path, data: bytes) -> dict[str, list[Any]]:
    objects: list[dict[str, Any]] = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as exc:
            raise OutcomeTableError(file, f"row {number}", f"no JSON ({exc})", "write one object per line") from exc
        if not isinstance(row, dict):
            raise OutcomeTableError(file, f"row {number}", "no JSON object", "write one object per line")
        objects.append(row)
    names = dict.fromkeys(name for row in objects for name in row)
    return {name: [row.get(name) for row in objects] for name in names}


def _check_columns(file: Path, columns: Mapping[str, list[Any]], tiers: Sequence[str]) -> None:
    for needed in ("id", "prompt"):
        if needed not in columns:
            raise OutcomeTableError(file, f"column {needed}", "the column is missing", "add it (contracts.md, Files)")
    if not tiers:
        problem = "there is no outcome of any tier"
        raise OutcomeTableError(file, "column correct|TIER", problem, "add one column correct|TIER per tier")
    if not columns["id"]:
        raise OutcomeTableError(file, "", "the table has no rows", "write at least one row")
    for name in columns:
        measure, bar, tier = name.partition("|")
        if bar and measure in {*_NUMBERS, "answer"} and tier not in tiers:
            near = get_close_matches(tier, tiers, n=1)
            hint = f"rename the column to {measure}|{near[0]}" if near else f"add correct|{tier}"
            raise OutcomeTableError(file, f"column {name}", f"there is no column correct|{tier}", hint)


def _texts(file: Path, column: str, values: Sequence[Any]) -> tuple[str, ...]:
    for number, value in enumerate(values, start=1):
        if value is None or value == "":
            raise OutcomeTableError(file, f"row {number}, column {column}", "it is empty", "fill it or drop the row")
    return tuple(str(value) for value in values)


def _optional_text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _numbers(file: Path, measure: str, column: str, values: Sequence[Any]) -> Floats:
    numbers = np.empty(len(values))
    for place, value in enumerate(values):
        number = _number(value)
        if number is None:
            problem, fix = f"{value!r} is no number", "write a number, or leave it empty when there is none"
            raise OutcomeTableError(file, f"row {place + 1}, column {column}", problem, fix)
        problem = _out_of_range(measure, number)
        if problem:
            fix = "correct the value, or leave it empty when there is none"
            raise OutcomeTableError(file, f"row {place + 1}, column {column}", f"{value!r} {problem}", fix)
        numbers[place] = number
    return numbers


def _number(value: Any) -> float | None:
    """Return the number, NaN when empty, None when it is none."""
    if value is None:
        return math.nan
    if isinstance(value, int | float):
        return float(value)
    text = str(value).strip().lower()
    if text in _EMPTY:
        return math.nan
    if text in _SPOKEN:
        return _SPOKEN[text]
    try:
        return float(text)
    except ValueError:
        return None


def _out_of_range(measure: str, number: float) -> str:
    """Return what is wrong with a number, empty when nothing is."""
    if math.isnan(number):
        return ""
    if math.isinf(number):
        return "is not finite"
    if measure == "correct" and not 0 <= number <= 1:
        return "is not between 0 and 1"
    if measure not in {"correct", "confidence"} and number < 0:
        return "is below 0"
    return ""
