"""A trusted answer's body is bare LiteLLM's, key by key: four endpoints, two providers, streamed or not, by both SDKs.

Two proxies stand on the same providers. One has tiergate and holds streams; the other is LiteLLM alone, its model
groups of the same names being what tiergate routes to. Identifiers and times are compared by their kind only.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from tests.proxy.conftest import Gateway, write_pack

from tiergate.demo.proxy_process import quickstart_variables, run_provider, run_proxy

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]
QUESTION = "What is the capital of Brazil?"
VOLATILE = frozenset(
    {
        "id",
        "created",
        "created_at",
        "completed_at",
        "item_id",
        "call_id",
        "response_id",
        "previous_response_id",
        "signature",
    }
)
WEATHER = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city"],
    "additionalProperties": False,
}
ENTRIES = {"auto": "simple", "auto-claude": "medium"}
"""Entry models, and the tier that each is routed to: one of OpenAI's kind and one of Anthropic's."""


def trusting(policy: dict[str, Any]) -> None:
    policy["entry_models"] = list(ENTRIES)
    policy["controls"] = ["start_tier"]
    policy["domains"] = {}
    policy["semantic_cache"]["enabled"] = False
    policy["intent_router"]["min_quality"] = 0.0
    policy["confidence_gate"] |= {"escalate_below": 0.0, "trust_from": 0.0, "stream": {"mode": "hold"}}


def with_entries(config: dict[str, Any]) -> None:
    claude = next(item for item in config["model_list"] if item["model_name"] == "tier-medium")
    config["model_list"].append(
        claude | {"model_name": "auto-claude", "model_info": claude["model_info"] | {"id": "c"}}
    )


def bare(config: dict[str, Any]) -> None:
    groups = {item["model_name"]: item for item in config["model_list"]}
    config["model_list"] = [groups[f"tier-{tier}"] | {"model_name": entry} for entry, tier in ENTRIES.items()]
    del config["litellm_settings"]["callbacks"], config["litellm_settings"]["custom_provider_map"]
    del config["router_settings"]["fallbacks"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gateway, Gateway]]:
    folder: Path = tmp_path_factory.mktemp("golden")
    with ExitStack() as stack:
        first = stack.enter_context(run_provider("first", folder, scenario="quickstart"))
        second = stack.enter_context(run_provider("second", folder, scenario="quickstart"))
        settings = quickstart_variables(first, second)
        gateways = []
        for name, change in (("with", with_entries), ("bare", bare)):
            (folder / name).mkdir()
            file = write_pack(folder / name, policy=trusting, config=change)
            proxy = stack.enter_context(run_proxy(file, folder / name, environ=settings))
            gateways.append(Gateway(proxy=proxy, first=first, second=second))
        yield gateways[0], gateways[1]


def body_of(endpoint: str, kind: str) -> dict[str, Any]:
    """Return a request's body in the words of its endpoint."""
    turns = [{"role": "system", "content": "Answer briefly."}, {"role": "user", "content": QUESTION}]
    function = {"name": "weather", "description": "Tells the weather.", "parameters": WEATHER}
    schema = {"name": "city", "schema": WEATHER, "strict": True}
    plain: dict[str, dict[str, Any]] = {
        "chat/completions": {"messages": turns},
        "messages": {"system": "Answer briefly.", "messages": turns[1:], "max_tokens": 300},
        "responses": {"instructions": "Answer briefly.", "input": QUESTION},
        "completions": {"prompt": QUESTION, "max_tokens": 300},
    }
    extra: dict[tuple[str, str], dict[str, Any]] = {
        ("chat/completions", "tools"): {
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": "weather"}},
        },
        ("messages", "tools"): {
            "tools": [{"name": "weather", "description": "Tells the weather.", "input_schema": WEATHER}],
            "tool_choice": {"type": "tool", "name": "weather"},
        },
        ("responses", "tools"): {
            "tools": [{"type": "function", **function}],
            "tool_choice": {"type": "function", "name": "weather"},
        },
        ("chat/completions", "schema"): {"response_format": {"type": "json_schema", "json_schema": schema}},
        ("responses", "schema"): {"text": {"format": {"type": "json_schema", **schema}}},
        ("messages", "schema"): {"output_config": {"format": {"type": "json_schema", "schema": WEATHER}}},
        ("chat/completions", "usage"): {"stream_options": {"include_usage": True}},
        ("chat/completions", "logprobs"): {"logprobs": True, "top_logprobs": 2},
        ("messages", "thinking"): {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000},
    }
    return plain[endpoint] | extra.get((endpoint, kind), {})


