"""LiteLLM's ClassifierPlugin protocol over the same stage, recorded and ungated."""

from typing import Any

import pytest
from litellm.types.router import ClassifierPlugin as Protocol
from litellm.types.router import RoutingContext
from tests.unit.hooks.conftest import Bench, build_bench, policy_of

from tiergate.errors import ClassifierError
from tiergate.hooks.classifier_plugin import ClassifierPlugin, host_tier


def context(prompt: str, **metadata: Any) -> RoutingContext:
    messages: list[dict[str, object]] = [{"role": "user", "content": prompt}]
    return RoutingContext(raw_messages=messages, structured_messages=messages, candidate_models=[], metadata=metadata)


async def test_it_names_the_tier_and_records_the_decision(bench: Bench) -> None:
    plugin = ClassifierPlugin(lambda: bench.pipeline)
    assert isinstance(plugin, Protocol)
    prompt = "<system-reminder>x</system-reminder>What is the capital of France?"
    assert await plugin.classify(context(prompt, user_api_key_hash="k", model_group="smart")) == "simple"
    row = bench.row
    assert (row["entry_model"], row["route"]["tier"], row["gate"]["reason"]) == ("smart", "simple", "disabled")
    assert row["tenant"] is not None
    assert bench.embedder.calls == ["What is the capital of France?"]


async def test_without_a_tier_the_host_falls_back() -> None:
    bench = build_bench(intent_router={"enabled": False})
    assert await ClassifierPlugin(lambda: bench.pipeline).classify(context("hello")) is None


@pytest.mark.swallows
async def test_trouble_of_the_classifier_lets_the_host_fall_back() -> None:
    bench = build_bench(domains={}, semantic_cache={"enabled": False})
    bench.classifier.failure = ClassifierError("gone")
    assert await ClassifierPlugin(lambda: bench.pipeline).classify(context("hello")) == "reasoning"
    assert bench.row["errors"] == {} or "intent_router" in bench.row["errors"]


def test_the_names_of_the_hosts_tiers() -> None:
    assert [host_tier(name, policy_of()) for name in ("simple", "medium", "frontier")] == [
        "simple",
        "medium",
        "reasoning",
    ]
    named = policy_of(classifier_plugin={"tiers": {"frontier": "COMPLEX"}})
    assert host_tier("frontier", named) == "COMPLEX"
