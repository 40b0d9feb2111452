"""LiteLLM's response -> `Answer`, `Usage` and `Call`."""

from collections.abc import Mapping, Sequence
from typing import Any

from tiergate.exchange import Answer, Call, TokenLogprob
from tiergate.policy.money import Usage

CHUNK_FIELDS = ("system_fingerprint", "service_tier")
"""What every chunk of a provider's stream names."""
_APART = ("cache_read_input_tokens", "cache_creation_input_tokens")
"""Prompt tokens that Anthropic counts apart from the others."""


def parse_answer(response: Any, *, logprobs: tuple[TokenLogprob, ...] | None = None) -> Answer:
    """Parse a chat completion (ModelResponse): its first choice counts.

    Args:
        response: LiteLLM's response.
        logprobs: Log-probabilities gathered elsewhere (from a stream's chunks); the response's own by default.
    """
    choices = getattr(response, "choices", None) or ()
    if not choices:
        return Answer(text="")
    choice = choices[0]
    message = getattr(choice, "message", None)
    fields = getattr(message, "provider_specific_fields", None) or {}
    refusal = getattr(message, "refusal", None) or (fields.get("refusal") if isinstance(fields, dict) else None)
    return Answer(
        text=getattr(message, "content", None) or refusal or "",
        finish_reason=getattr(choice, "finish_reason", None),
        refusal=bool(refusal),
        logprobs=parse_logprobs(getattr(choice, "logprobs", None)) if logprobs is None else logprobs,
        tool_arguments=tuple(_tool_arguments(getattr(message, "tool_calls", None) or ())),
    )


def parse_logprobs(logprobs: Any) -> tuple[TokenLogprob, ...]:
    """Parse OpenAI's log-probabilities; anything malformed gives fewer tokens, never an error."""
    tokens = read_field(logprobs, "content") or ()
    parsed = []
    for token in tokens if isinstance(tokens, Sequence) else ():
        logprob = read_field(token, "logprob")
        if isinstance(logprob, int | float):
            others = read_field(token, "top_logprobs")
            top = tuple(
                float(value)
                for value in (
                    read_field(other, "logprob") for other in (others if isinstance(others, Sequence) else ())
                )
                if isinstance(value, int | float)
            )
            parsed.append(TokenLogprob(token=str(read_field(token, "token") or ""), logprob=float(logprob), top=top))
    return tuple(parsed)


def strip_logprobs(response: Any) -> None:
    """Remove log-probabilities that the client did not ask for, from an answer or a stream's chunk."""
    for choice in getattr(response, "choices", None) or ():
        if getattr(choice, "logprobs", None) is not None:
            if type(choice).__name__ == "StreamingChoices":
                choice.logprobs = None
            else:
                delattr(choice, "logprobs")


def name_fields(chunk: Any, body: Mapping[str, Any]) -> None:
    """Put what a stored answer says of its provider onto a chunk: a custom provider cannot hand it to LiteLLM."""
    for name in CHUNK_FIELDS:
        if body.get(name) is not None and getattr(chunk, name, None) is None:
            setattr(chunk, name, body[name])


def parse_usage(response: Any) -> Usage | None:
    """Return the tokens of an answer, or None when it states none."""
    usage = read_field(response, "usage")
    if usage is None:
        return None
    own = int(read_field(usage, "input_tokens") or 0) + sum(int(read_field(usage, name) or 0) for name in _APART)
    return Usage(
        prompt_tokens=int(read_field(usage, "prompt_tokens") or 0) or own,
        completion_tokens=int(read_field(usage, "completion_tokens") or read_field(usage, "output_tokens") or 0),
    )


def parse_call(response: Any, *, tier: str | None, asked: str, start_ms: float, ms: float, host: Any = None) -> Call:
    """Describe the call behind a finished response, with the cost that LiteLLM computed for it.

    Args:
        response: LiteLLM's response.
        tier: Tier the call was made for.
        asked: Model group that was asked; when another one answered, LiteLLM fell back.
        start_ms: When the call began, after the request's arrival.
        ms: How long it took.
        host: LiteLLM's logging object of the call: what it knows where the response cannot hold it.
    """
    hidden = hidden_params(response)
    headers = hidden.get("additional_headers") or {}
    answered = str(headers.get("x-litellm-model-group") or asked)
    usage, details = parse_usage(response), getattr(host, "model_call_details", None) or {}
    model = hidden.get("litellm_model_name") or details.get("model") or read_field(response, "model")
    return Call(
        tier=tier,
        model_group=answered,
        model=model,
        # Not every provider of LiteLLM leaves its name; its deployments are named PROVIDER/MODEL.
        provider=hidden.get("custom_llm_provider")
        or details.get("custom_llm_provider")
        or (str(model).partition("/")[0] if "/" in str(model) else None),
        fallback_from=asked if answered != asked else None,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
        cached_tokens=_cached_tokens(read_field(response, "usage")),
        cost_usd=_cost_usd(response, hidden, host),
        start_ms=start_ms,
        ms=ms,
    )


def hidden_params(response: Any) -> Mapping[str, Any]:
    """Return LiteLLM's hidden parameters of a response as a mapping."""
    hidden = read_field(response, "_hidden_params")
    return hidden if isinstance(hidden, Mapping) else {}


def _cost_usd(response: Any, hidden: Mapping[str, Any], host: Any) -> float:
    """Return LiteLLM's cost of a response: beside it, or where that cannot be, from its logging object."""
    cost = hidden.get("response_cost")
    if cost is None and host is not None:
        cost = host.model_call_details.get("response_cost")
        if cost is None:
            cost = host.response_cost_calculator(result=response)
    return float(cost or 0.0)


def _cached_tokens(usage: Any) -> int:
    details = read_field(usage, "prompt_tokens_details") or read_field(usage, "input_tokens_details")
    return int(read_field(details, "cached_tokens") or read_field(usage, "cache_read_input_tokens") or 0)


def _tool_arguments(tool_calls: Sequence[Any]) -> list[tuple[str, str]]:
    functions = [read_field(call, "function") for call in tool_calls]
    return [
        (str(read_field(function, "name") or ""), str(read_field(function, "arguments") or ""))
        for function in functions
    ]


def read_field(value: Any, name: str) -> Any:
    """Read a field of a mapping or of an object."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
