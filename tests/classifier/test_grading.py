"""Grades by reference, rule, judge and people."""

from pathlib import Path
from typing import Any

import pytest
from tests.classifier.labels import label_row

from tiergate.errors import ConfigurationError
from tiergate_classifier.grading import (
    grade_by_reference,
    grade_by_rule,
    grade_row,
    judge_prompts,
    read_grading_csv,
    read_verdict,
    write_grading_csv,
)

TIERS = ("simple", "frontier")


@pytest.mark.parametrize(
    ("answer", "reference", "grade"),
    [
        ("It is Paris.", "paris", 1),
        ("It is Parisian.", "Paris", 0),
        ("First 3, so the total is 1,024.", "1024", 1),
        ("1024 at first, then 7", "1024", 0),
        ("no number", "7", 0),
        ("anything", "?!", 0),
    ],
)
def test_by_reference(answer: str, reference: str, grade: float) -> None:
    assert grade_by_reference(answer, reference) == grade


@pytest.mark.parametrize(
    ("answer", "rule", "grade"),
    [
        ("Hello World", {"kind": "contains", "value": "world"}, 1),
        ("Hello", {"kind": "not_contains", "value": "world"}, 1),
        ("Hello world", {"kind": "not_contains", "value": "world"}, 0),
        ("a1", {"kind": "regex", "value": r"\d"}, 1),
        ("{}", {"kind": "json"}, 1),
        ("{", {"kind": "json"}, 0),
        ("one two", {"kind": "max_words", "value": 1}, 0),
        ("one two", {"kind": "min_words", "value": 2}, 1),
    ],
)
def test_by_rule(answer: str, rule: dict[str, Any], grade: float) -> None:
    assert grade_by_rule(answer, rule) == grade


@pytest.mark.parametrize("rule", [{"kind": "regex", "value": "("}, {"kind": "vibes"}])
def test_a_rule_that_cannot_be_used_is_an_error(rule: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no regular expression|is none of"):
        grade_by_rule("x", rule)


def test_a_row_is_graded_by_what_it_has() -> None:
    answers = {"simple": "no", "frontier": "yes"}
    by_reference = grade_row(label_row("a", answers=answers, reference="yes"), TIERS)
    assert (by_reference.quality, by_reference.graded_by) == ({"simple": 0.0, "frontier": 1.0}, "reference")
    by_rule = grade_row(label_row("a", answers=answers, rule={"kind": "contains", "value": "n"}), TIERS)
    assert (by_rule.quality, by_rule.graded_by) == ({"simple": 1.0, "frontier": 0.0}, "rule")
    assert grade_row(label_row("a", answers=answers), TIERS).quality == {}


def test_the_judge_sees_both_orders_and_its_word_is_read() -> None:
    first, second = judge_prompts("Q?", "mine", "theirs")
    assert first.index("mine") < first.index("theirs")
    assert second.index("theirs") < second.index("mine")
    assert read_verdict("A", answer_is="A") == 1
    assert read_verdict("**B**.", answer_is="A") == 0
    assert read_verdict("same", answer_is="B") == 1
    assert read_verdict("I cannot say", answer_is="A") is None


def test_people_grade_through_a_csv_file(tmp_path: Path) -> None:
    file = tmp_path / "grades.csv"
    rows = [label_row("a", prompt="=1+1", answers={"simple": "no,\n'quoted'", "frontier": "yes"})]
    assert write_grading_csv(file, rows) == 2
    assert "'=1+1" in file.read_text()
    lines = file.read_text().replace("quoted'\",", "quoted'\",0.5")
    file.write_text(lines)
    (graded,) = read_grading_csv(file, rows)
    assert (graded.quality, graded.graded_by) == ({"simple": 0.5}, "human")
    assert write_grading_csv(file, [graded]) == 1


@pytest.mark.parametrize("line", ["b,simple,,,1", "a,simple,,,2", "a,simple,,,good"])
def test_a_line_that_is_no_grade_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "grades.csv"
    file.write_text(f"id,tier,prompt,answer,grade\n{line}\n")
    with pytest.raises(ConfigurationError, match="line 2"):
        read_grading_csv(file, [label_row("a")])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id,grade\na,1\n", "has no column tier"),
        (b"id,tier\na,simple\n", "has no column grade"),
        (b"", "has no column id, tier, grade"),
        ("id,tier,grade\n\xe9\xff,simple,1\n".encode("latin-1"), "no CSV in UTF-8"),
        (b"id,tier,grade\nb,simple,1\n", "line 2"),
    ],
)
def test_a_file_that_is_no_table_of_grades_is_refused_by_name(tmp_path: Path, content: bytes, said: str) -> None:
    file = tmp_path / "grades.csv"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=rf"grades\.csv.*{said}"):
        read_grading_csv(file, [label_row("a")])
