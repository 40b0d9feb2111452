"""What the cache needs of a request beside its last turn: earlier turns, their key, tags."""

from collections.abc import Mapping
from typing import Any

from tiergate.hooks.request_parser import content_text, digest_context

MAX_TAGS = 16
MAX_TAG_CHARACTERS = 200
_SYSTEM = ("system", "developer")


def parse_conversation(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields `earlier`, `system_key` and `tags` of a `Request`.

    Args:
        data: LiteLLM's request data.
    """
    sent = data.get("messages")
    messages = [message for message in sent if isinstance(message, dict)] if isinstance(sent, list) else []
    earlier = [message for message in messages[:-1] if message.get("role") not in _SYSTEM]
    return {
        "earlier": tuple((str(message.get("role")), content_text(message.get("content"))) for message in earlier),
        "system_key": digest_context(data, [message for message in messages[:-1] if message.get("role") in _SYSTEM]),
        "tags": parse_tags(data.get("metadata")),
    }


def parse_tags(metadata: Any) -> tuple[str, ...]:
    """Return the request's own tags (`metadata.tags`), which an answer can be invalidated by."""
    tags = metadata.get("tags") if isinstance(metadata, Mapping) else None
    if not isinstance(tags, list):
        return ()
    texts = [tag for tag in tags if isinstance(tag, str) and 0 < len(tag) <= MAX_TAG_CHARACTERS]
    return tuple(dict.fromkeys(texts))[:MAX_TAGS]
