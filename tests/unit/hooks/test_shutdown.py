from types import SimpleNamespace

import pytest

from tiergate.hooks.shutdown import close_with_host


@pytest.mark.parametrize("broken", [False, True])
async def test_ours_closes_after_the_hosts_own_shutdown_even_when_that_fails(broken: bool) -> None:  # noqa: FBT001  a case
    order: list[str] = []

    async def host_shuts_down(*, worker_heartbeat: str | None = None) -> None:
        order.append(f"host {worker_heartbeat}")
        if broken:
            raise RuntimeError("the host's trouble")

    async def close() -> None:
        order.append("ours")

    host = SimpleNamespace(proxy_shutdown_event=host_shuts_down)
    close_with_host(host, close)
    if broken:
        with pytest.raises(RuntimeError, match="the host's trouble"):
            await host.proxy_shutdown_event(worker_heartbeat="w")
    else:
        await host.proxy_shutdown_event(worker_heartbeat="w")
    assert order == ["host w", "ours"]


async def test_a_host_without_that_function_is_left_alone() -> None:
    async def close() -> None: ...

    host = SimpleNamespace()
    close_with_host(host, close)
    assert vars(host) == {}
