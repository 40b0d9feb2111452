"""A real `litellm --config`, stand-in providers over HTTP, real SDKs."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
import yaml

from tiergate.demo.background import BackgroundProvider
from tiergate.demo.proxy_process import ProxyProcess, quickstart_variables, run_provider, run_proxy, run_quickstart
from tiergate.demo.quickstart import await_record
from tiergate.pack import locate_pack

HERE = Path(__file__).parent

pytestmark = pytest.mark.proxy


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A proxy with its two stand-in providers.

    Attributes:
        proxy: The proxy process.
        first: Provider of every tier.
        second: Provider of the simple tier's fallback.
    """

    proxy: ProxyProcess
    first: BackgroundProvider
    second: BackgroundProvider

    def openai(self, key: str | None = None) -> openai.OpenAI:
        """Return the real SDK's client, without retries of its own."""
        return openai.OpenAI(base_url=f"{self.proxy.url}/v1", api_key=key or self.proxy.master_key, max_retries=0)

    def ask(self, prompt: str, *, key: str | None = None, **body: Any) -> tuple[dict[str, Any], dict[str, str]]:
        """Send one chat completion; return the body and the x-tiergate-* headers without their prefix."""
        with self.proxy.client(key) as client:
            request = {"model": "auto", "messages": [{"role": "user", "content": prompt}], **body}
            response = client.post("/v1/chat/completions", json=request)
        headers = {
            name.removeprefix("x-tiergate-"): value
            for name, value in response.headers.items()
            if name.startswith("x-tiergate-")
        }
        return {"status": response.status_code, **response.json()}, headers

    def record(self, decision_id: str) -> dict[str, Any]:
        """Return the log row behind a decision id."""
        return await_record(self.proxy.folder, decision_id)

    def final_record(self, decision_id: str) -> dict[str, Any]:
        """Return the row of a stream once it is the final one, or what there is after 5 s."""
        record: dict[str, Any] = {}
        for _ in range(100):
            record = self.record(decision_id)
            if record.get("gate", {}).get("reason") != "stream_begun":
                break
            time.sleep(0.05)
        return record

    def payloads(self) -> list[dict[str, Any]]:
        """Return LiteLLM's own standard logging payloads so far, oldest first."""
        file = self.proxy.folder / "payloads.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def write_pack(
    folder: Path,
    *,
    policy: Callable[[dict[str, Any]], None] | None = None,
    config: Callable[[dict[str, Any]], None] | None = None,
) -> Path:
    """Copy the quickstart pack with changes, the payload log and custom keys; return its config.yaml."""
    pack = folder / "pack"
    shutil.copytree(locate_pack("quickstart"), pack)
    for name in ("payload_log.py", "keys.py", "broken_encoder.py"):
        shutil.copy(HERE / "callbacks" / name, pack / name)
    _change(pack / "config.yaml", _add_test_callbacks)
    _change(pack / "policy.yaml", _be_patient)
    for name, change in (("policy.yaml", policy), ("config.yaml", config)):
        if change is not None:
            _change(pack / name, change)
    return pack / "config.yaml"


def _change(file: Path, change: Callable[[dict[str, Any]], None]) -> None:
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    change(content)
    file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")


def _be_patient(policy: dict[str, Any]) -> None:
    """Give the stages before the call time on a busy machine; a test of budgets sets its own."""
    policy["semantic_cache"]["budget_ms"] = policy["intent_router"]["budget_ms"] = 5_000
    policy["semantic_cache"]["single_flight"] = {"budget_ms": 200_000}


def _add_test_callbacks(config: dict[str, Any]) -> None:
    config["litellm_settings"]["callbacks"].append("payload_log.payload_log")
    config["general_settings"]["custom_auth"] = "keys.authenticate"
    # Tests make providers fail on purpose; a cooled-down deployment would reach into the next test.
    config["router_settings"]["disable_cooldowns"] = True
    embed = {"model": "openai/embedding-small", "api_base": "os.environ/STANDIN_OPENAI_BASE", "api_key": "x"}
    config["model_list"].append({"model_name": "embed", "litellm_params": embed})


@contextmanager
def running_pair(
    folder: Path,
    *,
    config: Callable[[dict[str, Any]], None],
    policy: Callable[[dict[str, Any]], None] | None = None,
    environ: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[tuple[Gateway, Gateway]]:
    """Run two proxies, each with a folder of its own, on the same two providers."""
    with ExitStack() as stack:
        first = stack.enter_context(run_provider("first", folder, scenario="quickstart"))
        second = stack.enter_context(run_provider("second", folder, scenario="quickstart"))
        settings = {**quickstart_variables(first, second), **(environ or {})}
        gateways = []
        for name in ("one", "two"):
            (folder / name).mkdir()
            file = write_pack(folder / name, config=config, policy=policy)
            proxy = stack.enter_context(run_proxy(file, folder / name, environ=settings, options=options))
            gateways.append(Gateway(proxy=proxy, first=first, second=second))
        yield gateways[0], gateways[1]


StartGateway = Callable[..., AbstractContextManager[Gateway]]


@contextmanager
def running_gateway(
    folder: Path,
    *,
    policy: Callable[[dict[str, Any]], None] | None = None,
    config: Callable[[dict[str, Any]], None] | None = None,
    environ: Mapping[str, str] | None = None,
    port: int = 0,
) -> Iterator[Gateway]:
    """Run a gateway of its own over a changed quickstart pack."""
    file = folder / "pack" / "config.yaml"
    if not file.exists():
        file = write_pack(folder, policy=policy, config=config)
    with run_quickstart(file, folder, port=port, environ=environ) as (proxy, first, second):
        yield Gateway(proxy=proxy, first=first, second=second)


@pytest.fixture
def start_gateway(tmp_path: Path) -> StartGateway:
    """Return a function that runs a gateway in this test's folder; again, it finds what the first left."""

    def start(**changes: Any) -> AbstractContextManager[Gateway]:
        return running_gateway(tmp_path, **changes)

    return start


@pytest.fixture
def start_pair(tmp_path: Path) -> Callable[..., AbstractContextManager[tuple[Gateway, Gateway]]]:
    """Return a function that runs two proxies on the same providers."""

    def start(**changes: Any) -> AbstractContextManager[tuple[Gateway, Gateway]]:
        return running_pair(tmp_path, **changes)

    return start


@pytest.fixture(scope="session")
def shared_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One gateway for the tests that do not break it."""
    with running_gateway(tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture
def gateway(shared_gateway: Gateway) -> Gateway:
    """Return the shared gateway with providers that behave again."""
    shared_gateway.first.order("reset")
    shared_gateway.second.order("reset")
    return shared_gateway
