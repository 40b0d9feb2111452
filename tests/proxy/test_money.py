"""A thousand mixed requests: LiteLLM's own logging payloads and tiergate's records agree to the cent."""

import random
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.conftest import Gateway, running_gateway

pytestmark = [pytest.mark.proxy, pytest.mark.slow]
REQUESTS = 1000
KEYS = ("sk-ann-red", "sk-ben-red", "sk-cat-blue", "sk-dan-blue")
FALLBACKS = 10
"""The first requests find their first provider down."""
NO_WAIT = {"kind": "constant", "ms": 0}
QUESTIONS = (
    "What is the capital of {}?",
    "Write a sentence about {}.",
    "What is the capital of Tuvalu? Ask {}.",
    "Is my contract with tenant {} void under tenancy law?",
)


def build_request(rng: random.Random, number: int) -> tuple[str, dict[str, Any]]:
    """Return path and body of a request: four endpoints, streamed or not, some repeated, some escalated."""
    prompt = rng.choice(QUESTIONS).format(f"place {rng.randrange(number // 2 + 1)}")
    stream = rng.random() < 0.3
    turns = [{"role": "user", "content": prompt}]
    bodies: dict[str, dict[str, Any]] = {
        "/v1/chat/completions": {"messages": turns},
        "/v1/messages": {"messages": turns, "max_tokens": 200},
        "/v1/responses": {"input": prompt},
        "/v1/completions": {"prompt": prompt, "max_tokens": 200},
    }
    path = rng.choices(list(bodies), weights=(6, 2, 1, 1))[0]
    if number < FALLBACKS:
        path, stream = "/v1/chat/completions", False
    return path, {"model": "auto", "stream": stream, **bodies[path]}


def send(gateway: Gateway, number: int) -> tuple[str, str | None]:
    """Send one request; return its key and decision id."""
    rng = random.Random(number)
    key = rng.choice(KEYS)
    path, body = build_request(rng, number)
    with gateway.proxy.client(key, timeout_s=120) as client:
        response = client.post(path, json=body)
    assert response.status_code == 200, (path, body, response.text[:300])
    return key, response.headers.get("x-tiergate-decision-id")


Place = tuple[str, str, str]


def short(model: Any) -> str:
    return str(model).split("/")[-1]


def without_budget(policy: dict[str, Any]) -> None:
    policy["intent_router"]["min_quality"] = 0.5


@pytest.mark.timeout(1200)
def test_spend_agrees_by_key_team_and_model(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.mktemp("money")
    with running_gateway(folder, policy=without_budget) as gateway:
        for provider in (gateway.first, gateway.second):
            provider.order("latency", model="*", first_byte=NO_WAIT, per_token=NO_WAIT)
        gateway.first.order("fault", model="deepseek*", fault="status_503", times=FALLBACKS)
        sent = [send(gateway, number) for number in range(FALLBACKS)]
        gateway.first.order("reset")
        gateway.first.order("latency", model="*", first_byte=NO_WAIT, per_token=NO_WAIT)
        with ThreadPoolExecutor(8) as pool:
            sent += pool.map(lambda number: send(gateway, number), range(FALLBACKS, REQUESTS))
        rows = [(key, gateway.final_record(decision_id)) for key, decision_id in sent if decision_id]
        payloads = wait_for_payloads(gateway, sum(count_calls(row) for _, row in rows))
    ours: dict[Place, float] = defaultdict(float)
    for key, row in rows:
        assert row["cost_usd"] == pytest.approx(sum(call["cost_usd"] for call in row["calls"]), abs=1e-12)
        _, user, team = key.split("-")
        for call in row["calls"]:
            ours[user, team, short(call["model"])] += call["cost_usd"]
    theirs: dict[Place, float] = defaultdict(float)
    for payload in payloads:
        place = payload["user_api_key_user_id"], payload["user_api_key_team_id"], short(payload["model"])
        theirs[place] += payload["response_cost"] or 0.0
    assert len(rows) == REQUESTS
    assert {place: cost for place, cost in ours.items() if cost} == pytest.approx(
        {place: cost for place, cost in theirs.items() if cost}, rel=1e-9
    )
    assert {model for _, _, model in ours} >= {"deepseek-v4-pro", "claude-sonnet-4.5", "gpt-5.5"}
    assert sum(row["gate"]["outcome"] == "escalated" for _, row in rows) > REQUESTS / 50
    assert sum(row["cache"]["outcome"] == "hit" for _, row in rows) > REQUESTS / 50


def count_calls(row: dict[str, Any]) -> int:
    """Return how many calls of a record LiteLLM logs as successful."""
    return sum(call["status"] == "ok" for call in row["calls"]) or 1


def wait_for_payloads(gateway: Gateway, count: int) -> list[dict[str, Any]]:
    """Return LiteLLM's payloads of successful calls once they are all there, or after 20 s."""
    for _ in range(100):
        payloads = [payload for payload in gateway.payloads() if payload["status"] == "success"]
        if len(payloads) >= count:
            break
        time.sleep(0.2)
    return payloads
