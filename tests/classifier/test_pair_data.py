"""Pair tables in every format, and every defect by name."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from tiergate_classifier.pair_data import PairTable, PairTableError, load_pairs, read_inputs

FRAME = pl.DataFrame({"a": ["one", "2"], "b": ["uno", "3"], "label": [1, 0], "note": ["x", "y"]})


class Letters:
    """An encoder that counts letters, and its calls."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.seen += texts
        rows = np.array([[text.count(letter) + 1 for letter in "abcd"] for text in texts], dtype=np.float32)
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def write(path: Path) -> Path:
    kind = path.name.removesuffix(".gz").rsplit(".", 1)[1]
    plain = path.with_name("plain")
    if kind == "csv":
        FRAME.write_csv(plain)
    elif kind == "parquet":
        FRAME.write_parquet(plain)
    else:
        FRAME.write_ndjson(plain)
    data = plain.read_bytes()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize(
    "name", ["p.csv", "p.csv.gz", "p.jsonl", "p.jsonl.gz", "p.ndjson", "p.parquet", "p.parquet.gz"]
)
def test_every_format_reads_the_same(tmp_path: Path, name: str) -> None:
    table = load_pairs(write(tmp_path / name))
    assert table.a == ("one", "2")
    assert table.b == ("uno", "3")
    assert table.labels.tolist() == [True, False]


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("p.csv", "a,b\nx,y\n", "lacks the column label"),
        ("p.csv", "a,b,label\n", "holds no row"),
        ("p.csv", "a,b,label\nx,y,1\nx,y,2\n", "row 2, column label"),
        ("p.csv", "a,b,label\nx,y,\n", "row 1, column label"),
        ("p.csv", "a,b,label\n ,y,1\n", "row 1, column a: is empty"),
        ("p.csv", "a,b,label\nx,,1\n", "row 1, column b: is empty"),
        ("p.csv", "", "cannot be parsed"),
        ("p.jsonl", "{", "cannot be parsed"),
        ("p.jsonl", '{"a": 1, "b": "x", "label": 1}\n', "not a text"),
        ("p.parquet", "nothing", "cannot be parsed"),
        ("p.csv.gz", "a,b,label", "cannot be read"),
        ("p.txt", "a,b,label", "unknown kind"),
        ("p", "a,b,label", "unknown kind"),
    ],
)
def test_every_defect_is_named(tmp_path: Path, name: str, text: str, problem: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(PairTableError, match=problem) as error:
        load_pairs(tmp_path / name)
    assert name in str(error.value)
    assert "Fix:" in str(error.value)


def test_a_missing_and_a_torn_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(PairTableError, match="missing"):
        load_pairs(tmp_path / "p.csv")
    whole = write(tmp_path / "p.csv.gz").read_bytes()
    (tmp_path / "p.csv.gz").write_bytes(whole[:-12])
    with pytest.raises(PairTableError, match="ends too soon"):
        load_pairs(tmp_path / "p.csv.gz")


def test_a_text_is_embedded_once() -> None:
    encoder = Letters()
    pairs = PairTable(a=("a", "a"), b=("b", "a"), labels=np.array([True, False]), kinds=("", ""))
    inputs = read_inputs(pairs, encoder)
    assert encoder.seen == ["a", "b"]
    assert inputs.vectors.shape == (2, 8)
    assert inputs.cosine[1] == pytest.approx(1.0)
    assert len(inputs.take(np.array([1]))) == 1
    assert pairs.take([1]).b == ("a",)


def test_no_pair_gives_no_row() -> None:
    empty = PairTable(a=(), b=(), labels=np.zeros(0, dtype=np.bool_), kinds=())

    class Nothing:
        def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.zeros((len(texts), 4), dtype=np.float32)

    assert len(read_inputs(empty, Nothing())) == 0
