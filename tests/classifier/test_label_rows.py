"""A label file is read as it was written, or refused by its line."""

from pathlib import Path

import numpy as np
import pytest
from tests.classifier.labels import hidden_rule_rows, label_row

from tiergate.errors import ConfigurationError
from tiergate_classifier.label_rows import load_labels, parse_row, stack_labels, write_labels

TIERS = ("simple", "medium", "frontier")


def test_rows_come_back_as_they_were(tmp_path: Path) -> None:
    row = label_row(
        "a",
        prompt="Why?\u2028So\x85",
        reference="42",
        answers={"simple": "42\u2029"},
        quality={"simple": 1.0},
        cost_usd={"simple": 0.1},
        latency_ms={"simple": 3.5},
        prompt_tokens={"simple": 4},
        completion_tokens={"simple": 2},
        probability=0.25,
        split="held_out",
    )
    write_labels(tmp_path / "labels.jsonl", [row])
    (back,) = load_labels(tmp_path / "labels.jsonl")
    assert back.to_json() == row.to_json()
    assert row.to_json()["correct|simple"] == 1.0
    np.testing.assert_array_equal(back.embedding, row.embedding)


@pytest.mark.parametrize("line", ["no json", "{}", '{"id": "a", "embedding": 7, "features": {}}', "[]", "é"])
def test_a_line_that_is_no_row_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "labels.jsonl").write_text(f"\n{line}\n", encoding="latin-1")
    with pytest.raises(ConfigurationError, match="line 2"):
        load_labels(tmp_path / "labels.jsonl")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="tiergate label"):
        load_labels(tmp_path / "none.jsonl")


def test_only_rows_with_every_grade_are_stacked_and_rare_ones_weigh_more() -> None:
    rows = [*hidden_rule_rows(4), label_row("ungraded", quality={"simple": 1.0})]
    rows[0] = parse_row(rows[0].to_json() | {"probability": 0.5})
    arrays = stack_labels(rows, TIERS)
    assert len(arrays.rows) == 4
    assert arrays.weight[0] == pytest.approx(2 * arrays.weight[1])
    assert arrays.weight.mean() == pytest.approx(1.0)
    assert arrays.good[:, -1].all()
    with pytest.raises(ValueError, match="no row has a grade"):
        stack_labels([label_row("x")], TIERS)
