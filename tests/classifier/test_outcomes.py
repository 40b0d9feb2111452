"""Every format gives the same table; every defect names file, row, column and fix."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

pl = pytest.importorskip("polars")

from tiergate_classifier.outcomes import OutcomeTableError, load_outcomes  # noqa: E402 - after the skip

ROWS = [
    {
        "id": "1",
        "prompt": "a, b",
        "domain": "law",
        "correct|A": 1,
        "correct|B": None,
        "confidence|A": 0.5,
        "answer|A": "x",
    },
    {
        "id": "2",
        "prompt": "line\nline",
        "domain": None,
        "correct|A": 0.25,
        "correct|B": 1,
        "confidence|A": None,
        "answer|A": None,
    },
]


def _csv(file: Path) -> None:
    pl.DataFrame(ROWS).write_csv(file)


def _parquet(file: Path) -> None:
    pl.DataFrame(ROWS).write_parquet(file)


def _jsonl(file: Path) -> None:
    file.write_text("\n".join(map(json.dumps, ROWS)) + "\n\n")


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize(("name", "write"), [("t.csv", _csv), ("t.parquet", _parquet), ("t.jsonl", _jsonl)])
def test_every_format_gives_the_same_table(
    tmp_path: Path, name: str, write: Callable[[Path], None], suffix: str
) -> None:
    file = tmp_path / name
    write(file)
    if suffix:
        file.with_name(name + suffix).write_bytes(gzip.compress(file.read_bytes()))
    table = load_outcomes(tmp_path / (name + suffix))
    assert (table.tiers, table.ids, table.prompts) == (("A", "B"), ("1", "2"), ("a, b", "line\nline"))
    assert table.domains == ("law", None)
    assert table.sessions == (None, None)
    assert table.answer_texts("A") == ("x", None)
    assert table.answer_texts("B") == (None, None)
    np.testing.assert_array_equal(table.measure("correct", "A"), [1, 0.25])
    np.testing.assert_array_equal(table.measure("correct", "B"), [np.nan, 1])
    np.testing.assert_array_equal(table.measure("confidence", "A"), [0.5, np.nan])
    assert np.isnan(table.measure("cost_usd", "A")).all()
    assert table.rows_run_on(["A", "B"]).tolist() == [1]
    twice = table.take(np.array([1, 1, 0]))
    assert len(twice) == 3
    assert twice.ids == ("2", "2", "1")
    assert twice.answers["A"] == (None, None, "x")


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ("id,prompt,correct|A\n1,p,2\n", "row 1, column correct|A: '2' is not between 0 and 1"),
        ("id,prompt,correct|A\n1,p,1\n2,q,yes\n", "row 2, column correct|A: 'yes' is no number"),
        ("id,prompt,correct|A\n,p,1\n", "row 1, column id: it is empty"),
        ("id,correct|A\n1,1\n", "column prompt: the column is missing"),
        ("id,prompt\n1,p\n", "column correct|TIER"),
        ("id,prompt,correct|A\n", "the table has no rows"),
        ("id,prompt,correct|A,cost_usd|A\n1,p,1,-2\n", "row 1, column cost_usd|A: '-2' is below 0"),
        ("id,prompt,correct|A,confidence|A\n1,p,1,inf\n", "row 1, column confidence|A: 'inf' is not finite"),
        ("id,prompt,correct|Small,confidence|Smal\n1,p,1,1\n", "rename the column to confidence|Small"),
        ("id,prompt,correct|A,confidence|Zebra\n1,p,1,1\n", "add correct|Zebra"),
        ("id,prompt,correct|A,correct|A\n1,p,1,1\n", "column correct|A: the heading names it twice"),
        ("", "no csv table"),
    ],
)
def test_every_defect_names_its_place(tmp_path: Path, content: str, named: str) -> None:
    file = tmp_path / "table.csv"
    file.write_text(content)
    with pytest.raises(OutcomeTableError) as caught:
        load_outcomes(file)
    assert named in str(caught.value)
    assert "table.csv" in str(caught.value)
    assert "Fix: " in str(caught.value)


@pytest.mark.parametrize(
    ("content", "named"), [("{}\nnonsense\n", "row 2: no JSON"), ("[1]\n", "row 1: no JSON object")]
)
def test_a_torn_line_is_named(tmp_path: Path, content: str, named: str) -> None:
    file = tmp_path / "table.jsonl"
    file.write_text(content)
    with pytest.raises(OutcomeTableError, match=named):
        load_outcomes(file)


def test_a_missing_torn_or_foreign_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "torn.csv.gz").write_bytes(gzip.compress(b"id,prompt" * 100)[:20])
    (tmp_path / "torn.parquet").write_bytes(b"no parquet")
    (tmp_path / "table.xls").write_bytes(b"")
    for name in ("none.csv", "torn.csv.gz", "torn.parquet", "table.xls"):
        with pytest.raises(OutcomeTableError, match=name.replace(".", r"\.")):
            load_outcomes(tmp_path / name)


def test_a_tier_that_is_not_there_or_never_ran_is_named(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    file.write_text("id,prompt,correct|Small,correct|Large\n1,p,true,\n2,q,,nan\n")
    table = load_outcomes(file)
    with pytest.raises(OutcomeTableError, match="Small"):
        table.rows_run_on(["Smal"])
    with pytest.raises(OutcomeTableError, match="no row has an outcome"):
        table.rows_run_on(["Small", "Large"])
