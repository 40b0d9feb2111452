"""Workers that meet in a real Redis."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import redis.asyncio

from tiergate.adapters.litellm_flight_board import LiteLLMFlightBoard
from tiergate.demo.proxy_process import free_port
from tiergate.errors import StoreError
from tiergate.ports import StoredAnswer

ENTRY = StoredAnswer(
    entry_id="e", tenant="t", context_key="c", prompt="p", vector=np.zeros(0, np.float32), body={"a": 1}, tier="simple",
    confidence=None, cost_usd=0.5, stored_at=1.0, expires_at=9.0,
)  # fmt: skip


class Cache:
    """The part of LiteLLM's RedisCache that is used."""

    def __init__(self, port: int) -> None:
        self.client = redis.asyncio.Redis(port=port, socket_connect_timeout=1)

    def init_async_client(self) -> Any:
        return self.client

    def check_and_fix_namespace(self, *, key: str) -> str:
        return f"litellm:{key}"


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    if shutil.which("redis-server") is None:
        pytest.skip("redis-server is not installed")
    folder, port = tmp_path_factory.mktemp("redis"), free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        for _ in range(200):
            ping = subprocess.run(["redis-cli", "-p", str(port), "ping"], capture_output=True, check=False)
            if ping.stdout == b"PONG\n":
                break
            time.sleep(0.05)
        yield port
        process.terminate()


@pytest.fixture
def board(port: int) -> LiteLLMFlightBoard:
    cache = Cache(port)
    return LiteLLMFlightBoard(lambda: cache, budget_s=5)


async def test_one_leads_and_the_others_get_what_it_publishes(board: LiteLLMFlightBoard) -> None:
    assert [await board.lead("k1", owner, lease_s=5) for owner in "abc"] == [True, False, False]
    followers = [asyncio.create_task(board.follow("k1", budget_s=5)) for _ in range(3)]
    await asyncio.sleep(0.05)
    await board.publish("k1", "a", ENTRY, keep_s=5)
    for found in await asyncio.gather(*followers):
        assert found is not None
        assert (found.prompt, found.body) == ("p", {"a": 1})
    assert not await board.lead("k1", "late", lease_s=5)
    assert await board.follow("k1", budget_s=5) is not None


async def test_a_leader_without_an_answer_sends_the_others_on(board: LiteLLMFlightBoard) -> None:
    assert await board.lead("k2", "a", lease_s=5)
    follower = asyncio.create_task(board.follow("k2", budget_s=60))
    await board.publish("k2", "a", None, keep_s=1)
    assert await asyncio.wait_for(follower, 5) is None


async def test_a_leader_that_dies_holds_nobody_longer_than_its_lease(board: LiteLLMFlightBoard) -> None:
    assert await board.lead("k3", "dead", lease_s=0.2)
    assert await asyncio.wait_for(board.follow("k3", budget_s=60), 10) is None
    assert await board.lead("k3", "b", lease_s=5)
    await board.publish("k3", "dead", ENTRY, keep_s=5)
    assert not await board.lead("k3", "c", lease_s=5), "whose lease ended publishes nothing and frees nothing"


async def test_time_is_up(board: LiteLLMFlightBoard) -> None:
    assert await board.lead("k4", "a", lease_s=60)
    assert await board.follow("k4", budget_s=0.1) is None


async def test_without_redis_each_worker_leads_for_itself() -> None:
    board = LiteLLMFlightBoard(lambda: None)
    assert await board.lead("k", "a", lease_s=1)
    assert await board.lead("k", "b", lease_s=1)
    assert await board.follow("k", budget_s=1) is None
    await board.publish("k", "a", ENTRY, keep_s=1)


async def test_a_redis_that_is_gone_is_a_store_error() -> None:
    cache = Cache(free_port())
    with pytest.raises(StoreError, match="Redis failed"):
        await LiteLLMFlightBoard(lambda: cache).lead("k", "a", lease_s=1)
