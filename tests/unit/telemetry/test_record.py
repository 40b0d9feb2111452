import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tiergate.decisions import (
    CacheDecision,
    CacheOutcome,
    GateDecision,
    GateOutcome,
    Reason,
    RouteDecision,
    RouteOutcome,
)
from tiergate.telemetry.names import Stage
from tiergate.telemetry.record import (
    RECORD_FIELDS,
    DecisionRecord,
    DecisionStatus,
    Feedback,
    build_headers,
    build_record_table,
    decode_embedding,
    encode_embedding,
    find_failure,
)

BY_NAME = {
    "ruled_out",
    "features",
    "scores",
    "lower_bounds",
    "domains",
    "signals",
    "stage_ms",
    "stage_start_ms",
    "errors",
}


def test_a_row_holds_every_field_and_is_json(escalated: DecisionRecord) -> None:
    row = escalated.to_row()
    assert json.loads(json.dumps(row, allow_nan=False)) == row
    assert row == {
        "decision_id": "dec-1",
        "ts": 1_700_000_000.0,
        "call_id": "call-1",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
        "tenant": "t-9",
        "entry_model": "auto",
        "strategy": "cascade",
        "mode": "active",
        "experiment": "gate-065-vs-075",
        "arm": "b",
        "unit": "u-7",
        "session": "s-4",
        "cache": {
            "outcome": "miss",
            "reason": "below_min_similarity",
            "similarity": 0.5,
            "error_bound": 0.01,
            "age_s": None,
            "entry_id": None,
            "probability": None,
            "store_reason": None,
            "agreed": None,
            "waited_ms": None,
        },
        "route": {
            "outcome": "routed",
            "reason": "score_meets_quality",
            "tier": "simple",
            "score": 0.91237,
            "scores": {"simple": 0.91237, "frontier": 0.99},
            "lower_bounds": {"simple": 0.9, "frontier": 0.98},
            "domain": "coding",
            "domain_score": 0.7,
            "strategy_domain": None,
            "classifier": "embedded",
            "artifact_digest": "sha256:ab",
            "ruled_out": {"medium": "images"},
            "shadow_tier": "medium",
            "shadow_score": 0.95,
            "shadow_digest": "sha256:cd",
            "fallback": "ClassifierError",
            "domains": {"coding": 0.7, "finance": 0.1},
            "propensity": 0.95,
            "plan": ["simple", "frontier"],
            "plans": [
                {
                    "tiers": ["simple", "frontier"],
                    "quality": 0.97,
                    "escalation_probability": 0.25,
                    "calls_usd": 0.004,
                    "verifier_usd": 0.0005,
                    "latency_s": None,
                    "latency_usd": 0.0,
                    "switching_usd": 0.0005,
                    "expected_usd": 0.005,
                }
            ],
            "ms": 0.5,
        },
        "gate": {
            "outcome": "escalated",
            "reason": "confidence_low",
            "confidence": 0.4,
            "final_confidence": 0.93,
            "signals": {"mean_logprob": -1.5},
            "escalate_below": 0.7,
            "trust_from": 0.85,
            "escalate_to": "frontier",
            "verifier": None,
        },
        "hedge": {
            "outcome": "skipped",
            "reason": "answered_in_time",
            "tier": "frontier",
            "after_ms": 250.0,
            "escalation_probability": 0.55,
        },
        "calls": [
            {
                "tier": "simple",
                "model_group": "tier-simple",
                "model": "deepseek-v4-pro",
                "provider": "deepseek",
                "fallback_from": "tier-simple-alt",
                "prompt_tokens": 20,
                "completion_tokens": 5,
                "cached_tokens": 8,
                "cost_usd": 0.00001,
                "ms": 40.0,
                "start_ms": 5.0,
                "status": "ok",
                "hedge": False,
            },
            {
                "tier": "frontier",
                "model_group": "tier-frontier",
                "model": "claude-opus-4.7",
                "provider": "anthropic",
                "fallback_from": None,
                "prompt_tokens": 20,
                "completion_tokens": 50,
                "cached_tokens": 0,
                "cost_usd": 0.002,
                "ms": 100.0,
                "start_ms": 46.0,
                "status": "ok",
                "hedge": False,
            },
        ],
        "final_tier": "frontier",
        "cost_usd": 0.00201,
        "baseline_cost_usd": 0.002,
        "saved_usd": -0.00001,
        "latency_ms": 150.0,
        "overhead_ms": 4.5,
        "stage_ms": {"semantic_cache": 1.5, "intent_router": 0.5, "confidence_gate": 1.0},
        "stage_start_ms": {"semantic_cache": 2.0, "intent_router": 3.5, "confidence_gate": 45.0},
        "status": "ok",
        "errors": {},
        "feedback": None,
        "judge": {"score": 0.5, "probability": 0.01, "cost_usd": 0.003},
        "embedding": "mpkZP83MTL8=",
        "features": {"log_words": 1.098612},
        "prompt": "a secret question",
    }


