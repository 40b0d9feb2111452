"""Trouble while serving: requests go on, and the record says why."""

import shutil
import sqlite3
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from tiergate.artifact import builtin_artifact_path

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]
PROMPT = "How many minutes are in an hour?"


def ask_and_read(gateway: Any, prompt: str) -> tuple[dict[str, str], dict[str, Any]]:
    body, headers = gateway.ask(prompt)
    assert body["status"] == 200, body
    return headers, gateway.record(headers["decision-id"])


def test_a_cache_folder_that_goes_away_is_recorded_and_stops_nothing(start_gateway: Any) -> None:
    with start_gateway() as gateway:
        assert ask_and_read(gateway, PROMPT)[1]["cache"]["outcome"] == "miss"
        shutil.rmtree(gateway.proxy.folder / "data" / "cache")
        headers, record = ask_and_read(gateway, "How many minutes are in a day?")
        assert headers["cache"] == "skipped"
        assert record["cache"]["reason"] == "stage_failed"
        assert record["route"]["tier"] == "simple"


def without_domains(policy: dict[str, Any]) -> None:
    policy["domains"] = {}


def breakable_encoder(config: dict[str, Any]) -> None:
    config["litellm_settings"]["callbacks"].append("broken_encoder.broken_encoder")


@pytest.mark.parametrize(
    ("policy", "reason", "tier"), [(None, "domain_unknown", "frontier"), (without_domains, "stage_failed", None)]
)
def test_an_encoder_that_raises_stops_nothing(start_gateway: Any, policy: Any, reason: str, tier: str | None) -> None:
    with start_gateway(policy=policy, config=breakable_encoder) as gateway:
        (gateway.proxy.folder / "encoder-is-broken").touch()
        headers, record = ask_and_read(gateway, PROMPT)
        assert headers["cache"] == "skipped"
        assert record["cache"]["reason"] == "stage_failed"
        assert record["route"]["reason"] == reason
        assert record["route"]["tier"] == tier
        (gateway.proxy.folder / "encoder-is-broken").unlink()
        assert ask_and_read(gateway, PROMPT)[1]["route"]["reason"] == "score_meets_quality"


def test_an_artifact_deleted_while_it_serves_changes_nothing(start_gateway: Any, tmp_path: Path) -> None:
    artifact = tmp_path / "artifact"
    shutil.copytree(builtin_artifact_path(), artifact)

    def own_artifact(policy: dict[str, Any]) -> None:
        policy["intent_router"]["classifier"] = {"kind": "embedded", "artifact": str(artifact)}

    with start_gateway(policy=own_artifact) as gateway:
        shutil.rmtree(artifact)
        _, record = ask_and_read(gateway, PROMPT)
        assert record["route"]["reason"] == "score_meets_quality"
        assert record["route"]["artifact_digest"]


def test_a_locked_decision_log_delays_the_row_and_not_the_request(start_gateway: Any) -> None:
    with start_gateway() as gateway:
        ask_and_read(gateway, PROMPT)
        lock = sqlite3.connect(gateway.proxy.folder / "data" / "decisions.db", check_same_thread=False)
        lock.execute("BEGIN EXCLUSIVE")
        threading.Timer(3.0, lambda: (lock.rollback(), lock.close())).start()
        began = time.monotonic()
        body, headers = gateway.ask("How many seconds are in a minute?")
        assert body["status"] == 200
        assert time.monotonic() - began < 3.0, "the request waited for the database"
        time.sleep(max(0.0, 3.2 - (time.monotonic() - began)))
        deadline = time.monotonic() + 15
        while not (record := gateway.record(headers["decision-id"])) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert record["status"] == "ok"
