"""Data against a stranger's schema: defects are found, nothing is invented, nothing takes long or reaches out."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.schema_check import MAX_CHARS, breaks_schema

WEATHER: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer", "minimum": 1}, "unit": {"enum": ["C", "F"]}},
    "required": ["city"],
    "additionalProperties": False,
}


@pytest.mark.parametrize(
    ("value", "breaks"),
    [
        ({"city": "Rome"}, False),
        ({"city": "Rome", "days": 2, "unit": "C"}, False),
        ({}, True),
        ({"city": 7}, True),
        ({"city": "Rome", "days": 0}, True),
        ({"city": "Rome", "unit": "K"}, True),
        ({"city": "Rome", "extra": 1}, True),
        ([], True),
    ],
)
def test_arguments_follow_their_schema_or_not(value: Any, breaks: bool) -> None:  # noqa: FBT001
    assert breaks_schema(json.dumps(value), WEATHER) is breaks


def test_local_references_count_and_others_pass() -> None:
    schema = {
        "$defs": {"City": {"type": "object", "required": ["name"]}, "a/b": {"type": "integer"}},
        "properties": {
            "city": {"$ref": "#/$defs/City", "description": "where"},
            "n": {"$ref": "#/$defs/a~1b"},
            "far": {"$ref": "http://127.0.0.1:1/schema.json"},
            "lost": {"$ref": "#/$defs/None"},
            "odd": {"$ref": 7},
        },
    }
    assert breaks_schema('{"city": {}}', schema)
    assert breaks_schema('{"n": "x"}', schema)
    assert not breaks_schema('{"city": {"name": "Rome"}, "n": 1, "far": 1, "lost": 2, "odd": 3}', schema)


def test_a_schema_that_refers_to_itself_is_followed_for_a_while() -> None:
    tree = {"type": "object", "properties": {"left": {"$ref": "#"}, "size": {"type": "integer"}}}
    assert breaks_schema('{"left": {"left": {"size": "x"}}}', tree)
    assert not breaks_schema('{"left": {"left": {"size": 1}}}', tree)


def test_what_could_take_long_is_left_out() -> None:
    doubling = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(40)}
    hostile: list[dict[str, Any]] = [
        {"type": "string", "pattern": "^(a+)+$"},
        {"$defs": doubling | {"d40": {"type": "string"}}, "$ref": "#/$defs/d0"},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"enum": ["x" * 60_000]},
    ]
    began = time.monotonic()
    for schema in hostile:
        assert not breaks_schema(json.dumps("a" * 40 + "!"), schema)
    assert time.monotonic() - began < 30


def test_names_by_pattern_close_nothing() -> None:
    schema = {"patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False, "required": ["x1"]}
    assert not breaks_schema('{"x1": "text", "other": 1}', schema)
    assert breaks_schema("{}", schema)


@pytest.mark.parametrize(
    "schema", [{"type": 5}, {"properties": 3}, {"required": "x"}, {"enum": {1, 2}}, {"type": "nil"}]
)
def test_a_broken_schema_refuses_nothing(schema: dict[str, Any]) -> None:
    assert not breaks_schema("{}", schema)


def test_text_that_is_no_json_breaks_every_schema_and_long_text_is_not_read() -> None:
    assert breaks_schema("{", {})
    assert breaks_schema("[" * 10_000, {})
    assert not breaks_schema("x" * (MAX_CHARS + 1), WEATHER)
    deep: dict[str, Any] = {}
    for _ in range(5_000):
        deep = {"not": deep}
    assert not breaks_schema("{}", deep)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)


@given(value=JSON, schema=st.dictionaries(st.sampled_from(["type", "properties", "items", "$ref", "enum"]), JSON))
def test_any_schema_gives_a_verdict(value: Any, schema: dict[str, Any]) -> None:
    assert breaks_schema(json.dumps(value), schema) in {True, False}
