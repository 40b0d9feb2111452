"""An answer as the chat completion that the store keeps, whichever endpoint it came by."""

from collections.abc import Mapping
from typing import Any

from tiergate.exchange import Answer
from tiergate.policy.money import Usage


def write_stored_body(answer: Answer, usage: Usage | None, model: str) -> Mapping[str, Any]:
    """Return a text answer in chat-completions shape; LiteLLM writes it for the endpoint that asks.

    Args:
        answer: A complete answer of text alone.
        usage: Its tokens.
        model: Model that answered.
    """
    usage = usage or Usage(prompt_tokens=0, completion_tokens=0)
    return {
        "object": "chat.completion",
        "model": model,
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": answer.text}},
        ],
        "usage": {
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        },
    }
