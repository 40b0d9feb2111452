"""LiteLLM's Router and price map: asking a model group, its price, and what its models can do."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import litellm
from litellm.exceptions import LITELLM_EXCEPTION_TYPES

from tiergate.errors import EscalationError
from tiergate.exchange import Endpoint
from tiergate.policy.constraints import ModelFacts
from tiergate.policy.money import Price

_logger = logging.getLogger(__name__)

HOST_KEYS = frozenset({"model", "litellm_logging_obj", "litellm_call_id", "stream", "stream_options"})
"""What a second call must not inherit from the first."""

METHODS: Mapping[Endpoint, tuple[str, str]] = {
    "chat_completions": ("acompletion", "metadata"),
    "messages": ("aanthropic_messages", "litellm_metadata"),
    "responses": ("aresponses", "litellm_metadata"),
    "completions": ("atext_completion", "metadata"),
}
"""The Router's method for each endpoint, and the argument that carries LiteLLM's metadata."""


PRICE_AGE_S = 60.0
LOGPROBS_AGE_S = 86_400.0
"""What was learned of a provider's log-probabilities is looked at again after so long."""
_RETRIES, _FILTERED = "BadRequestErrorRetries", "ContentPolicyViolationErrorRetries"


class LiteLLMModels:
    """Model groups of the running proxy.

    Args:
        router: Returns the proxy's Router, which exists only after start-up.
    """

    def __init__(self, router: Callable[[], Any]) -> None:
        self._router = router
        self._prices: dict[str, tuple[float, Price | None]] = {}
        self._facts: dict[str, tuple[float, ModelFacts | None]] = {}
        self._models: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._logprobs: dict[str, tuple[float, bool]] = {}
        self._supports_logprobs = lru_cache(maxsize=1024)(_supports_logprobs)

    def price(self, model_group: str) -> Price | None:
        """Return the price of the group's first deployment that has one, in USD per token.

        LiteLLM takes a fifth of a millisecond to tell, so an answer is kept for a minute.
        """
        now = time.monotonic()
        kept = self._prices.get(model_group)
        if kept is None or now - kept[0] > PRICE_AGE_S:
            kept = self._prices[model_group] = (now, self._look_up_price(model_group))
        return kept[1]

    def _look_up_price(self, model_group: str) -> Price | None:
        router = self._router()
        for deployment in (router.get_model_list(model_name=model_group) if router is not None else None) or ():
            price = _price(router, deployment, model_group)
            if price is not None:
                return price
        return None

    def facts(self, model_group: str) -> ModelFacts | None:
        """Return what every deployment of the group can take, or None when LiteLLM knows none of them.

        LiteLLM may pick any deployment of a group, so the group can do what all of them can. An answer is kept for
        a minute.
        """
        now = time.monotonic()
        kept = self._facts.get(model_group)
        if kept is None or now - kept[0] > PRICE_AGE_S:
            kept = self._facts[model_group] = (now, self._look_up_facts(model_group))
        return kept[1]

    def _look_up_facts(self, model_group: str) -> ModelFacts | None:
        router = self._router()
        deployments = (router.get_model_list(model_name=model_group) if router is not None else None) or ()
        known = [facts for one in deployments if (facts := _facts(router, one, model_group)) is not None]
        if not known:
            return None
        windows = [facts.max_input_tokens for facts in known if facts.max_input_tokens is not None]
        return ModelFacts(
            images=_all_can([facts.images for facts in known]),
            audio=_all_can([facts.audio for facts in known]),
            tools=_all_can([facts.tools for facts in known]),
            json_schema=_all_can([facts.json_schema for facts in known]),
            max_input_tokens=min(windows, default=None),
        )

    def supports_logprobs(self, model: str) -> bool:
        """Tell whether a model gives token log-probabilities: by LiteLLM's map, unless its provider refused them."""
        return self._learned(model) is not False and self._supports_logprobs(model)

    def note_logprobs(self, model: str, *, refused: bool) -> None:
        """Remember for a day whether a model's provider takes a request for token log-probabilities."""
        if refused and self._learned(model) is not False:
            _logger.warning("%s refuses log-probabilities: it is asked without them", model)
        self._logprobs[model] = (time.monotonic(), not refused)

    def retry_without_logprobs(self, model_group: str) -> Mapping[str, Any]:
        """Return Router arguments that try a 400 once more, for a group of which nothing is learned yet.

        LiteLLM does not try a bad request again by itself, and this one may be bad for what was added to it.
        """
        now, router = time.monotonic(), self._router()
        kept = self._models.get(model_group)
        if kept is None or now - kept[0] > PRICE_AGE_S:
            found = (router.get_model_list(model_name=model_group) if router is not None else None) or ()
            names = tuple(str(one.get("litellm_params", {}).get("model", "")) for one in found)
            kept = self._models[model_group] = (now, names)
        if all(self._learned(model) is not None or not self._supports_logprobs(model) for model in kept[1]):
            return {}
        policies = dict(router.model_group_retry_policy or {})
        known = policies.get(model_group) or router.retry_policy or {}
        written = dict(known) if isinstance(known, Mapping) else known.model_dump(exclude_none=True)
        policies[model_group] = {_FILTERED: 0} | written | {_RETRIES: max(1, written.get(_RETRIES) or 0)}
        return {"model_group_retry_policy": policies}

    def _learned(self, model: str) -> bool | None:
        """Return whether the provider takes log-probabilities; None when that was not learned of late."""
        seen = self._logprobs.get(model)
        return None if seen is None or time.monotonic() - seen[0] > LOGPROBS_AGE_S else seen[1]

    async def ask(
        self,
        body: Mapping[str, Any],
        metadata: dict[str, Any],
        model_group: str,
        call_id: str,
        params: Mapping[str, Any],
        *,
        endpoint: Endpoint = "chat_completions",
        stream: bool = False,
    ) -> Any:
        """Send a request to a model group as a call of its own.

        Args:
            body: The request's data as it was before the first call.
            metadata: LiteLLM's metadata as it was then: the caller's key and team; not shared with another call.
            model_group: Whom to ask.
            call_id: The call's own id.
            params: Parameters of the tier, used where the client set none.
            endpoint: API that the client used; the same one is asked again.
            stream: Whether to stream.

        Raises:
            EscalationError: The model group gave no answer.
        """
        router = self._router()
        if router is None:
            raise EscalationError("the proxy has no router yet")
        method, metadata_key = METHODS[endpoint]
        dropped = HOST_KEYS - {"stream_options"} if stream else HOST_KEYS
        request = {**params, **{key: value for key, value in body.items() if key not in dropped}}
        request[metadata_key] = metadata
        if endpoint != "messages":  # an endpoint without log-probabilities
            request.update(self.retry_without_logprobs(model_group))
        try:
            return await getattr(router, method)(**request, model=model_group, litellm_call_id=call_id, stream=stream)
        except _LITELLM_ERRORS as exc:
            raise EscalationError(f"{model_group} gave no answer: {type(exc).__name__}: {exc}") from exc


