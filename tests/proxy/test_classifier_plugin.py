"""An existing complexity router of LiteLLM gets our classifier in one line; a picture rules blind tiers out."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tiergate.adapters.decision_database import read_decisions

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]

PICTURE = "data:image/png;base64,iVBORw0KGgo="


def add_complexity_router(config: dict[str, Any]) -> None:
    tiers = {"SIMPLE": "tier-simple", "MEDIUM": "tier-medium", "COMPLEX": "tier-frontier", "REASONING": "tier-frontier"}
    settings = {
        "classifier_type": "custom",
        "classifier_plugin": "tiergate.callbacks.classifier_plugin",
        "tiers": tiers,
    }
    params = {
        "model": "auto_router/complexity_router",
        "complexity_router_config": settings,
        "complexity_router_default_model": "tier-frontier",
    }
    config["model_list"].append({"model_name": "smart", "litellm_params": params})
    for entry in config["model_list"]:
        if entry["model_name"] == "tier-simple":
            entry["model_info"]["supports_vision"] = False


@pytest.fixture(scope="module")
def routed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from tests.proxy.conftest import running_gateway  # noqa: PLC0415  the folder is no package at import time

    with running_gateway(tmp_path_factory.mktemp("plugin"), config=add_complexity_router) as gateway:
        yield gateway


def rows_of(folder: Path, entry_model: str) -> list[dict[str, Any]]:
    for _ in range(100):
        try:
            rows = read_decisions(f"sqlite:///{folder / 'data' / 'decisions.db'}")
        except Exception:  # noqa: BLE001  the log may not be there yet
            rows = []
        found = [row for row in rows if row["entry_model"] == entry_model]
        if found:
            return found
        time.sleep(0.1)
    return []


def test_the_complexity_router_asks_our_classifier_and_the_decision_is_recorded(routed: Any) -> None:
    body, _ = routed.ask("What is the capital of Portugal?", model="smart")
    assert body["status"] == 200, body
    rows = rows_of(routed.proxy.folder, "smart")
    assert rows, routed.proxy.output()[-3000:]
    assert rows[-1]["route"]["tier"] == "simple"
    assert rows[-1]["gate"]["outcome"] == "skipped"
    asked = [json.loads(line) for line in (routed.proxy.folder / "payloads.jsonl").read_text().splitlines()]
    assert any("deepseek" in payload["model"] for payload in asked)


def test_a_picture_is_never_sent_to_a_tier_that_cannot_see(routed: Any) -> None:
    text = {"type": "text", "text": "What is the capital of Portugal?"}
    picture = {"type": "image_url", "image_url": {"url": PICTURE}}
    with routed.proxy.client() as client:
        body = {"model": "auto", "messages": [{"role": "user", "content": [text, picture]}]}
        response = client.post("/v1/chat/completions", json=body)
    record = routed.record(response.headers["x-tiergate-decision-id"])
    assert record["route"]["ruled_out"] == {"simple": "images"}
    assert record["route"]["reason"] == "tier_ruled_out"
    assert response.headers["x-tiergate-tier"] == "medium"
