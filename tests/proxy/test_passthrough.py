"""What tiergate does not handle passes through untouched."""

from typing import Any

import pytest

pytestmark = pytest.mark.proxy


def arrivals(gateway: Any) -> list[dict[str, Any]]:
    requests: list[dict[str, Any]] = gateway.first.read_arrivals(prompts=True)["requests"]
    return requests


def test_another_model_group_is_not_touched(gateway: Any) -> None:
    body, headers = gateway.ask("What is the capital of Kenya?", model="tier-frontier")
    assert headers == {}
    assert body["choices"][0]["message"]["content"]
    assert "logprobs" not in arrivals(gateway)[-1].get("body", {})


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/embeddings", {"model": "embed", "input": "hello"}),
        ("/v1/completions", {"model": "tier-frontier", "prompt": "hello"}),
        ("/v1/responses", {"model": "tier-frontier", "input": "hello"}),
        ("/v1/messages", {"model": "tier-medium", "max_tokens": 20, "messages": [{"role": "user", "content": "hi"}]}),
    ],
)
def test_other_endpoints_are_not_touched(gateway: Any, path: str, body: dict[str, Any]) -> None:
    with gateway.proxy.client() as client:
        response = client.post(path, json=body)
    assert response.is_success, response.text
    assert not [name for name in response.headers if name.startswith("x-tiergate-")]


def test_the_caches_model_group_is_not_listed(gateway: Any) -> None:
    names = {model.id for model in gateway.openai().models.list()}
    assert {"auto", "tier-simple"} <= names
    assert "tier-cache" not in names


def test_a_tool_call_passes_and_is_not_stored(gateway: Any) -> None:
    tool = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object", "properties": {}}}}
    _, headers = gateway.ask("What is the weather in Oslo?", tools=[tool])
    assert headers["cache"] == "skipped"
    assert gateway.record(headers["decision-id"])["cache"]["reason"] == "tool_use"


def test_log_probabilities_that_the_client_asked_for_stay(gateway: Any) -> None:
    body, headers = gateway.ask("What is the capital of Ghana?", logprobs=True)
    assert body["choices"][0]["logprobs"]["content"]
    assert headers["cache"] == "skipped"
