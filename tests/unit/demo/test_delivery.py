"""Delivery: a drop on a server whose transport cannot be reached is an error, never a whole answer."""

import asyncio

import httpx
import pytest

from tiergate.demo.delivery import ConnectionDroppedError, wait_unless_gone
from tiergate.demo.provider import build_app
from tiergate.demo.scenario import Fault, FaultRule, Rule, Scenario


async def test_a_drop_without_a_transport_raises() -> None:
    faults = (FaultRule(fault=Fault.CONNECTION_RESET),)
    app = build_app(Scenario(rules=(Rule(name="drop", faults=faults),)))
    body = {"model": "m", "messages": [{"role": "user", "content": "x"}]}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://standin") as client:
        with pytest.raises(ConnectionDroppedError):
            await client.post("/v1/chat/completions", json=body)


@pytest.mark.parametrize(("kind", "there"), [("http.disconnect", False), (None, True)])
async def test_waiting_ends_when_the_client_goes(kind: str | None, *, there: bool) -> None:
    async def receive() -> dict[str, str]:
        if kind is None:
            await asyncio.sleep(5)
        return {"type": str(kind)}

    assert await wait_unless_gone(receive, 0.01) is there
