"""Equal questions at the same time make one call, in one process and across workers."""

import asyncio
import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tiergate.demo.proxy_process import free_port

pytestmark = [pytest.mark.proxy, pytest.mark.timeout(300)]
KEY = "sk-ann-blue"


async def ask_all(url: str, prompts: list[str], *, stream: bool = False, key: str = KEY) -> list[str]:
    """Ask all at once and return the answers' texts in order; a failure is its status in words."""
    limits = httpx.Limits(max_connections=None)
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120, limits=limits, trust_env=False) as client:

        async def ask(prompt: str) -> str:
            body = {"model": "auto", "messages": [{"role": "user", "content": prompt}], "stream": stream}
            response = await client.post("/v1/chat/completions", json=body)
            if response.status_code != 200:
                return f"status {response.status_code}"
            return read_stream(response.text) if stream else response.json()["choices"][0]["message"]["content"]

        return list(await asyncio.gather(*map(ask, prompts)))


def read_stream(text: str) -> str:
    """Return the text of a well-formed stream: one role, one finish reason, the end mark last."""
    events = [line.removeprefix("data: ") for line in text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    deltas = [choice for chunk in chunks for choice in chunk["choices"]]
    assert deltas[0]["delta"]["role"] == "assistant"
    assert [choice["finish_reason"] for choice in deltas if choice.get("finish_reason")] == ["stop"]
    assert len({chunk["id"] for chunk in chunks}) == 1
    return "".join(choice["delta"].get("content") or "" for choice in deltas)


def calls(gateway: Any) -> int:
    """Return how many model calls reached the providers."""
    return sum(provider.read_arrivals()["count"] for provider in (gateway.first, gateway.second))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_200_identical_misses_at_once_make_one_call(gateway: Any, *, stream: bool) -> None:
    gateway.first.order("latency", first_byte={"kind": "constant", "ms": 500})
    prompt = f"What is the capital of {'Sweden' if stream else 'Finland'}?"
    answers = asyncio.run(ask_all(gateway.proxy.url, [prompt] * 200, stream=stream))
    assert len(set(answers)) == 1, Counter(answers)
    assert not answers[0].startswith("status")
    assert calls(gateway) == 1


COUNTRIES = (
    *("Ghana", "Kenya", "Egypt", "Chad", "Mali", "Niger", "Togo", "Benin", "Gabon", "Angola"),
    *("Brazil", "Bolivia", "Ecuador", "Colombia", "Paraguay", "Uruguay", "Nepal", "Laos", "Vietnam", "Mongolia"),
    *("Cuba", "Haiti", "Panama", "Fiji", "Samoa", "Tonga", "Oman", "Qatar", "Jordan", "Yemen"),
)


def trusted_questions(gateway: Any, count: int) -> list[str]:
    """Return questions whose answers the gate trusts; the others are never stored, so latecomers ask anew."""
    found: list[str] = []
    for country in COUNTRIES:
        prompt = f"What is the capital of {country}?"
        _, headers = gateway.ask(prompt, key="sk-probe-grey")
        if gateway.record(headers["decision-id"])["cache"]["store_reason"] == "stored":
            found.append(prompt)
    return found[:count]


@pytest.mark.gateway
def test_a_stampede_of_1000_over_20_questions_makes_20_calls(gateway: Any) -> None:
    questions = trusted_questions(gateway, 20)
    assert len(questions) == 20
    for provider in (gateway.first, gateway.second):
        provider.order("reset")
    gateway.first.order("latency", first_byte={"kind": "constant", "ms": 300})
    prompts = [questions[number % 20] for number in range(1000)]
    answers = asyncio.run(ask_all(gateway.proxy.url, prompts))
    assert not [answer for answer in answers if answer.startswith("status")]
    assert calls(gateway) == 20
    by_prompt: dict[str, set[str]] = {}
    for prompt, answer in zip(prompts, answers, strict=True):
        by_prompt.setdefault(prompt, set()).add(answer)
    assert all(len(texts) == 1 for texts in by_prompt.values())


def test_a_leader_that_fails_fails_nobody_else(gateway: Any) -> None:
    gateway.first.order("latency", first_byte={"kind": "constant", "ms": 400})
    # The leader's own call and its fallback fail; whoever waited asks anew.
    gateway.first.order("fault", model="deepseek*", fault="status_500", times=1)
    gateway.second.order("fault", model="*", fault="status_500", times=1)
    answers = asyncio.run(ask_all(gateway.proxy.url, ["What is the capital of Latvia?"] * 10))
    assert sum(answer.startswith("status") for answer in answers) <= 1
    assert calls(gateway) >= 3


def test_tenants_do_not_wait_for_each_other(gateway: Any) -> None:
    gateway.first.order("latency", first_byte={"kind": "constant", "ms": 300})
    prompt = "What is the capital of Estonia?"

    async def both() -> None:
        await asyncio.gather(*(ask_all(gateway.proxy.url, [prompt] * 5, key=key) for key in ("sk-a-x", "sk-b-x")))

    asyncio.run(both())
    assert calls(gateway) == 2


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """Run a Redis of its own."""
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        for _ in range(100):
            if (
                subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True, check=False).stdout
                == b"PONG\n"
            ):
                break
            time.sleep(0.05)
        try:
            yield port
        finally:
            process.terminate()


@pytest.mark.gateway
def test_with_litellms_redis_it_holds_across_proxies(start_pair: Any, tmp_path: Path) -> None:
    with redis_server(tmp_path) as port:

        def with_redis(config: dict[str, Any]) -> None:
            redis = {"type": "redis", "host": "127.0.0.1", "port": port, "mode": "default_off"}
            config["litellm_settings"] |= {"cache": True, "cache_params": redis}

        with start_pair(config=with_redis) as (one, two):
            for prompt, stream in (
                ("What is the capital of Slovakia?", False),
                ("What is the capital of Croatia?", True),
            ):
                for provider in (one.first, one.second):
                    provider.order("reset")
                one.first.order("latency", first_byte={"kind": "constant", "ms": 800})
                texts = asyncio.run(ask_both((one, two), prompt, stream=stream))
                assert len(texts) == 1
                assert calls(one) == 1


async def ask_both(gateways: tuple[Any, Any], prompt: str, *, stream: bool) -> set[str]:
    found = await asyncio.gather(*(ask_all(each.proxy.url, [prompt] * 50, stream=stream) for each in gateways))
    return {text for texts in found for text in texts}
