"""Hedged calls in a real proxy: whoever wins, LiteLLM's own payloads and the record hold the same costs."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.proxy.conftest import Gateway, running_gateway

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"
SURE, UNSURE = "What is the capital of country {}?", "What is the capital of Tuvalu, version {}?"
WARM_UP = 40
"""More calls than the slow ones of these tests, so that the quantile stays that of quick ones."""
FEWEST = 20
"""So many calls let a tier be predicted."""
PATHS = ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/completions")
ENDED = {"won", "lost", "failed", "cancelled", "skipped"}


def hedging(policy: dict[str, Any]) -> None:
    """Hedge whatever is slower than the warm-up was."""
    policy["latency"] = {"hedge": {"after_quantile": 0.3, "min_escalation_probability": None}}
    policy["intent_router"]["min_quality"] = 0.0
    policy["domains"] = {}
    policy["semantic_cache"]["enabled"] = False


def cancelling(config: dict[str, Any]) -> None:
    config["general_settings"]["cancel_on_disconnect"] = True


def body_of(path: str, prompt: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": prompt}]
    fields: dict[str, dict[str, Any]] = {
        "/v1/chat/completions": {"messages": turns},
        "/v1/messages": {"messages": turns, "max_tokens": 200},
        "/v1/responses": {"input": prompt},
        "/v1/completions": {"prompt": prompt, "max_tokens": 200},
    }
    return {"model": "auto", **fields[path]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What came of one request.

    Attributes:
        response: What the client got.
        row: The final row.
        payloads: LiteLLM's own payloads of its calls that went well.
    """

    response: httpx.Response
    row: dict[str, Any]
    payloads: list[dict[str, Any]]

    @property
    def calls(self) -> list[tuple[str, bool, str]]:
        return [(call["tier"], call["hedge"], call["status"]) for call in self.row["calls"]]


def quick(gateway: Gateway) -> None:
    for provider in (gateway.first, gateway.second):
        provider.order("reset")
        slow_down(gateway, provider.url, "*", 0)


def slow_down(gateway: Gateway, url: str, model: str, ms: float) -> None:
    provider = gateway.first if gateway.first.url == url else gateway.second
    nothing = {"kind": "constant", "ms": 0}
    provider.order("latency", model=model, first_byte={"kind": "constant", "ms": ms}, per_token=nothing)


def paced(gateway: Gateway, *, cheap_ms: float, strong_ms: float) -> None:
    slow_down(gateway, gateway.first.url, "deepseek*", cheap_ms)
    slow_down(gateway, gateway.second.url, "gpt-4o-mini*", cheap_ms)
    slow_down(gateway, gateway.first.url, "claude-sonnet*", strong_ms)


def warm_up(gateway: Gateway, calls: int) -> None:
    quick(gateway)
    for number in range(calls):
        _, headers = gateway.ask(SURE.format(number))
        settled_row(gateway, headers["decision-id"])
    time.sleep(0.5)  # LiteLLM's log of the last one


def send(gateway: Gateway, prompt: str, *, path: str = PATHS[0]) -> Seen:
    before = len(gateway.payloads())
    with gateway.proxy.client(timeout_s=60) as client:
        response = client.post(path, json=body_of(path, prompt))
    row = settled_row(gateway, response.headers["x-tiergate-decision-id"])
    count = sum(call["status"] == "ok" for call in row["calls"])
    return Seen(response=response, row=row, payloads=wait_for_payloads(gateway, before, count))


def settled_row(gateway: Gateway, decision_id: str) -> dict[str, Any]:
    """Return the row once its hedge has ended, or what there is after 20 s."""
    row: dict[str, Any] = {}
    for _ in range(200):
        row = gateway.record(decision_id)
        if row["hedge"]["outcome"] in ENDED:
            break
        time.sleep(0.1)
    return row


def wait_for_payloads(gateway: Gateway, before: int, count: int) -> list[dict[str, Any]]:
    """Return LiteLLM's payloads of calls that went well; wait until they are there, and a little for too many."""
    found: list[dict[str, Any]] = []
    for _ in range(100):
        found = [payload for payload in gateway.payloads()[before:] if payload["status"] == "success"]
        if len(found) >= count:
            break
        time.sleep(0.1)
    time.sleep(0.3)
    return [payload for payload in gateway.payloads()[before:] if payload["status"] == "success"]


def assert_same_money(seen: Seen) -> None:
    ours = [call["cost_usd"] for call in seen.row["calls"] if call["status"] == "ok"]
    theirs = [payload["response_cost"] for payload in seen.payloads]
    assert sorted(ours) == pytest.approx(sorted(theirs), rel=1e-9)
    assert all(ours)
    assert seen.row["cost_usd"] == pytest.approx(sum(theirs), rel=1e-9)
    tokens = [
        (call["prompt_tokens"], call["completion_tokens"]) for call in seen.row["calls"] if call["status"] == "ok"
    ]
    assert sorted(tokens) == sorted((one["prompt_tokens"], one["completion_tokens"]) for one in seen.payloads)


