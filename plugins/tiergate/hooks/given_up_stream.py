"""A stream that was given up for a stronger tier's: LiteLLM is told what had come, so that it prices and logs it."""

from collections.abc import Sequence
from typing import Any

from tiergate.hooks.answer_format import FORMATS
from tiergate.hooks.conversation import CHAT
from tiergate.hooks.in_flight import InFlight
from tiergate.stages.failopen import suppressed


def can_log(entry: InFlight) -> bool:
    """Tell whether LiteLLM can be told: of chat completions, whose chunks amount to an answer at any place."""
    host = entry.hosts.get(entry.request.call_id)
    return entry.request.endpoint == CHAT and hasattr(host, "dispatch_success_handlers")


async def log_given_up(entry: InFlight, chunks: Sequence[Any]) -> None:
    """Have LiteLLM log the first call as the chunks that came of it.

    LiteLLM logs a stream at its end, and one that is closed before has none: neither the key's spend nor its budget
    would hold what the provider charges. The tokens of the prompt are counted by LiteLLM's own tokenizer.

    Args:
        entry: The request.
        chunks: What came of the first call's stream.
    """
    with suppressed("stream"):
        response = FORMATS[entry.request.endpoint].assemble(chunks, entry.body.get("messages"))
        if response is not None:
            host = entry.hosts[entry.request.call_id]
            await host.dispatch_success_handlers(
                response, cache_hit=False, start_time=None, end_time=None, prefer_async_handlers=True
            )