def test_a_line_has_neither_prompt_nor_embedding(escalated: DecisionRecord) -> None:
    line = escalated.to_line()
    row = escalated.to_row()
    assert set(row) - set(line) == {"prompt", "embedding", "features"}
    assert "a secret question" not in json.dumps(line)


def test_a_row_without_prompt_and_embedding_does_not_name_them(escalated: DecisionRecord) -> None:
    row = replace(escalated, prompt=None, embedding=None, features=None).to_row()
    assert row == escalated.to_line()


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan"), np.float64("inf")])
def test_a_float_that_is_not_finite_becomes_null(escalated: DecisionRecord, value: float) -> None:
    record = replace(
        escalated,
        cost_usd=value,
        gate=replace(escalated.gate, confidence=value, signals={"mean_logprob": value}),
        stage_ms={Stage.INTENT_ROUTER: value},
    )
    row = record.to_row()
    json.dumps(row, allow_nan=False)
    assert row["cost_usd"] is None
    assert row["gate"]["confidence"] is None
    assert row["gate"]["signals"] == {"mean_logprob": None}
    assert row["route"]["ms"] is None


def test_numbers_of_numpy_become_plain_ones(escalated: DecisionRecord) -> None:
    row = replace(escalated, cost_usd=np.float32(0.5), latency_ms=np.float64(2.5)).to_row()
    assert (row["cost_usd"], type(row["cost_usd"])) == (0.5, float)
    assert (row["latency_ms"], type(row["latency_ms"])) == (2.5, float)


def test_feedback_and_errors_are_in_the_row(escalated: DecisionRecord) -> None:
    feedback = Feedback(score=0.25, wrong_cache_hit=True, comment="another question")
    row = replace(escalated, feedback=feedback, errors={Stage.EMBEDDING: "EmbedderError"}).to_row()
    assert row["feedback"] == {"score": 0.25, "wrong_cache_hit": True, "comment": "another question"}
    assert row["errors"] == {"embedding": "EmbedderError"}


@given(hnp.arrays(np.float32, st.integers(0, 64), elements=st.floats(width=32, allow_nan=False)))
def test_an_embedding_comes_back_as_it_was(vector: np.ndarray[Any, np.dtype[np.float32]]) -> None:
    back = decode_embedding(encode_embedding(vector))
    assert back.dtype == np.float32
    assert np.array_equal(back, vector)


def test_a_cost_that_is_not_yet_known_is_in_no_header(escalated: DecisionRecord) -> None:
    whole = build_headers(escalated, streaming=False)
    assert build_headers(escalated, streaming=False, settled=False) == {
        name: value for name, value in whole.items() if name not in {"x-tiergate-cost-usd", "x-tiergate-saved-usd"}
    }


def test_headers_of_an_answer(escalated: DecisionRecord) -> None:
    assert build_headers(escalated, streaming=False) == {
        "x-tiergate-decision-id": "dec-1",
        "x-tiergate-tier": "frontier",
        "x-tiergate-cache": "miss",
        "x-tiergate-route-score": "0.9124",
        "x-tiergate-confidence": "0.9300",
        "x-tiergate-gate": "escalated",
        "x-tiergate-cost-usd": "0.00201000",
        "x-tiergate-saved-usd": "-0.00001000",
        "x-tiergate-experiment": "gate-065-vs-075=b",
    }


@pytest.mark.parametrize(
    ("outcome", "first", "final", "header"),
    [
        (GateOutcome.ESCALATED, 0.4, 0.93, "0.9300"),
        (GateOutcome.ESCALATED, 0.4, 0.4, "0.4000"),
        (GateOutcome.ESCALATED, 0.4, None, None),
        (GateOutcome.TRUSTED, 0.9, 0.9, "0.9000"),
        (GateOutcome.TRUSTED, 0.9, None, "0.9000"),
        (GateOutcome.SKIPPED, None, None, None),
    ],
)
def test_the_confidence_header_is_that_of_the_answer_the_client_got(
    escalated: DecisionRecord, outcome: GateOutcome, first: float | None, final: float | None, header: str | None
) -> None:
    gate = replace(escalated.gate, outcome=outcome, confidence=first, final_confidence=final)
    assert build_headers(replace(escalated, gate=gate), streaming=False).get("x-tiergate-confidence") == header


