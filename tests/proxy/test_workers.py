"""Two proxies with two workers each share one PostgreSQL, one Redis and one cache service; what holds across them."""

import asyncio
import json
import os
import shutil
import signal
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from tests.proxy.conftest import Gateway, running_pair
from tests.proxy.qdrant_service import run_qdrant
from tests.proxy.test_single_flight import ask_all, calls, redis_server

from tiergate.pack import locate_pack

pytestmark = [pytest.mark.proxy, pytest.mark.slow, pytest.mark.timeout(400)]

WORKERS = 4
CHEAP = "What is the capital of {}?"
REFUSED = 422
"""LiteLLM's status for a budget that is spent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Two proxies and what they share.

    Attributes:
        gateways: The proxies.
        database: Connection string of the decision log.
        artifacts: Folder whose link `current` names the classifier in force.
        workers_file: Where each request notes its process.
    """

    gateways: tuple[Gateway, Gateway]
    database: str
    artifacts: Path
    workers_file: Path

    def rows(self, where: str, *values: Any) -> list[dict[str, Any]]:
        """Return the records of the shared log that match."""
        query = f"SELECT record FROM tiergate_decisions WHERE {where} ORDER BY ts"  # noqa: S608  our own text
        with psycopg.connect(self.database) as connection:
            return [row[0] for row in connection.execute(query.encode(), values).fetchall()]

    def workers(self) -> set[int]:
        """Return the processes that have answered since the file was last emptied."""
        return {int(line) for line in self.workers_file.read_text().split()} if self.workers_file.exists() else set()

    def ask_every_worker(self, send: Callable[[httpx.Client], Any]) -> list[Any]:
        """Send a request until each worker has had one; a connection of its own each, so the kernel chooses."""
        self.workers_file.write_text("")
        answers = []
        for turn in range(400):
            proxy = self.gateways[turn % 2].proxy
            with httpx.Client(base_url=proxy.url, timeout=60, trust_env=False) as client:
                answers.append(send(client))
            if len(self.workers()) == WORKERS:
                return answers
        raise AssertionError(f"only {len(self.workers())} workers answered")


def ask(client: httpx.Client, prompt: str, key: str, **body: Any) -> httpx.Response:
    body |= {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
    return client.post("/v1/chat/completions", json=body, headers={"Authorization": f"Bearer {key}"})


def copy_artifact(target: Path, *, created_at: str) -> Path:
    """Copy the shipped classifier under another digest."""
    shutil.copytree(locate_pack().parents[0] / "plugins" / "tiergate" / "models" / "intent", target)
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    (target / "manifest.json").write_text(json.dumps(manifest | {"created_at": created_at}), encoding="utf-8")
    return target


def point_to(link: Path, target: Path) -> None:
    """Move the link in one step, as a release does."""
    fresh = link.with_name(f"{link.name}.{uuid.uuid4().hex}")
    fresh.symlink_to(target)
    fresh.rename(link)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, postgres_server: dict[str, str]) -> Iterator[Fleet]:
    folder = tmp_path_factory.mktemp("fleet")
    artifacts = folder / "artifacts"
    point_to_first = copy_artifact(artifacts / "first", created_at="2026-01-01T00:00:00Z")
    point_to(artifacts / "current", point_to_first)
    name = f"fleet_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(**postgres_server, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    address = "{user}@{host}:{port}/".format(**postgres_server) + name
    with ExitStack() as stack:
        redis_port = stack.enter_context(redis_server(folder))
        qdrant = os.environ.get("QDRANT_URL") or stack.enter_context(run_qdrant())[0]

        def policy(content: dict[str, Any]) -> None:
            content["semantic_cache"]["store"] = {
                "kind": "server", "url": qdrant, "collection": name,
                "look_up_budget_ms": 5_000, "store_budget_ms": 5_000,
            }  # fmt: skip
            if "QDRANT_API_KEY" in os.environ:
                content["semantic_cache"]["store"]["api_key"] = "os.environ/QDRANT_API_KEY"
            content["intent_router"]["classifier"]["artifact"] = str(artifacts / "current")
            content["decision_log"] = {"url": f"postgresql+asyncpg://{address}"}
            content["experiments"] = [
                {"name": "trust", "unit": "user", "arms": {"a": {}, "b": {"confidence_gate.trust_from": 0.80}}}
            ]

        def config(content: dict[str, Any]) -> None:
            redis = {"type": "redis", "host": "127.0.0.1", "port": redis_port, "mode": "default_off"}
            content["litellm_settings"] |= {"cache": True, "cache_params": redis}
            content["general_settings"]["custom_auth_run_common_checks"] = True

        environ = {"TIERGATE_TEST_WORKERS": str(folder / "workers.txt")}
        pair = running_pair(folder, config=config, policy=policy, environ=environ, options=["--num_workers", "2"])
        gateways = stack.enter_context(pair)
        yield Fleet(
            gateways=gateways,
            database=f"postgresql://{address}",
            artifacts=artifacts,
            workers_file=folder / "workers.txt",
        )


@pytest.fixture(autouse=True)
def _reset(fleet: Fleet) -> None:
    for provider in (fleet.gateways[0].first, fleet.gateways[0].second):
        provider.order("reset")


