"""Answers that are stored while their clients already have them."""

import asyncio

from tiergate.stages.store_backlog import StoreBacklog


async def test_a_look_up_waits_for_the_stores_of_its_own_tenant_that_began_before() -> None:
    backlog, stored, gate = StoreBacklog(), [], asyncio.Event()

    async def store(name: str) -> None:
        if name == "slow":
            await gate.wait()
        stored.append(name)

    backlog.start("a", store("own"))
    backlog.start("b", store("slow"))
    await backlog.settle("a")
    assert stored == ["own"]
    await backlog.settle("c")
    gate.set()
    await backlog.settle("b")
    assert stored == ["own", "slow"]


async def test_a_store_that_hangs_or_fails_holds_no_look_up() -> None:
    backlog, release = StoreBacklog(), asyncio.Event()

    async def hang() -> None:
        await release.wait()

    async def fail() -> None:
        raise OSError("disk full")

    hanging, failing = backlog.start("a", hang()), backlog.start("a", fail())
    await backlog.settle("a")
    assert failing.done()
    assert isinstance(failing.exception(), OSError)
    assert not hanging.done()
    release.set()
    await hanging
    await asyncio.sleep(0)
    assert not backlog._running, "nothing is remembered of what has ended"
