"""Replies are asked once, kept at once, and never pass the cap."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.classifier.stand_in_proxy import StandInProxy, running_proxy

from tiergate_classifier.tier_replay import (
    CostCapReachedError,
    Journal,
    Price,
    ProxyClient,
    ReplayError,
    Reply,
    ask_all,
)

PRICE = Price(input_usd=1e-6, output_usd=2e-6)


@pytest.fixture
def served() -> Iterator[StandInProxy]:
    with running_proxy() as proxy:
        yield proxy


def client_of(served: StandInProxy, folder: Path, *, cap: float = 1.0) -> ProxyClient:
    return ProxyClient(served.url, "key", Journal(folder / "journal.jsonl"), max_cost_usd=cap, max_tokens=100)


async def test_prices_are_those_the_proxy_tells(served: StandInProxy, tmp_path: Path) -> None:
    async with client_of(served, tmp_path) as client:
        prices = await client.prices()
    assert prices["tier-simple"] == PRICE
    assert "free" not in prices
    assert PRICE.estimate(400, 50) == pytest.approx(0.0002)


async def test_a_reply_is_asked_once_and_survives_a_torn_line(served: StandInProxy, tmp_path: Path) -> None:
    async with client_of(served, tmp_path) as client:
        first = await client.ask("a", "tier-simple", "Why?", price=PRICE, params={"temperature": 0})
    assert (first.cost_usd, first.prompt_tokens, first.completion_tokens) == (0.001, 10, 5)
    assert served.asked[0]["temperature"] == 0
    with (tmp_path / "journal.jsonl").open("ab") as file:
        file.write('{"key": "torn é'.encode()[:-1])  # within a character
    async with client_of(served, tmp_path) as client:
        assert await client.ask("a", "tier-simple", "Why?", price=PRICE) == first
        await client.ask("b", "tier-simple", "How?", price=PRICE)
        assert client.journal.spent_usd == pytest.approx(0.002)
    assert len(served.asked) == 2
    assert set(Journal(tmp_path / "journal.jsonl").replies) == {"a", "b"}


def test_an_answer_with_a_line_separator_of_unicode_is_kept(tmp_path: Path) -> None:
    reply = Reply(key="a", text="one\u2028two", cost_usd=0.1, prompt_tokens=1, completion_tokens=2, ms=1.0)
    Journal(tmp_path / "journal.jsonl").keep(reply)
    assert Journal(tmp_path / "journal.jsonl").replies == {"a": reply}


async def test_the_cap_holds_before_a_call_is_made(served: StandInProxy, tmp_path: Path) -> None:
    async with client_of(served, tmp_path, cap=0.0001) as client:
        with pytest.raises(CostCapReachedError, match="cap"):
            await client.ask("a", "tier-simple", "Why?", price=PRICE)
    assert served.asked == []


@pytest.mark.parametrize("header", [None, "unknown"])
async def test_without_a_told_cost_the_price_counts(served: StandInProxy, tmp_path: Path, header: str | None) -> None:
    served.cost_header = header
    async with client_of(served, tmp_path) as client:
        priced = await client.ask("a", "tier-simple", "Why?", price=PRICE)
        unpriced = await client.ask("b", "free", "Why?", price=None)
    assert (priced.cost_usd, unpriced.cost_usd) == (pytest.approx(2e-5), 0.0)


async def test_a_failing_group_is_tried_again_and_a_refusal_is_not(served: StandInProxy, tmp_path: Path) -> None:
    served.failures["tier-simple"] = 1
    async with client_of(served, tmp_path) as client:
        assert (await client.ask("a", "tier-simple", "Why?", price=PRICE)).text
        served.failures["tier-simple"], served.failure_status = 1, 400
        with pytest.raises(ReplayError, match="status 400"):
            await client.ask("b", "tier-simple", "Why?", price=PRICE)
    assert len(served.asked) == 3


async def test_a_proxy_that_is_down_is_an_error(tmp_path: Path) -> None:
    async with ProxyClient("http://127.0.0.1:1", "k", Journal(tmp_path / "j"), max_cost_usd=1) as client:
        with pytest.raises(ReplayError, match="prices"):
            await client.prices()


async def test_one_failure_cancels_the_rest() -> None:
    ended = []

    async def run(number: int) -> int:
        if number == 0:
            raise ReplayError("first")
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(number)
        return number

    with pytest.raises(ReplayError):
        await ask_all([1, 0], run)
    assert ended == [1]