@pytest.fixture(scope="module")
def hedging_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("hedging"), policy=hedging) as gateway:
        warm_up(gateway, WARM_UP)
        yield gateway


@pytest.fixture
def hedged(hedging_gateway: Gateway) -> Gateway:
    quick(hedging_gateway)
    return hedging_gateway


@pytest.mark.parametrize("path", PATHS)
def test_a_hedge_that_wins_is_the_escalation_and_saves_the_wait(hedged: Gateway, path: str) -> None:
    paced(hedged, cheap_ms=1500, strong_ms=1800)
    hedged.first.order("fault", model="deepseek*", fault="empty_answer", times=1)
    seen = send(hedged, UNSURE.format(f"w{path}"), path=path)
    row = seen.row
    assert seen.response.status_code == 200, seen.response.text
    assert (row["hedge"]["outcome"], row["hedge"]["reason"]) == ("won", "slow_call")
    assert (row["gate"]["outcome"], row["final_tier"]) == ("escalated", "medium")
    assert seen.calls == [("simple", False, "ok"), ("medium", True, "ok")]
    first, early = row["calls"]
    assert early["start_ms"] < first["start_ms"] + first["ms"], "begun before the cheap answer was there"
    assert row["latency_ms"] < first["ms"] + early["ms"]
    assert len([one for one in hedged.first.read_arrivals()["requests"] if one["model"].startswith("claude")]) == 1
    assert float(seen.response.headers["x-tiergate-cost-usd"]) == pytest.approx(row["cost_usd"], abs=1e-8)
    assert_same_money(seen)


def test_the_answer_of_a_hedge_is_the_stronger_tiers_own(hedged: Gateway) -> None:
    paced(hedged, cheap_ms=1000, strong_ms=0)
    prompt = UNSURE.format("own")
    won = send(hedged, prompt).response.json()
    with hedged.proxy.client(timeout_s=60) as client:
        bare = client.post(PATHS[0], json=body_of(PATHS[0], prompt) | {"model": "tier-medium"}).json()
    assert won["choices"] == bare["choices"]
    assert won.keys() == bare.keys()
    assert won["usage"] == bare["usage"]


@pytest.mark.parametrize("path", PATHS)
def test_a_hedge_that_loses_runs_on_and_costs_what_litellm_logs(hedged: Gateway, path: str) -> None:
    paced(hedged, cheap_ms=1000, strong_ms=2500)
    seen = send(hedged, SURE.format(f"l{path}"), path=path)
    assert seen.response.status_code == 200, seen.response.text
    assert "x-tiergate-cost-usd" not in seen.response.headers
    row = seen.row
    assert (row["hedge"]["outcome"], row["final_tier"]) == ("lost", "simple")
    assert row["gate"]["outcome"] != "escalated"
    assert seen.calls == [("simple", False, "ok"), ("medium", True, "ok")]
    assert row["latency_ms"] < row["calls"][1]["start_ms"] + row["calls"][1]["ms"]
    assert_same_money(seen)


def test_an_answer_in_time_starts_no_hedge(hedged: Gateway) -> None:
    for number in range(30):  # most quick calls take longer than three tenths of them
        seen = send(hedged, SURE.format(f"t{number}"))
        assert_same_money(seen)
        if seen.row["hedge"]["reason"] == "answered_in_time":
            break
    assert (seen.row["hedge"]["outcome"], seen.row["hedge"]["reason"]) == ("skipped", "answered_in_time")
    assert seen.calls == [("simple", False, "ok")]


