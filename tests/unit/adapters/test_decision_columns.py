"""Columns of decisions: read off rows, packed, put together."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from tiergate.adapters.decision_columns import (
    FAILURES,
    NONE,
    DecisionColumns,
    concatenate,
    hash_id,
    pack_columns,
    read_columns,
    unpack_columns,
)
from tiergate.errors import DecisionLogError


def call(tier: str, cost: float, ms: float, status: str = "ok") -> dict[str, Any]:
    return {"tier": tier, "cost_usd": cost, "ms": ms, "status": status, "prompt_tokens": 80, "completion_tokens": 20}


def row(decision_id: str = "d", tier: str = "simple", **changes: Any) -> dict[str, Any]:
    plain = {
        "decision_id": decision_id,
        "route": {
            "tier": tier, "reason": "score_meets_quality", "lower_bounds": {"simple": 0.8, tier: 0.9},
            "domains": {"code": 0.4}, "artifact_digest": "a1", "propensity": 0.25,
        },
        "gate": {"outcome": "escalated", "reason": "refusal", "confidence": 0.3},
        "calls": [call(tier, 1.0, 100.0, "failed"), call(tier, 1.5, 90.0), call("frontier", 7.0, 300.0)],
        "cost_usd": 9.5,
        "latency_ms": 500.0,
        "feedback": {"score": 0.6},
    }  # fmt: skip
    return {**plain, **changes}


def same(one: DecisionColumns, other: DecisionColumns) -> bool:
    pairs = ((getattr(one, field.name), getattr(other, field.name)) for field in fields(DecisionColumns))
    return all(
        left == right if isinstance(left, tuple) else np.array_equal(left, right, equal_nan=left.dtype.kind == "f")
        for left, right in pairs
    )


@pytest.mark.parametrize(("outcome", "first_ms"), [("won", 500.0 - 150.0), ("lost", 500.0), ("failed", 500.0)])
def test_a_hedge_adds_to_the_latency_only_what_was_waited_for(outcome: str, first_ms: float) -> None:
    first, early = call("simple", 1.5, 100.0), call("frontier", 7.0, 210.0)
    calls = [first | {"start_ms": 10.0}, early | {"start_ms": 50.0, "hedge": True}]
    columns = read_columns([row(calls=calls, hedge={"outcome": outcome}, cost_usd=8.5)])
    assert (columns.first_ms[0], columns.first_cost_usd[0], columns.cost_usd[0]) == (first_ms, 1.5, 8.5)


def test_a_row_s_values_are_those_of_its_first_call_and_of_all_calls() -> None:
    columns = read_columns([row()])
    assert columns.tiers[columns.tier[0]] == "simple"
    assert (columns.first_cost_usd[0], columns.first_ms[0], columns.cost_usd[0], columns.latency_ms[0]) == (
        2.5, 200.0, 9.5, 500.0,
    )  # fmt: skip
    assert (columns.tokens[0], columns.propensity[0], columns.confidence[0], columns.quality[0]) == (
        100,
        0.25,
        0.3,
        0.6,
    )
    assert FAILURES[columns.failure[0]] == "refusal"
    assert (columns.classified[0], columns.controlled[0], columns.escalated[0]) == (True, False, True)
    assert columns.ids[0] == hash_id("d")


@pytest.mark.parametrize(
    "changes",
    [
        {"calls": 5, "route": None, "gate": "none", "cost_usd": "dear", "latency_ms": None, "feedback": 7},
        {"calls": [None, "x"], "route": {"tier": 3, "lower_bounds": [1], "domains": 2}, "gate": {"confidence": True}},
        {"calls": [{}], "route": {"tier": None, "reason": None}, "gate": {"outcome": None, "reason": None}},
    ],
)
def test_values_of_an_unexpected_shape_are_absent(changes: dict[str, Any]) -> None:
    columns = read_columns([row(**changes)])
    assert (columns.tier[0], columns.failure[0], columns.digest[0]) == (NONE, NONE, NONE)
    assert not columns.classified[0]
    assert np.isnan(columns.confidence[0])
    assert np.isfinite(columns.cost_usd[0])


def test_packed_columns_come_back_as_they_were() -> None:
    columns = read_columns([row("a"), row("b", "medium"), row("c", route=None)])
    assert same(unpack_columns(pack_columns(columns)), columns)
    assert len(unpack_columns(pack_columns(read_columns([])))) == 0


@pytest.mark.parametrize("data", [b"", b"\x00" * 40, pack_columns(read_columns([row()]))[:-1]])
def test_bytes_that_are_no_columns_are_refused(data: bytes) -> None:
    with pytest.raises(DecisionLogError, match="cannot be read"):
        unpack_columns(data)


def test_a_block_of_other_columns_is_refused() -> None:
    from safetensors.numpy import save  # noqa: PLC0415

    with pytest.raises(DecisionLogError, match="KeyError"):
        unpack_columns(save({"ids": np.zeros(1)}))


def test_parts_that_name_tiers_in_their_own_order_are_one_when_put_together() -> None:
    rows = [row("a"), row("b", "medium"), row("c", "huge", route=None), row("d", "medium")]
    rows[3]["route"] = {**rows[3]["route"], "domains": {"legal": 0.5}, "artifact_digest": "a2"}
    whole = read_columns(rows)
    for cut in range(1, 4):
        parts = concatenate([read_columns(rows[cut:]), read_columns(rows[:cut])])
        order = [int(np.flatnonzero(parts.ids == wanted)[0]) for wanted in whole.ids]
        for place, at in enumerate(order):
            assert named(parts, at) == named(whole, place)


def named(columns: DecisionColumns, at: int) -> dict[str, Any]:
    tier, digest = columns.tier[at], columns.digest[at]
    bounds = zip(columns.tiers, columns.lower_bounds[at].tolist(), strict=True)
    domains = zip(columns.domains, columns.domain_scores[at].tolist(), strict=True)
    return {
        "tier": None if tier == NONE else columns.tiers[tier],
        "digest": None if digest == NONE else columns.digests[digest],
        "bounds": {name: value for name, value in bounds if not np.isnan(value)},
        "domains": {name: value for name, value in domains if not np.isnan(value)},
        "cost": columns.cost_usd[at],
    }
