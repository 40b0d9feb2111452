import base64
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.adapters import decision_tables
from tiergate.adapters.decision_tables import DECISIONS, build_values, may_need_cleaning

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=20,
)
PATHS = ("ts", "tenant", "cache", "route", "gate", "cost_usd", "status")


def test_every_column_is_filled_from_its_place_in_the_row(build_row: Callable[..., dict[str, Any]]) -> None:
    row = build_row("d-1", embedding=base64.b64encode(b"\x00\x00\x80?").decode(), prompt="why")
    values = build_values(row, 7)
    assert set(values) == {column.name for column in DECISIONS.c}
    record = values.pop("record")
    assert record == {name: value for name, value in row.items() if name not in {"embedding", "prompt"}}
    assert values == {
        "decision_id": "d-1",
        "recorded_at": 7,
        "ts": 1_700_000_000.5,
        "call_id": "call-d-1",
        "trace_id": None,
        "tenant": "t-1",
        "session": None,
        "entry_model": "auto",
        "strategy": "cascade",
        "experiment": None,
        "arm": None,
        "cache_outcome": "miss",
        "similarity": 0.25,
        "route_outcome": "routed",
        "route_tier": "simple",
        "route_score": 0.9,
        "domain": "coding",
        "gate_outcome": "trusted",
        "gate_reason": "confidence_high",
        "confidence": 0.95,
        "final_tier": "simple",
        "cost_usd": 0.00001,
        "baseline_cost_usd": 0.002,
        "saved_usd": 0.00199,
        "latency_ms": 45.0,
        "overhead_ms": 3.0,
        "status": "ok",
        "embedding": b"\x00\x00\x80?",
        "prompt": "why",
    }


def test_a_row_comes_back_as_it_was(build_row: Callable[..., dict[str, Any]]) -> None:
    for row in (build_row("d-1"), build_row("d-2", embedding="AACAPw==", prompt="höchst \U0001f600")):
        assert back(row) == row


@given(fields=st.dictionaries(st.sampled_from(PATHS) | st.text(), JSON))
def test_no_json_breaks_a_column(fields: dict[str, Any]) -> None:
    row = fields | {"decision_id": "d-1"}
    values = build_values(row, 1)
    for column in DECISIONS.c:
        value = values[column.name]
        if column.name != "record" and value is not None:
            assert isinstance(value, column.type.python_type)
            assert not isinstance(value, float) or math.isfinite(value)
    text = json.dumps(values["record"], ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()


@pytest.mark.parametrize(
    ("bad", "good"), [("a\x00b", "a\ufffdb"), ("a\ud800b", "a\ufffdb"), ("\U0001f600\udc00", "\U0001f600\ufffd")]
)
def test_characters_that_databases_refuse_are_replaced(
    build_row: Callable[..., dict[str, Any]], bad: str, good: str
) -> None:
    assert back(build_row("d-1", prompt=bad, tenant=bad, feedback=[{bad: bad}])) == build_row(
        "d-1", prompt=good, tenant=good, feedback=[{good: good}]
    )


@given(row=st.dictionaries(st.text(), JSON | st.text(st.characters(codec=None))))
def test_a_row_said_to_need_no_cleaning_is_clean(row: dict[str, Any]) -> None:
    row |= {"decision_id": "d-1"}
    if not may_need_cleaning(json.dumps(row).encode()):
        assert build_values(row, 1, clean=False) == build_values(row, 1)


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
def test_a_row_with_a_bad_character_is_said_to_need_cleaning(text: str) -> None:
    assert may_need_cleaning(json.dumps({"prompt": text}).encode())
    assert not may_need_cleaning(json.dumps({"prompt": "plain é"}).encode())


@pytest.mark.parametrize("value", [True, "12", [1], 10**400, None])
def test_what_is_no_number_is_null_in_its_column(build_row: Callable[..., dict[str, Any]], value: Any) -> None:
    values = build_values(build_row("d-1", cost_usd=value), 1)
    assert values["cost_usd"] is None
    assert values["record"]["cost_usd"] == value


def test_an_embedding_that_is_not_base64_is_null(build_row: Callable[..., dict[str, Any]]) -> None:
    assert build_values(build_row("d-1", embedding="!"), 1)["embedding"] is None


def back(row: dict[str, Any]) -> dict[str, Any]:
    values = build_values(row, 1)
    return decision_tables.build_row(values["record"], values["embedding"], values["prompt"])