def test_headers_of_a_stream_tell_what_is_known_at_routing(escalated: DecisionRecord) -> None:
    assert build_headers(escalated, streaming=True) == {
        "x-tiergate-decision-id": "dec-1",
        "x-tiergate-tier": "simple",
        "x-tiergate-cache": "miss",
        "x-tiergate-route-score": "0.9124",
        "x-tiergate-gate": "pending",
        "x-tiergate-experiment": "gate-065-vs-075=b",
    }


def test_a_streamed_cache_hit_names_the_tier_of_the_stored_answer(hit: DecisionRecord) -> None:
    assert build_headers(hit, streaming=True)["x-tiergate-tier"] == "medium"


def test_headers_without_a_value_are_absent(hit: DecisionRecord) -> None:
    assert build_headers(hit, streaming=False) == {
        "x-tiergate-decision-id": "dec-2",
        "x-tiergate-tier": "medium",
        "x-tiergate-cache": "hit",
        "x-tiergate-gate": "skipped",
        "x-tiergate-cost-usd": "0.00000000",
    }


@pytest.mark.parametrize(
    ("amount", "text"), [(-0.0, "0.00000000"), (-1e-12, "0.00000000"), (1e-7, "0.00000010"), (12.5, "12.50000000")]
)
def test_money_in_headers_has_eight_decimals_and_no_exponent(hit: DecisionRecord, amount: float, text: str) -> None:
    assert build_headers(replace(hit, saved_usd=amount), streaming=False)["x-tiergate-saved-usd"] == text


def test_a_header_that_is_not_finite_is_absent(escalated: DecisionRecord) -> None:
    record = replace(escalated, saved_usd=math.nan, gate=replace(escalated.gate, final_confidence=math.inf))
    headers = build_headers(record, streaming=False)
    assert "x-tiergate-saved-usd" not in headers
    assert "x-tiergate-confidence" not in headers


@given(name=st.text(min_size=1))
def test_no_name_can_break_a_header(name: str) -> None:
    record = replace(_hit(), final_tier=name, experiment=name, arm=name)
    for value in build_headers(record, streaming=False).values():
        assert all(" " <= char <= "~" for char in value)


def test_a_failed_stage_is_found_by_its_reason(escalated: DecisionRecord) -> None:
    record = replace(escalated, cache=replace(escalated.cache, reason=Reason.STAGE_FAILED))
    assert find_failure(record, Stage.SEMANTIC_CACHE) is Reason.STAGE_FAILED
    assert find_failure(record, Stage.INTENT_ROUTER) is None
    assert find_failure(record, Stage.EMBEDDING) is None


def test_the_table_describes_every_field_of_the_row(escalated: DecisionRecord) -> None:
    row = replace(escalated, feedback=Feedback()).to_row()
    assert [item.name for item in RECORD_FIELDS if item.name not in set(_names(row))] == []
    assert sorted(_names(row)) == sorted(item.name for item in RECORD_FIELDS)
    for item in RECORD_FIELDS:
        assert item.unit
        assert item.text
        assert not item.text.endswith(".")


def test_the_table_is_markdown_with_a_line_for_each_field() -> None:
    lines = build_record_table().splitlines()
    assert lines[:3] == [
        "| Field | Unit or type | Meaning |",
        "|---|---|---|",
        "| `decision_id` | id | Names the decision; the same in the header, the span and the log |",
    ]
    assert len(lines) == 2 + len(RECORD_FIELDS)
    assert all(line.count("|") == 4 for line in lines)


def test_the_table_in_the_documentation_is_the_generated_one() -> None:
    text = (Path(__file__).parents[3] / "docs" / "decision-record.md").read_text(encoding="utf-8")
    assert text.partition("build_record_table() -->\n")[2].partition("<!-- end -->")[0] == build_record_table()


def _names(row: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in row.items():
        if name in BY_NAME:
            yield f"{prefix}{name}.*"
        elif isinstance(value, dict):
            yield from _names(value, f"{prefix}{name}.")
        elif isinstance(value, list) and isinstance(value[0], str):
            yield f"{prefix}{name}[]"
        elif isinstance(value, list):
            yield from _names(value[0], f"{prefix}{name}[].")
        else:
            yield f"{prefix}{name}"


def _hit() -> DecisionRecord:
    return DecisionRecord(
        decision_id="dec-2",
        ts=1_700_000_001.5,
        call_id="call-2",
        entry_model="auto",
        cache=CacheDecision(
            outcome=CacheOutcome.HIT, reason=Reason.EXACT_MATCH, similarity=1.0, age_s=12.0, entry_id="e-1"
        ),
        route=RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.CACHE_HIT),
        gate=GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.CACHE_HIT),
        final_tier="medium",
        status=DecisionStatus.OK,
    )


@pytest.fixture
def hit() -> DecisionRecord:
    return _hit()
