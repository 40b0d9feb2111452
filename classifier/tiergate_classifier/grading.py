"""Grades of answers: by reference, by rule, by a judge, or by people through a CSV file."""

import csv
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from tiergate.errors import ConfigurationError
from tiergate_classifier.label_rows import LabelRow

_NUMBER: Final = re.compile(r"-?\d[\d,]*(?:\.\d+)?")
_WORD: Final = re.compile(r"[^\W_]+", re.UNICODE)
RULES: Final = ("contains", "not_contains", "regex", "json", "max_words", "min_words")

JUDGE_PROMPT: Final = """Two answers to the same question follow. Say which one serves the asker better.
Judge what is right and complete; length and style count for nothing. If both serve equally well, say so.

Question:
{question}

Answer A:
{first}

Answer B:
{second}

Reply with one word: A, B or SAME."""


def grade_by_reference(answer: str, reference: str) -> float:
    """Return 1 when an answer gives the reference, else 0.

    A numeric reference must equal the last number of the answer; another one must stand in it, word by word.
    """
    if _NUMBER.fullmatch(reference.strip()):
        numbers = _NUMBER.findall(answer)
        return float(bool(numbers) and _to_number(numbers[-1]) == _to_number(reference.strip()))
    wanted, said = _WORD.findall(reference.lower()), _WORD.findall(answer.lower())
    if not wanted:
        return 0.0
    return float(any(said[at : at + len(wanted)] == wanted for at in range(len(said) - len(wanted) + 1)))


def grade_by_rule(answer: str, rule: Mapping[str, Any]) -> float:
    """Return 1 when an answer keeps the rule, else 0.

    Args:
        answer: The answer.
        rule: `{kind: one of RULES, value: …}`; `json` takes no value.

    Raises:
        ValueError: The rule is unknown or its pattern is no regular expression.
    """
    kind, value = rule.get("kind"), rule.get("value", "")
    if kind == "json":
        try:
            json.loads(answer)
        except ValueError:
            return 0.0
        return 1.0
    if kind in ("contains", "not_contains"):
        return float((str(value).lower() in answer.lower()) is (kind == "contains"))
    if kind == "regex":
        try:
            return float(re.search(str(value), answer) is not None)
        except re.error as exc:
            raise ValueError(f"{value!r} is no regular expression ({exc})") from exc
    if kind in ("max_words", "min_words"):
        words = len(answer.split())
        return float(words <= int(value) if kind == "max_words" else words >= int(value))
    raise ValueError(f"the rule {kind!r} is none of {', '.join(RULES)}")


def judge_prompts(question: str, answer: str, baseline: str) -> tuple[str, str]:
    """Return the judge's two prompts: the answer first, then second, so that a liking for a place cancels out."""
    return (
        JUDGE_PROMPT.format(question=question, first=answer, second=baseline),
        JUDGE_PROMPT.format(question=question, first=baseline, second=answer),
    )


def read_verdict(text: str, *, answer_is: str) -> float | None:
    """Return 1 for an answer at least as good as the baseline's, 0 for a worse one, None when the judge says neither.

    Args:
        text: What the judge said.
        answer_is: `A` or `B`, the answer's place.
    """
    words = [word.upper() for word in _WORD.findall(text)]
    verdict = next((word for word in words if word in ("A", "B", "SAME")), None)
    if verdict is None:
        return None
    return float(verdict in (answer_is, "SAME"))


def grade_row(row: LabelRow, tiers: Iterable[str]) -> LabelRow:
    """Grade a row's answers by its reference or rule; a row with neither stays ungraded.

    Raises:
        ValueError: The rule is unknown.
    """
    if row.reference is None and row.rule is None:
        return row
    answered = [tier for tier in tiers if tier in row.answers]
    if row.reference is not None:
        grades = {tier: grade_by_reference(row.answers[tier], row.reference) for tier in answered}
        return replace(row, quality={**row.quality, **grades}, graded_by="reference")
    rule = row.rule or {}
    grades = {tier: grade_by_rule(row.answers[tier], rule) for tier in answered}
    return replace(row, quality={**row.quality, **grades}, graded_by="rule")


CSV_COLUMNS: Final = ("id", "tier", "prompt", "answer", "grade")


def write_grading_csv(path: Path, rows: Sequence[LabelRow]) -> int:
    """Write the answers that have no grade, one a line with an empty `grade`; return how many.

    A cell that a spreadsheet would take for a formula gets a quote in front.
    """
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(CSV_COLUMNS)
        for row in rows:
            for tier, answer in row.answers.items():
                if tier not in row.quality:
                    writer.writerow([row.id, tier, _cell(row.prompt or ""), _cell(answer), ""])
                    written += 1
    return written


def read_grading_csv(path: Path, rows: Sequence[LabelRow]) -> tuple[LabelRow, ...]:
    """Return the rows with the grades of a CSV file; lines without a grade are left for later.

    Raises:
        ConfigurationError: The file is no such table, or a line names an unknown row or a grade not from 0 to 1.
    """
    known = {row.id for row in rows}
    grades: dict[str, dict[str, float]] = {}
    for number, line in enumerate(_read_table(path), start=2):
        text = (line["grade"] or "").strip()
        if not text:
            continue
        try:
            grade = float(text)
        except ValueError:
            grade = -1.0
        if line["id"] not in known or not 0 <= grade <= 1:
            problem = f"{line['id']!r} is no row of the labels, or {text!r} is no grade from 0 to 1"
            raise ConfigurationError(path, f"line {number}", problem, "correct the line")
        grades.setdefault(str(line["id"]), {})[str(line["tier"])] = grade
    return tuple(
        replace(row, quality={**row.quality, **grades[row.id]}, graded_by="human") if row.id in grades else row
        for row in rows
    )


def _read_table(path: Path) -> list[dict[str, str | None]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file)
            lacking = [name for name in ("id", "tier", "grade") if name not in (table.fieldnames or ())]
            if lacking:
                problem = f"has no column {', '.join(lacking)}"
                raise ConfigurationError(path, "line 1", problem, "keep the heading that --human wrote")
            return list(table)
    except (UnicodeDecodeError, csv.Error) as exc:
        raise ConfigurationError(path, "", f"is no CSV in UTF-8 ({exc})", "save it as CSV, UTF-8") from exc


def _cell(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _to_number(text: str) -> float:
    return float(text.replace(",", ""))
