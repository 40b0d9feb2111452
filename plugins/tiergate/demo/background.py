"""A stand-in provider in a thread of this process, for tests and walks that look at what it saw."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from starlette.types import ASGIApp

from tiergate.demo.provider import build_app
from tiergate.demo.scenario import Scenario

_START_S = 10.0
_STOP_S = 5.0


@dataclass(frozen=True, slots=True)
class BackgroundProvider:
    """A stand-in provider that runs.

    Attributes:
        url: Where it listens, without a path.
    """

    url: str

    def order(self, path: str, **order: Any) -> None:
        """Send a control order: `fault`, `latency` or `reset`.

        Raises:
            httpx.HTTPStatusError: The order is wrong.
        """
        httpx.post(f"{self.url}/control/{path}", json=order, trust_env=False).raise_for_status()

    def read_arrivals(self, *, prompts: bool = False) -> dict[str, Any]:
        """Return what arrived: `count`, `by_model`, `by_endpoint` and `requests`, oldest first."""
        params = {"prompts": int(prompts)}
        answer = httpx.get(f"{self.url}/control/requests", params=params, trust_env=False)
        arrivals: dict[str, Any] = answer.json()
        return arrivals


@contextmanager
def run_in_background(
    scenario: Scenario | None = None, *, name: str = "standin", app: ASGIApp | None = None
) -> Iterator[BackgroundProvider]:
    """Run a stand-in provider on a free port for the duration of the block.

    Args:
        scenario: How it behaves; None for the shipped default.
        name: Its name.
        app: Serve this app and no scenario.

    Raises:
        TimeoutError: It did not start.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    app = app or build_app(scenario, name=name)
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    deadline = time.monotonic() + _START_S
    while not server.started:
        if time.monotonic() > deadline:
            raise TimeoutError("the stand-in provider did not start")
        time.sleep(0.005)
    try:
        yield BackgroundProvider(f"http://127.0.0.1:{listener.getsockname()[1]}")
    finally:
        server.should_exit = True
        thread.join(_STOP_S)