def send(gateway: Gateway, endpoint: str, body: dict[str, Any]) -> tuple[Any, Any]:
    """Return what came over the wire, parsed, and the headers."""
    with gateway.proxy.client(timeout_s=60) as client:
        response = client.post(f"/v1/{endpoint}", json=body)
    assert response.status_code == 200, response.text[:600]
    if not body.get("stream"):
        return response.json(), response.headers
    lines = [line for line in response.text.splitlines() if line]
    events = [line.removeprefix("data:").strip() if line.startswith("data:") else line for line in lines]
    return [json.loads(event) if event.startswith("{") else event for event in events], response.headers


def normal(value: Any, key: str = "") -> Any:
    """Return a body with its identifiers and times replaced by the name of their type."""
    if key in VOLATILE:
        return type(value).__name__
    if isinstance(value, dict):
        return {name: normal(item, name) for name, item in value.items()}
    return [normal(item) for item in value] if isinstance(value, list) else value


def differences(ours: Any, theirs: Any, place: str = "") -> list[str]:
    """Return where two bodies differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        missing = [f"{place}.{name} only in one" for name in ours.keys() ^ theirs.keys()]
        shared = [differences(ours[name], theirs[name], f"{place}.{name}") for name in ours.keys() & theirs.keys()]
        return missing + [one for some in shared for one in some]
    if isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [one for at, (mine, other) in pairs for one in differences(mine, other, f"{place}[{at}]")]
    return [] if ours == theirs else [f"{place}: {ours!r:.300} and not {theirs!r:.300}"]


def routed(entry: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the body that makes tiergate choose the tier that stands behind the entry model of the bare proxy."""
    return body | ({"metadata": {"tiergate": {"start_tier": ENTRIES[entry]}}} if entry != "auto" else {})


CASES = [
    *[(endpoint, "plain") for endpoint in ("chat/completions", "messages", "responses", "completions")],
    *[(endpoint, kind) for endpoint in ("chat/completions", "messages", "responses") for kind in ("tools", "schema")],
    ("chat/completions", "usage"),
    ("chat/completions", "logprobs"),
    ("messages", "thinking"),
]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("entry", list(ENTRIES))
@pytest.mark.parametrize(("endpoint", "kind"), CASES)
def test_a_trusted_body_is_bare_litellms(
    pair: tuple[Gateway, Gateway], endpoint: str, kind: str, entry: str, *, stream: bool
) -> None:
    if kind == "usage" and not stream:
        pytest.skip("only a stream is asked for its usage")
    ours, theirs = pair
    body = body_of(endpoint, kind) | {"model": entry, "stream": stream}
    got, headers = send(ours, endpoint, routed(entry, body))
    expected, _ = send(theirs, endpoint, body)
    assert headers["x-tiergate-tier"] == ENTRIES[entry]
    assert headers["x-tiergate-gate"] == ("pending" if stream else "trusted")
    assert differences(normal(got), normal(expected)) == []
    assert json.dumps(normal(got)) == json.dumps(normal(expected)), "the same keys in another order"


def dump(value: Any) -> Any:
    """Return what an SDK made of a body, unset fields left out."""
    return normal(value.model_dump(mode="json", exclude_unset=True))


def by_openai(gateway: Gateway, endpoint: str, body: dict[str, Any], *, stream: bool) -> Any:
    client: openai.OpenAI = gateway.openai()
    places = {"chat/completions": client.chat.completions, "responses": client.responses}
    answer = places.get(endpoint, client.completions).create(**body, stream=stream)
    return [dump(chunk) for chunk in answer] if stream else dump(answer)


def by_anthropic(gateway: Gateway, body: dict[str, Any], *, stream: bool) -> Any:
    client = anthropic.Anthropic(base_url=gateway.proxy.url, api_key=gateway.proxy.master_key, max_retries=0)
    if not stream:
        return dump(client.messages.create(**body))
    with client.messages.stream(**body) as events:
        seen = [dump(event) for event in events]
        return [*seen, dump(events.get_final_message())]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("endpoint", "kind"),
    [
        ("chat/completions", "plain"),
        ("chat/completions", "tools"),
        ("chat/completions", "schema"),
        ("responses", "tools"),
        ("completions", "plain"),
        ("messages", "plain"),
        ("messages", "tools"),
    ],
)
def test_the_sdks_see_no_difference(pair: tuple[Gateway, Gateway], endpoint: str, kind: str, *, stream: bool) -> None:
    body = body_of(endpoint, kind) | {"model": "auto"}
    if endpoint == "messages":
        got, expected = (by_anthropic(gateway, body, stream=stream) for gateway in pair)
    else:
        got, expected = (by_openai(gateway, endpoint, body, stream=stream) for gateway in pair)
    assert differences(got, expected) == []
