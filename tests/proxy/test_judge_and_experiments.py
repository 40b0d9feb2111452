"""Grading by a judge model and experiments, through a real proxy: a judge of its own over HTTP, arms by key."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tiergate.demo.background import run_in_background

pytestmark = [pytest.mark.proxy, pytest.mark.gateway, pytest.mark.timeout(300)]

KEYS = tuple(f"sk-user{number}-team" for number in range(6))
PRICE = 1e-6


class Judge:
    """A judge that prefers the longer answer, whichever place it has, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        self.app = Starlette(routes=[Route("/v1/chat/completions", self.answer, methods=["POST"])])

    async def answer(self, request: Request) -> JSONResponse:
        text = (await request.json())["messages"][-1]["content"]
        first, second = (text.split(f"<{place} answer>\n")[1].split(f"\n</{place}")[0] for place in ("first", "second"))
        self.asked.append((first, second))
        word = "TIE" if len(first) == len(second) else "FIRST" if len(first) > len(second) else "SECOND"
        message = {"role": "assistant", "content": word}
        usage = {"prompt_tokens": 100, "completion_tokens": 1, "total_tokens": 101}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return JSONResponse(
            {
                "id": "j",
                "object": "chat.completion",
                "created": 1,
                "model": "judge",
                "choices": [choice],
                "usage": usage,
            }
        )


def judged_and_split(policy: dict[str, Any]) -> None:
    policy["domains"] = {}
    policy["semantic_cache"]["enabled"] = False
    policy["quality_judge"] = {"model_group": "tier-judge", "share": 1.0, "max_usd_per_day": 1.0}
    arms = {"a": {"confidence_gate.escalate_below": 0.65}, "b": {"confidence_gate.escalate_below": 0.75}}
    policy["experiments"] = [{"name": "gate-065-vs-075", "unit": "key", "arms": arms}]


@pytest.fixture
def judge_and_gateway(start_gateway: Any) -> Iterator[tuple[Judge, Any]]:
    judge = Judge()
    with run_in_background(app=judge.app) as served:

        def add_judge(config: dict[str, Any]) -> None:
            deployment = {"model": "openai/judge", "api_base": f"{served.url}/v1", "api_key": "x"}
            deployment |= {"input_cost_per_token": PRICE, "output_cost_per_token": PRICE}
            config["model_list"].append({"model_name": "tier-judge", "litellm_params": deployment})

        with start_gateway(policy=judged_and_split, config=add_judge) as gateway:
            yield judge, gateway


def await_grade(gateway: Any, decision_id: str) -> dict[str, Any]:
    for _ in range(200):
        record: dict[str, Any] = gateway.record(decision_id)
        if record.get("judge"):
            return record
        time.sleep(0.1)
    raise AssertionError("the answer was not graded")


def test_answers_are_graded_in_both_orders_and_arms_stay_with_their_key(
    judge_and_gateway: tuple[Judge, Any], tmp_path: Path
) -> None:
    judge, gateway = judge_and_gateway
    arms: dict[str, set[str]] = {key: set() for key in KEYS}
    for number, key in enumerate(2 * KEYS):
        body, headers = gateway.ask(f"What is the capital of country number {number}?", key=key)
        served = body["choices"][0]["message"]["content"]
        record = await_grade(gateway, headers["decision-id"])
        straight, swapped = judge.asked[-2:]
        assert straight == swapped[::-1]
        assert straight[0] == served
        longer = (len(served) > len(straight[1])) - (len(served) < len(straight[1]))
        grade = record["judge"]
        assert grade["score"] == 0.5 + longer / 2
        assert grade["probability"] == 1.0
        # Two verdicts and the baseline's own answer; none of it is the request's cost.
        assert grade["cost_usd"] > 2 * 101 * PRICE
        assert record["cost_usd"] == pytest.approx(sum(call["cost_usd"] for call in record["calls"]))
        assert headers["experiment"].endswith(str(record["arm"]))
        assert record["gate"]["escalate_below"] == {"a": 0.65, "b": 0.75}[record["arm"]]
        arms[key].add(record["arm"])
    assert all(len(found) == 1 for found in arms.values())
    url = f"sqlite:///{gateway.proxy.folder}/data/decisions.db"
    command = [str(Path(sys.executable).with_name("tiergate")), "experiment", "status", "gate-065-vs-075"]
    command += ["--policy", str(tmp_path / "pack" / "policy.yaml"), "--decisions", url, "--json"]
    shown = subprocess.run(command, check=False, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    status = json.loads(shown.stdout)
    assert sum(arm["requests"] for arm in status["arms"]) == 2 * len(KEYS)
    units = {arm["arm"]: arm["units"] for arm in status["arms"]}
    assert units == {name: sum(found == {name} for found in arms.values()) for name in units}
    assert status["decided"] == []
