"""What the cache needs of a request beside its last turn: earlier turns, their key, tags."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tiergate.exchange import Endpoint
from tiergate.hooks.conversation import CHAT, CONVERSATIONS
from tiergate.hooks.request_needs import content_text
from tiergate.hooks.request_parser import digest_context
from tiergate.policy.agent_turns import BUILTIN_MARKERS, Marker, find_human_turn

MAX_TAGS = 16
MAX_TAG_CHARACTERS = 200
_SYSTEM = ("system", "developer")


def parse_conversation(
    data: Mapping[str, Any], endpoint: Endpoint = CHAT, *, markers: Sequence[Marker] = BUILTIN_MARKERS
) -> dict[str, Any]:
    """Return the fields `earlier`, `system_key` and `tags` of a `Request`.

    Args:
        data: LiteLLM's request data.
        endpoint: Which API the client used.
        markers: Opening and closing texts of harness blocks, which are no part of the question.
    """
    spoken = CONVERSATIONS[endpoint](data)
    sent = data.get("messages") if endpoint == CHAT else spoken.messages
    messages = sent if isinstance(sent, list) else []
    turn = find_human_turn(spoken.messages, markers)
    asked = spoken.messages[turn.place] if turn is not None else None
    place = next((place for place, each in enumerate(messages) if each is asked), len(messages))
    turns = [each for each in messages[:place] if isinstance(each, dict) and each.get("role") not in _SYSTEM]
    rest = [each for each in messages if not any(each is turn for turn in turns)]
    question = asked if asked is not None else {}
    without = replace(spoken, messages=[each for each in rest if isinstance(each, dict)])
    seen = {**data, "messages": rest} if endpoint == CHAT else data
    return {
        "earlier": tuple((str(turn.get("role")), content_text(turn.get("content"))) for turn in turns),
        "system_key": digest_context(
            seen, question, without, endpoint=endpoint, harness=turn.harness if turn is not None else ""
        ),
        "tags": parse_tags(data.get("metadata")),
    }


def parse_tags(metadata: Any) -> tuple[str, ...]:
    """Return the request's own tags (`metadata.tags`), which an answer can be invalidated by."""
    tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
    if not isinstance(tags, list):
        return ()
    texts = [tag for tag in tags if isinstance(tag, str) and 0 < len(tag) <= MAX_TAG_CHARACTERS]
    return tuple(dict.fromkeys(texts))[:MAX_TAGS]
