"""What a request and an answer are, parsed once from the host's dictionaries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

Endpoint = Literal["chat_completions", "messages", "responses", "completions"]


class Need(StrEnum):
    """What a request asks of a model, whatever its difficulty."""

    IMAGES = "images"
    AUDIO = "audio"
    TOOLS = "tools"
    JSON_SCHEMA = "json_schema"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One parsed request.

    Attributes:
        call_id: LiteLLM's call id, unique among the requests in flight.
        endpoint: Which API the client used.
        entry_model: What the client put in "model".
        tenant: Hashed identity that answers may be shared with; None when it cannot be established.
        prompt: The last user turn as text; empty when there is none.
        context_key: Digest of everything but the last user turn that changes the answer: system
            prompt, earlier turns, tools, response format, sampling parameters.
        turns: Number of messages that are not system messages.
        stream: Whether the client asked for a stream.
        json_asked: Whether the client asked for JSON.
        has_tools: Whether tools or tool results are in the request.
        text_only: Whether every content part is text.
        choices: Number of answers asked for (`n`).
        max_tokens: Limit of the answer in tokens; None when not given.
        logprobs_asked: Whether the client itself asked for log-probabilities.
        controls: `metadata.tiergate` of the client, allowed by policy.
        needs: What the model must be able to take or give.
        estimated_tokens: Length of the whole prompt in tokens, estimated from its characters.
        turn_key: Digest of the conversation up to the last human turn; the same for every continuation of it.
        continues: Whether tool calls or results stand behind the last human turn.
        stalled: Whether the newest tool calls repeat or fail.
        plan_mode: Whether a coding agent asks for a plan.
        caller: Hashed identity of the one who asks, as narrow as LiteLLM knows it; several may share a tenant.
        system_key: Digest like `context_key`, without the earlier turns.
        earlier: (role, text) of each turn before the last one that is no system prompt.
        tags: Tags of the request, such as the version of a document in it; not part of the match.
        tool_schemas: JSON schema of the arguments of each tool on offer, by name; the client's own objects.
        answer_schema: JSON schema that the answer has to follow; None when none was asked for.
    """

    call_id: str
    endpoint: Endpoint
    entry_model: str
    tenant: str | None
    prompt: str
    context_key: str = ""
    turns: int = 1
    stream: bool = False
    json_asked: bool = False
    has_tools: bool = False
    text_only: bool = True
    choices: int = 1
    max_tokens: int | None = None
    logprobs_asked: bool = False
    controls: Mapping[str, Any] = field(default_factory=dict)
    needs: frozenset[Need] = frozenset()
    estimated_tokens: int = 0
    turn_key: str = ""
    continues: bool = False
    stalled: bool = False
    plan_mode: bool = False
    caller: str | None = None
    system_key: str = ""
    earlier: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    tool_schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    answer_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenLogprob:
    """Log-probability of one generated token, natural logarithm.

    Attributes:
        token: The token's text.
        logprob: Its log-probability.
        top: Log-probabilities of the most probable tokens at this place, the chosen one included where given.
    """

    token: str
    logprob: float
    top: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer of a model, independent of the endpoint's wire format.

    Attributes:
        text: The text of the answer; empty when there is none.
        finish_reason: Why the model stopped, in OpenAI's words (stop, length, tool_calls, content_filter).
        refusal: Whether the provider marked the answer as a refusal.
        logprobs: Per-token log-probabilities; empty when the provider gave none.
        tool_arguments: (tool name, raw JSON arguments) of each tool call.
    """

    text: str
    finish_reason: str | None = None
    refusal: bool = False
    logprobs: Sequence[TokenLogprob] = ()
    tool_arguments: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to a model made for a request; costs in USD, times in milliseconds.

    Attributes:
        tier: Tier the call was made for; None when the request went on unchanged.
        model_group: LiteLLM model group that was asked.
        model: Model that answered.
        provider: Provider that answered.
        fallback_from: Model group or deployment that failed before; None without a fallback.
        prompt_tokens: Tokens of the prompt.
        completion_tokens: Tokens of the answer.
        cached_tokens: Prompt tokens read from the provider's own cache.
        cost_usd: What the call cost.
        ms: How long the call took.
        start_ms: When the call began, counted from the request's arrival; None when not measured.
        status: "ok" or the class name of the error.
        hedge: Whether it began before the weaker answer was there.
    """

    tier: str | None
    model_group: str
    model: str | None = None
    provider: str | None = None
    fallback_from: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    ms: float = 0.0
    start_ms: float | None = None
    status: str = "ok"
    hedge: bool = False
