import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import anthropic
import httpx
import openai
import pytest
import uvicorn
from tiergate.demo.provider import build_app
from tiergate.demo.scenario import Scenario


@dataclass(frozen=True)
class Running:
    url: str

    @property
    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(
            base_url=f"{self.url}/v1",
            api_key="test",
            max_retries=0,
            timeout=5,
            _strict_response_validation=True,
        )

    @property
    def anthropic(self) -> anthropic.Anthropic:
        return anthropic.Anthropic(
            base_url=self.url, api_key="test", max_retries=0, timeout=5, _strict_response_validation=True
        )

    @property
    def http(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=5, trust_env=False)

    def order(self, path: str, **order: object) -> None:
        self.http.post(f"/control/{path}", json=order).raise_for_status()

    def arrived(self, *, prompts: bool = False) -> dict:
        return self.http.get("/control/requests", params={"prompts": int(prompts)}).json()


Start = Callable[[Scenario | None], Running]


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    """Starts stand-in providers, each a real server on a free port."""
    servers: list[tuple[uvicorn.Server, threading.Thread]] = []

    def run(scenario: Scenario | None) -> Running:
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            build_app(scenario, name="test-standin"),
            log_level="error",
            lifespan="off",
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        servers.append((server, thread))
        return Running(f"http://127.0.0.1:{listener.getsockname()[1]}")

    yield run
    for server, thread in servers:
        server.should_exit = True
        thread.join(5)


@pytest.fixture(scope="module")
def default_provider(start: Start) -> Running:
    return start(None)


@pytest.fixture
def provider(default_provider: Running) -> Running:
    """The default scenario, freshly reset."""
    default_provider.order("reset")
    return default_provider