def test_200_identical_misses_over_four_workers_make_one_call(fleet: Fleet) -> None:
    one, two = fleet.gateways
    one.first.order("latency", first_byte={"kind": "constant", "ms": 4_000})
    fleet.workers_file.write_text("")

    async def wave(turn: int) -> list[str]:
        await asyncio.sleep(0.1 * turn)  # one burst may land on one worker whole
        return await ask_all((one, two)[turn % 2].proxy.url, [CHEAP.format("Sweden")] * 10)

    async def all_waves() -> list[list[str]]:
        return list(await asyncio.gather(*map(wave, range(20))))

    answers = [text for texts in asyncio.run(all_waves()) for text in texts]
    assert len(answers) == 200
    assert len(set(answers)) == 1, Counter(answers)
    assert not answers[0].startswith("status")
    assert calls(one) == 1
    assert len(fleet.workers()) == WORKERS


def test_each_of_them_is_in_the_shared_log_once(fleet: Fleet) -> None:
    key = "sk-counted-blue"
    asked = fleet.ask_every_worker(lambda client: ask(client, CHEAP.format("Norway"), key))
    ids = [response.headers["x-tiergate-decision-id"] for response in asked]
    deadline = time.monotonic() + 20
    while len(rows := fleet.rows("decision_id = ANY(%s)", ids)) < len(ids) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert sorted(row["decision_id"] for row in rows) == sorted(ids)
    # What one worker stored, the others serve.
    assert Counter(row["cache"]["outcome"] for row in rows) == {"miss": 1, "hit": len(ids) - 1}


def test_a_user_has_the_same_arm_on_every_worker(fleet: Fleet) -> None:
    arms: dict[str, set[str]] = {}
    for number in range(6):
        key = f"sk-user{number}-blue"
        asked = fleet.ask_every_worker(lambda client, key=key: ask(client, CHEAP.format("Denmark"), key))
        arms[key] = {response.headers["x-tiergate-experiment"] for response in asked}
    assert all(len(seen) == 1 for seen in arms.values()), arms
    assert {arm for seen in arms.values() for arm in seen} == {"trust=a", "trust=b"}


def test_a_keys_budget_is_spent_on_all_of_them_together(fleet: Fleet) -> None:
    """LiteLLM counts the spend in Redis; what one worker spent, the others refuse.

    It also sets aside what an answer may cost at most, so the requests say how long it may get.
    """
    asked: list[int] = []
    for number in range(40):
        with fleet.gateways[number % 2].proxy.client() as client:
            prompt = f"What is {number} plus {number + 1}?"
            asked.append(ask(client, prompt, "sk-thrifty-blue", max_tokens=40).status_code)
        time.sleep(0.1)  # the spend is written after the answer has left
    refused = fleet.ask_every_worker(
        lambda client: ask(client, CHEAP.format("Iceland"), "sk-thrifty-blue", max_tokens=40)
    )
    assert set(asked) == {200, REFUSED}
    assert asked == sorted(asked), "once refused, refused by all"
    assert asked.count(200) >= 2
    assert {response.status_code for response in refused} == {REFUSED}
    assert all("budget" in response.text.lower() for response in refused)


def _digests(fleet: Fleet, prompt: str) -> set[str]:
    """Return the artifact digests by which each worker routes, for callers that share no cached answer."""
    asked = fleet.ask_every_worker(lambda client: ask(client, prompt, f"sk-{uuid.uuid4().hex}-red"))
    ids = [response.headers["x-tiergate-decision-id"] for response in asked]
    deadline = time.monotonic() + 20
    while len(rows := fleet.rows("decision_id = ANY(%s)", ids)) < len(ids) and time.monotonic() < deadline:
        time.sleep(0.1)
    return {row["route"]["artifact_digest"] for row in rows}


def test_a_new_artifact_is_in_force_on_every_worker(fleet: Fleet) -> None:
    before = _digests(fleet, "What is the capital of Peru?")
    assert len(before) == 1
    point_to(fleet.artifacts / "current", copy_artifact(fleet.artifacts / "second", created_at="2026-02-02T00:00:00Z"))
    deadline = time.monotonic() + 40
    while (after := _digests(fleet, "What is the capital of Peru?")) & before and time.monotonic() < deadline:
        time.sleep(0.5)
    assert len(after) == 1
    assert after.isdisjoint(before)


def test_a_new_policy_is_in_force_on_every_worker_after_sighup(fleet: Fleet) -> None:
    """SIGHUP to each worker reloads in place; every request of the meantime is answered."""
    fleet.ask_every_worker(lambda client: ask(client, CHEAP.format("Spain"), "sk-ann-green"))
    workers = fleet.workers()
    for gateway in fleet.gateways:
        file = gateway.proxy.folder / "pack" / "policy.yaml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("min_quality: 0.95", "min_quality: 1.0"), encoding="utf-8")
    for worker in workers:
        os.kill(worker, signal.SIGHUP)
    deadline, tiers, statuses = time.monotonic() + 40, {"simple"}, set()
    while tiers != {"frontier"} and time.monotonic() < deadline:
        asked = fleet.ask_every_worker(
            lambda client: ask(client, CHEAP.format("Chile"), f"sk-{uuid.uuid4().hex}-green")
        )
        tiers = {response.headers["x-tiergate-tier"] for response in asked}
        statuses |= {response.status_code for response in asked}
    assert tiers == {"frontier"}
    assert statuses == {200}
    assert fleet.workers() == workers  # the same processes as before
