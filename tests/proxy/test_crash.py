"""SIGKILL while it stores: no earlier cache entry and no answered row is lost."""

import concurrent.futures
import contextlib
import uuid
from typing import Any

import httpx
import pytest

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]
ROUNDS = 3


def test_sigkill_loses_no_stored_answer_and_no_answered_row(start_gateway: Any) -> None:
    answered: dict[str, str] = {}
    environ = {"LITELLM_MASTER_KEY": f"sk-{uuid.uuid4()}"}
    for crash in range(ROUNDS):
        with start_gateway(environ=environ) as gateway:
            if crash == 0:
                _, first = gateway.ask("How many hours are in a day?")
                answered[first["decision-id"]] = "How many hours are in a day?"
            storm(gateway, crash, answered)
    with start_gateway(environ=environ) as gateway:
        lost = [decision for decision in answered if not gateway.record(decision)]
        assert not lost
        assert len(answered) > ROUNDS
        _, headers = gateway.ask("How many hours are in a day?")
        assert headers["cache"] == "hit"
        for decision, prompt in answered.items():
            record = gateway.record(decision)
            if record["gate"]["outcome"] == "trusted" and record["cache"]["outcome"] == "miss":
                assert gateway.ask(prompt)[1]["cache"] == "hit", prompt


def storm(gateway: Any, crash: int, answered: dict[str, str]) -> None:
    """Ask from several threads, and kill the proxy after some answers."""

    def ask(number: int) -> None:
        prompt = f"What is {crash + 3} times {number}?"
        with contextlib.suppress(httpx.HTTPError, KeyError):
            _, headers = gateway.ask(prompt)
            answered[headers["decision-id"]] = prompt
        if len(answered) >= 10 * (crash + 1) and gateway.proxy.process.poll() is None:
            gateway.proxy.kill()

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(ask, range(60)))