def test_a_stream_is_not_hedged(hedged: Gateway) -> None:
    paced(hedged, cheap_ms=600, strong_ms=0)
    with hedged.proxy.client(timeout_s=60) as client:
        response = client.post(PATHS[0], json=body_of(PATHS[0], SURE.format("stream")) | {"stream": True})
    row = hedged.final_record(response.headers["x-tiergate-decision-id"])
    assert (row["hedge"]["outcome"], row["hedge"]["reason"]) == ("skipped", "streamed")
    assert [call["tier"] for call in row["calls"]] == ["simple"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A fault beside a hedge: a row of the docs' table.

    Attributes:
        name: Name of the row.
        faults: Provider, model and fault, with more of its order.
        status: What the client gets.
        outcome: What became of the hedge.
        reason: The gate's reason.
        tier: Tier whose answer the client gets; None for an error.
    """

    name: str
    faults: tuple[tuple[str, str, dict[str, Any]], ...]
    status: int
    outcome: str
    reason: str
    tier: str | None


STRONG = (("first", "claude-sonnet*"), ("first", "gpt-4o-mini*"))
CHEAP = (("first", "deepseek*"), ("second", "gpt-4o-mini*"))
CASES = (
    Case(
        name="hedge-down",
        faults=tuple((*place, {"fault": "status_503"}) for place in STRONG),
        status=200,
        outcome="failed",
        reason="escalation_failed",
        tier="simple",
    ),
    Case(
        name="hedge-malformed",
        faults=tuple((*place, {"fault": "malformed_json"}) for place in STRONG),
        status=200,
        outcome="failed",
        reason="escalation_failed",
        tier="simple",
    ),
    Case(
        name="hedge-one-provider-down",
        faults=((*STRONG[0], {"fault": "status_503"}),),
        status=200,
        outcome="won",
        reason="confidence_low",
        tier="medium",
    ),
    Case(
        name="cheap-tier-down-beside-a-hedge",
        faults=tuple((*place, {"fault": "timeout", "hang_s": 0.8}) for place in CHEAP),
        status=500,
        outcome="lost",
        reason="call_failed",
        tier=None,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_a_fault_beside_a_hedge_leaves_the_best_answer_or_litellms_error(hedged: Gateway, case: Case) -> None:
    paced(hedged, cheap_ms=1000, strong_ms=0)
    for provider, model, order in case.faults:
        getattr(hedged, provider).order("fault", model=model, times=10, **order)
    seen = send(hedged, UNSURE.format(case.name))
    row = seen.row
    assert seen.response.status_code == case.status, seen.response.text
    assert (row["hedge"]["outcome"], row["gate"]["reason"], row["final_tier"]) == (
        case.outcome,
        case.reason,
        case.tier,
    ), row
    assert any(hedge for _, hedge, _ in seen.calls)
    assert_same_money(seen)


def test_the_docs_have_every_fault() -> None:
    lines = DOCS.read_text(encoding="utf-8").splitlines()
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith(("| hedge-", "| cheap-tier-down-be"))}
    assert set(rows) == {case.name for case in CASES}
    for case in CASES:
        assert f"`{case.outcome}`" in rows[case.name]
        assert f"`{case.reason}`" in rows[case.name]


def leave(gateway: Gateway, prompt: str) -> list[dict[str, Any]]:
    """Ask and leave before the answer; return what the provider saw once it is over."""
    gateway.first.order("reset")
    paced(gateway, cheap_ms=3000, strong_ms=3500)
    with gateway.proxy.client(timeout_s=1.5) as client, pytest.raises(httpx.ReadTimeout):
        client.post(PATHS[0], json=body_of(PATHS[0], prompt))
    arrivals: list[dict[str, Any]] = []
    for _ in range(100):
        arrivals = gateway.first.read_arrivals()["requests"]
        if len(arrivals) >= 2 and all(one["outcome"] != "pending" for one in arrivals):
            break
        time.sleep(0.1)
    return arrivals


def last_row(gateway: Gateway, after_ts: float) -> dict[str, Any]:
    """Return the settled row of the last request, whose decision id no client has."""
    file = gateway.proxy.folder / "data" / "decisions.db"
    for _ in range(100):
        with closing(sqlite3.connect(file)) as database:
            wanted = "select decision_id from tiergate_decisions where ts > ?"
            found = database.execute(wanted, (after_ts,)).fetchall()
        if found:
            return settled_row(gateway, found[-1][0])
        time.sleep(0.1)
    raise AssertionError("no row")


def test_a_client_that_leaves_ends_neither_call_as_bare_litellm_does(hedged: Gateway) -> None:
    before, now = len(hedged.payloads()), time.time()
    arrivals = leave(hedged, SURE.format("gone"))
    assert {one["model"]: one["outcome"] for one in arrivals} == {
        "deepseek-v4-pro": "answered",
        "claude-sonnet-4.5": "answered",
    }
    row = last_row(hedged, now)
    payloads = wait_for_payloads(hedged, before, 2)
    assert row["hedge"]["outcome"] == "lost"
    assert row["cost_usd"] == pytest.approx(sum(payload["response_cost"] for payload in payloads), rel=1e-9)
    assert len(payloads) == 2


def test_a_client_that_leaves_ends_both_calls_where_litellm_is_told_to(start_gateway: Any) -> None:
    with start_gateway(policy=hedging, config=cancelling) as gateway:
        warm_up(gateway, FEWEST)
        before, now = len(gateway.payloads()), time.time()
        arrivals = leave(gateway, SURE.format("gone"))
        assert {one["model"]: one["outcome"] for one in arrivals} == {
            "deepseek-v4-pro": "client_gone",
            "claude-sonnet-4.5": "client_gone",
        }
        row = last_row(gateway, now)
        assert (row["hedge"]["outcome"], row["status"], row["cost_usd"]) == ("cancelled", "failed", 0.0)
        assert [(call["hedge"], call["status"]) for call in row["calls"]] == [(True, "cancelled")]
        assert wait_for_payloads(gateway, before, 0) == []
