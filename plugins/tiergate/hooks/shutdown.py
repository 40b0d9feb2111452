"""The end of the proxy: whatever we hold is written before the process goes."""

from collections.abc import Awaitable, Callable
from typing import Any


def close_with_host(host: Any, close: Callable[[], Awaitable[None]]) -> None:
    """Close after LiteLLM has closed, inside its own shutdown.

    LiteLLM has no hook for it, and `atexit` is too late: after a SIGTERM uvicorn stops gracefully and then raises the
    signal again with its default action, which ends the process on the spot. So LiteLLM's shutdown function, which its
    lifespan looks up by name when it ends, is wrapped.

    Args:
        host: LiteLLM's module `proxy_server`.
        close: Closes what is ours. Requests in flight have ended by then.
    """
    original = getattr(host, "proxy_shutdown_event", None)
    if original is None:
        return

    async def shut_down(*args: Any, **options: Any) -> None:
        try:
            await original(*args, **options)
        finally:
            await close()

    host.proxy_shutdown_event = shut_down
