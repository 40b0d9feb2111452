"""LiteLLM's response -> `Answer`, `Usage` and `Call`."""

from collections.abc import Mapping, Sequence
from typing import Any

from tiergate.exchange import Answer, Call, TokenLogprob
from tiergate.policy.money import Usage

CHUNK_FIELDS = ("system_fingerprint", "service_tier")
"""What every chunk of a provider's stream names."""


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
    tokens = _get(logprobs, "content") or ()
    parsed = []
    for token in tokens if isinstance(tokens, Sequence) else ():
        logprob = _get(token, "logprob")
        if isinstance(logprob, int | float):
            others = _get(token, "top_logprobs")
            top = tuple(
                float(value)
                for value in (_get(other, "logprob") for other in (others if isinstance(others, Sequence) else ()))
                if isinstance(value, int | float)
            )
            parsed.append(TokenLogprob(token=str(_get(token, "token") or ""), logprob=float(logprob), top=top))
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
    usage = getattr(response, "usage", None)
    if usage is None:
        return None
    return Usage(
        prompt_tokens=int(_get(usage, "prompt_tokens") or 0),
        completion_tokens=int(_get(usage, "completion_tokens") or 0),
    )


def parse_call(response: Any, *, tier: str | None, asked: str, start_ms: float, ms: float) -> Call:
    """Describe the call behind a finished response, with the cost that LiteLLM computed for it.

    Args:
        response: LiteLLM's response.
        tier: Tier the call was made for.
        asked: Model group that was asked; when another one answered, LiteLLM fell back.
        start_ms: When the call began, after the request's arrival.
        ms: How long it took.
    """
    hidden = hidden_params(response)
    headers = hidden.get("additional_headers") or {}
    answered = str(headers.get("x-litellm-model-group") or asked)
    usage = parse_usage(response)
    details = _get(getattr(response, "usage", None), "prompt_tokens_details")
    model = hidden.get("litellm_model_name") or getattr(response, "model", None)
    return Call(
        tier=tier,
        model_group=answered,
        model=model,
        # Not every provider of LiteLLM leaves its name; its deployments are named PROVIDER/MODEL.
        provider=hidden.get("custom_llm_provider") or (str(model).partition("/")[0] if "/" in str(model) else None),
        fallback_from=asked if answered != asked else None,
        prompt_tokens=usage.prompt_tokens if usage else 0,
        completion_tokens=usage.completion_tokens if usage else 0,
        cached_tokens=int(_get(details, "cached_tokens") or 0),
        cost_usd=float(hidden.get("response_cost") or 0.0),
        start_ms=start_ms,
        ms=ms,
    )


def hidden_params(response: Any) -> Mapping[str, Any]:
    """Return LiteLLM's hidden parameters of a response as a mapping."""
    hidden = getattr(response, "_hidden_params", None)
    return hidden if isinstance(hidden, Mapping) else {}


def _tool_arguments(tool_calls: Sequence[Any]) -> list[tuple[str, str]]:
    functions = [_get(call, "function") for call in tool_calls]
    return [(str(_get(function, "name") or ""), str(_get(function, "arguments") or "")) for function in functions]


def _get(value: Any, name: str) -> Any:
    """Read a field of a mapping or of an object."""
    return value.get(name) if isinstance(value, Mapping) else getattr(value, name, None)
