"""A provider that refuses log-probabilities is asked again without them, once; then it is asked without."""

from typing import Any

import pytest

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]


def refusing(config: dict[str, Any]) -> None:
    group = next(item for item in config["model_list"] if item["model_name"] == "tier-simple")
    group["litellm_params"]["model"] = "openai/plain-1"
    config["router_settings"].pop("fallbacks")


def all_simple(policy: dict[str, Any]) -> None:
    policy["intent_router"]["min_quality"] = 0.0
    policy["domains"] = {}


def test_a_refusal_is_learned_at_the_first_request(start_gateway: Any) -> None:
    with start_gateway(config=refusing, policy=all_simple) as gateway:
        seen = []
        for number in range(3):
            body, headers = gateway.ask(f"What is the capital of country {number}?")
            assert body["status"] == 200, body
            seen.append([call["status"] for call in gateway.record(headers["decision-id"])["calls"]])
        assert seen == [["logprobs_refused", "ok"], ["ok"], ["ok"]]
        asked = [arrival["body"].get("logprobs") for arrival in gateway.first.read_arrivals(prompts=True)["requests"]]
        assert asked == [True, None, None, None]
