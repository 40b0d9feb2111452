"""Reading logs of any of the three forms, and what is played from them."""

import json
from pathlib import Path
from typing import Any

import pytest

from tiergate.cli.cache_simulation import LogClock, LoggedRequest, read_log, simulate_log
from tiergate.errors import ConfigurationError
from tiergate.settings import Policy

POLICY = Policy.model_validate({"tiers": [{"name": name, "model_group": name} for name in ("simple", "frontier")]})
ASKED = [{"role": "user", "content": "What is the capital of Peru?"}]


def read(tmp_path: Path, *rows: Any, as_list: bool = False) -> list[LoggedRequest]:
    file = tmp_path / "log.jsonl"
    text = json.dumps(rows) if as_list else "\n".join(map(json.dumps, rows)) + "\n\n"
    file.write_text(text, encoding="utf-8")
    return list(read_log(file, POLICY))


SPEND_LOG = {
    "startTime": "1970-01-01T00:01:00+00:00", "api_key": "hash", "model_group": "auto", "spend": 0.25,
    "messages": json.dumps(ASKED), "response": json.dumps({"choices": [{"message": {"content": "Lima"}}]}),
}  # fmt: skip
PLAIN = {
    "timestamp": 60,
    "user": "u",
    "request": {"model": "auto", "messages": ASKED, "temperature": 0},
    "answer": "Lima",
}
DECISION = {"ts": 60.0, "tenant": "t", "entry_model": "auto", "prompt": ASKED[0]["content"], "cost_usd": 0.5}


@pytest.mark.parametrize(
    ("row", "tenant", "cost_usd", "answer"),
    [(SPEND_LOG, "hash", 0.25, "Lima"), (PLAIN, "u", 0.0, "Lima"), (DECISION, "t", 0.5, None)],
)
@pytest.mark.parametrize("as_list", [False, True])
def test_each_form_of_log_is_read(
    tmp_path: Path, row: dict[str, Any], tenant: str, cost_usd: float, answer: str | None, *, as_list: bool
) -> None:
    (found,) = read(tmp_path, row, as_list=as_list)
    assert (found.ts, found.tenant, found.cost_usd, found.answer) == (60.0, tenant, cost_usd, answer)
    assert found.body["messages"] == ASKED
    assert found.body["model"] == "auto"


def test_what_changes_the_answer_is_read_and_what_does_not_is_left(tmp_path: Path) -> None:
    (found,) = read(tmp_path, PLAIN | {"request": {**PLAIN["request"], "metadata": {"secret": 1}}})
    assert found.body["temperature"] == 0
    assert "metadata" not in found.body


@pytest.mark.parametrize(
    "row",
    [{}, [], "text", {"prompt": ""}, {"messages": "not json"}, {"request": {"messages": []}}, {"decision_id": "x"}],
)
def test_rows_without_a_prompt_are_passed_over(tmp_path: Path, row: Any) -> None:
    assert read(tmp_path, row) == []


@pytest.mark.parametrize("time", [None, "not a time", {}])
def test_a_row_without_a_time_counts_by_its_place(tmp_path: Path, time: Any) -> None:
    assert [row.ts for row in read(tmp_path, *[DECISION | {"ts": time}] * 2)] == [1.0, 2.0]


@pytest.mark.parametrize("line", ['{"a"', '{"prompt": "x", "spend": "much"}', '{"prompt": "x", "cost_usd": [1]}'])
def test_a_line_that_cannot_be_read_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / "log.jsonl").write_text(f'{{"a": 1}}\n{line}', encoding="utf-8")
    with pytest.raises(ConfigurationError, match="line 2"):
        list(read_log(tmp_path / "log.jsonl", POLICY))


def test_the_clock_is_that_of_the_log() -> None:
    clock = LogClock()
    clock.time_s = 5.0
    assert (clock.now(), clock.monotonic()) == (5.0, 5.0)


async def test_an_answer_expires_in_the_time_of_the_log(tmp_path: Path) -> None:
    policy = {
        "version": 1, "tiers": [{"name": name, "model_group": name} for name in ("simple", "frontier")],
        "semantic_cache": {"ttl_s": 100, "ttl_jitter": 0, "min_similarity": 0.9},
    }  # fmt: skip
    (tmp_path / "policy.yaml").write_text(json.dumps(policy), encoding="utf-8")
    rows = [DECISION | {"ts": ts, "tenant": who} for ts, who in ((0.0, "a"), (50.0, "a"), (60.0, "b"), (170.0, "a"))]
    (tmp_path / "log.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    row = await simulate_log(tmp_path / "policy.yaml", tmp_path / "log.jsonl")
    assert (row["requests"], row["exact_hits"], row["saved_usd"], row["spent_usd"]) == (4, 1, 0.5, 2.0)
    assert row["reasons"]["exact_match"] == 1
