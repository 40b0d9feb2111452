"""Reading a YAML mapping: whatever is wrong with the file is an error that says what to do."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.errors import PolicyError
from tiergate.yaml_file import load_mapping


def load(path: Path) -> dict[str, object]:
    return load_mapping(path, absent_fix="create it", empty_fix="fill it")


def test_a_mapping_is_returned(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: &x {b: 1}\nc: {<<: *x, d: 2}\n", encoding="utf-8")
    assert load(tmp_path / "a.yaml") == {"a": {"b": 1}, "c": {"b": 1, "d": 2}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not a mapping"),
        ("- a\n", "not a mapping"),
        ("a: 1\na: 2\n", "'a' stands twice"),
        ("a: {b: 1, b: 2}\n", "'b' stands twice"),
        ("a: [\n", "not valid YAML"),
        ("a: 2026-13-40\n", "not valid YAML"),
        ("a: !!python/object:os.system {}\n", "not valid YAML"),
        ("1: one\n", "a key that is no text"),
        ("a: *b\n", "not valid YAML"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "a.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError) as caught:
        load(tmp_path / "a.yaml")
    assert problem in caught.value.problem
    assert "\n" not in caught.value.problem
    assert caught.value.fix


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        load(tmp_path / "none.yaml")
    assert caught.value.fix == "create it"


@given(st.binary(max_size=300))
def test_any_bytes_are_a_mapping_or_our_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.yaml"
    path.write_bytes(data)
    with suppress(PolicyError):
        assert isinstance(load(path), dict)


def test_a_folder_in_place_of_the_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"is a folder\. Fix: name a file in it\."):
        load_mapping(tmp_path, absent_fix="create it", empty_fix="start anew")