_LITELLM_ERRORS: tuple[type[Exception], ...] = (
    *LITELLM_EXCEPTION_TYPES,
    asyncio.TimeoutError,
    ValueError,
)


def _price(router: Any, deployment: Mapping[str, Any], model_group: str) -> Price | None:
    try:
        info = router.get_router_model_info(deployment=deployment, received_model_name=model_group)
    except ValueError:  # LiteLLM knows no such model
        return None
    input_usd, output_usd = info.get("input_cost_per_token"), info.get("output_cost_per_token")
    if input_usd is None or output_usd is None:
        return None
    cached_usd = info.get("cache_read_input_token_cost")
    return Price(
        input_usd=float(input_usd),
        output_usd=float(output_usd),
        cached_input_usd=None if cached_usd is None else float(cached_usd),
    )


def _supports_logprobs(model: str) -> bool:
    provider, _, name = model.partition("/")
    supported = litellm.get_supported_openai_params(model=name or model, custom_llm_provider=provider if name else None)
    return supported is not None and "logprobs" in supported and "top_logprobs" in supported


def _facts(router: Any, deployment: Mapping[str, Any], model_group: str) -> ModelFacts | None:
    """Return what LiteLLM's model info says of a deployment.

    The price map lists what a model can do and leaves out what it cannot, so for a model of the map (it has a
    `mode`) an absent capability is a missing one. For a model that only the user's `model_info` describes, it is
    unknown.
    """
    try:
        info = router.get_router_model_info(deployment=deployment, received_model_name=model_group)
    except ValueError:  # LiteLLM knows no such model
        return None

    def can(key: str) -> bool | None:
        value = info.get(key)
        return bool(value) if value is not None or info.get("mode") else None

    window = info.get("max_input_tokens")
    return ModelFacts(
        images=can("supports_vision"),
        audio=can("supports_audio_input"),
        tools=can("supports_function_calling"),
        json_schema=can("supports_response_schema"),
        max_input_tokens=int(window) if window else None,
    )


def _all_can(values: list[bool | None]) -> bool | None:
    if False in values:
        return False
    return None if None in values else True
