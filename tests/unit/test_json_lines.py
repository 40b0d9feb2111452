"""Lines are cut at line feeds only, and whatever cannot be read is named by file and line."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.errors import ConfigurationError
from tiergate.json_lines import read_json_lines, read_json_rows, read_lines

SEPARATORS = "a\u2028b\u2029c\x85d\x0be\x1cf"


@given(st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]))))
def test_what_was_written_comes_back(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    file = tmp_path_factory.mktemp("lines") / "rows.jsonl"
    file.write_bytes("".join(json.dumps(text, ensure_ascii=False) + "\n" for text in texts).encode())
    assert [row for _, row in read_json_lines(file)] == texts


def test_separators_of_unicode_end_no_line(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(f'"{SEPARATORS.replace(chr(11), "").replace(chr(28), "")}"\n', encoding="utf-8", newline="")
    assert len(list(read_lines(file))) == 1


def test_blank_lines_and_a_byte_order_mark_are_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(b"\xef\xbb\xbf1\r\n\r\n  \n2")
    assert list(read_json_lines(file)) == [(1, 1), (4, 2)]


@pytest.mark.parametrize("content", [b"1\n{", b"1\n\xff\xfe", b"1\n" + b"[" * 100_000, b"1\n'"])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"rows\.jsonl: line 2: .* Fix: "):
        list(read_json_lines(file))


@pytest.mark.parametrize("name", ["absent", "."])
def test_what_is_no_file_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        list(read_json_lines(tmp_path / name))


@pytest.mark.parametrize(
    "text",
    ['{"a": 1}\n{"a": 2}', '[{"a": 1}, {"a": 2}]', '[\n {"a": 1},\n {"a": 2}\n]', '{"data": [{"a": 1}, {"a": 2}]}',
     '{\n "total": 2,\n "data": [{"a": 1},\n {"a": 2}]\n}'],
)  # fmt: skip
def test_rows_come_as_lines_as_a_list_or_below_data(tmp_path: Path, text: str) -> None:
    file = tmp_path / "rows.json"
    file.write_text(text, encoding="utf-8")
    assert read_json_rows(file) == [(1, {"a": 1}), (2, {"a": 2})]


def test_one_row_is_one_row(tmp_path: Path) -> None:
    file = tmp_path / "rows.json"
    file.write_text('{\n "a": 1\n}', encoding="utf-8")
    assert read_json_rows(file) == [(1, {"a": 1})]
