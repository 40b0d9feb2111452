"""LiteLLM's own Router: asking a group, its price, and what its models can do."""

from typing import Any

import pytest
from litellm import Router

from tiergate.adapters.litellm_models import LiteLLMModels
from tiergate.errors import EscalationError

BODY = {"messages": [{"role": "user", "content": "hi"}], "model": "auto", "stream": True, "temperature": 0.5}


@pytest.fixture(scope="module")
def router() -> Router:
    def group(name: str, model: str, info: dict[str, Any] | None = None, **params: Any) -> dict[str, Any]:
        settings = {"model": model, "api_key": "none", **params}
        return {"model_name": name, "litellm_params": settings, "model_info": info or {}}

    price = {
        "input_cost_per_token": 0.001,
        "output_cost_per_token": 0.002,
        "cache_read_input_token_cost": 0.0001,
    }
    return Router(
        model_list=[
            group("tier-good", "openai/gpt-4o-mini", {"id": "good", **price}, mock_response="Hello."),
            group("tier-bad", "openai/gpt-4o-mini", {"id": "bad"}, mock_response="litellm.RateLimitError"),
            group("tier-odd", "openai/a-model-of-our-own", {"id": "odd"}),
        ],
        num_retries=0,
    )


async def test_a_group_answers_as_a_call_of_its_own_without_a_stream(router: Router) -> None:
    metadata: dict[str, Any] = {"user_api_key": "hash"}
    response = await LiteLLMModels(lambda: router).ask(BODY, metadata, "tier-good", "call-2", {"temperature": 0.1})
    assert response.choices[0].message.content == "Hello."
    assert metadata["user_api_key"] == "hash"


async def test_trouble_of_the_group_is_an_escalation_error(router: Router) -> None:
    models = LiteLLMModels(lambda: router)
    for group in ("tier-bad", "tier-none"):
        with pytest.raises(EscalationError, match=group):
            await models.ask(BODY, {}, group, "call-2", {})
    with pytest.raises(EscalationError, match="no router"):
        await LiteLLMModels(lambda: None).ask(BODY, {}, "tier-good", "call-2", {})


async def test_the_second_call_inherits_nothing_of_the_first_but_its_body() -> None:
    sent: dict[str, Any] = {}

    class Recording:
        def get_model_list(self, model_name: str) -> list[Any]:
            assert model_name == "tier-good"
            return []

        async def acompletion(self, **kwargs: Any) -> str:
            sent.update(kwargs)
            return "answer"

    body = BODY | {"litellm_call_id": "call-1", "metadata": {"a": 1}, "litellm_logging_obj": object()}
    await LiteLLMModels(Recording).ask(body, {"b": 2}, "tier-good", "call-2", {"temperature": 0.1, "seed": 7})
    assert sent == {
        "messages": BODY["messages"],
        "temperature": 0.5,
        "seed": 7,
        "model": "tier-good",
        "metadata": {"b": 2},
        "litellm_call_id": "call-2",
        "stream": False,
    }


def test_prices_are_those_of_the_config(router: Router) -> None:
    models = LiteLLMModels(lambda: router)
    price = models.price("tier-good")
    assert price is not None
    assert (price.input_usd, price.output_usd, price.cached_input_usd) == (0.001, 0.002, 0.0001)
    assert models.price("tier-none") is None
    assert LiteLLMModels(lambda: None).price("tier-good") is None


def test_a_model_that_nobody_knows_has_no_price(router: Router) -> None:
    price = LiteLLMModels(lambda: router).price("tier-odd")
    assert price is None or (price.input_usd, price.output_usd) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("model", "supported"), [("openai/gpt-4o-mini", True), ("anthropic/claude-sonnet-4-5", False), ("", False)]
)
def test_who_gives_logprobs(model: str, supported: bool) -> None:  # noqa: FBT001
    assert LiteLLMModels(lambda: None).supports_logprobs(model) is supported


def test_what_a_group_can_take_comes_from_model_info() -> None:
    def deployment(group: str, model: str, **info: Any) -> dict[str, Any]:
        return {"model_name": group, "litellm_params": {"model": model, "api_key": "none"}, "model_info": info}

    router = Router(
        model_list=[
            deployment("sees", "openai/gpt-4o"),
            deployment("blind", "openai/gpt-3.5-turbo"),
            deployment("mixed", "openai/gpt-4o", id="m1"),
            deployment("mixed", "openai/gpt-3.5-turbo", id="m2"),
            deployment("own", "openai/of-our-own", input_cost_per_token=0.001, output_cost_per_token=0.001),
            deployment("told", "openai/of-our-own-2", supports_vision=False, max_input_tokens=100),
        ]
    )
    models = LiteLLMModels(lambda: router)
    sees, blind, mixed, own, told = (models.facts(group) for group in ("sees", "blind", "mixed", "own", "told"))
    assert sees is not None
    assert (sees.images, sees.audio, sees.tools, sees.json_schema) == (True, False, True, True)
    assert blind is not None
    assert (blind.images, blind.tools) == (False, True)
    assert mixed is not None
    assert (mixed.images, mixed.max_input_tokens) == (False, blind.max_input_tokens)
    assert own is not None
    assert (own.images, own.max_input_tokens) == (None, None)
    assert told is not None
    assert (told.images, told.tools, told.max_input_tokens) == (False, None, 100)
    assert models.facts("nobody") is None
    assert models.facts("sees") is sees


def test_what_is_learned_of_log_probabilities_ends_the_second_try() -> None:
    params = {"model": "openai/gpt-4o-mini", "api_key": "none"}
    router = Router(
        model_list=[{"model_name": "group", "litellm_params": params}],
        model_group_retry_policy={"group": {"TimeoutErrorRetries": 3}, "other": {"TimeoutErrorRetries": 1}},
    )
    models = LiteLLMModels(lambda: router)
    assert models.retry_without_logprobs("group") == {
        "model_group_retry_policy": {
            "group": {
                "ContentPolicyViolationErrorRetries": 0, "TimeoutErrorRetries": 3, "BadRequestErrorRetries": 1,
            },
            "other": {"TimeoutErrorRetries": 1},
        }
    }  # fmt: skip
    assert models.retry_without_logprobs("nobody") == {}
    models.note_logprobs("openai/gpt-4o-mini", refused=False)
    assert models.supports_logprobs("openai/gpt-4o-mini")
    assert models.retry_without_logprobs("group") == {}
    models.note_logprobs("openai/gpt-4o-mini", refused=True)
    assert not models.supports_logprobs("openai/gpt-4o-mini")
    assert models.retry_without_logprobs("group") == {}
    assert LiteLLMModels(lambda: None).retry_without_logprobs("group") == {}
