"""Sessions: what belongs together, where its tier may go, and when a task runs in circles."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tiergate.decisions import Reason, RouteDecision
from tiergate.settings import Policy

MIN_REPEATS: Final = 2
"""The same failing tool call this often in a row is a loop."""
_FAILURE = re.compile(
    r"\A\s*(?:\w+(?:error|exception)\b|error\b|exception\b|traceback\b|failed\b|failure\b|invalid\b|fatal\b|not found\b"
    r"|permission denied|command not found)"
    r"|\bexit (?:code|status) [1-9]|\"(?:error|is_error)\"\s*:\s*(?:true|\"|\{)",
    re.IGNORECASE,
)
_LOOKED_AT_CHARS = 2_000


def name_session(tenant: str | None, *, given: str | None, opening: Sequence[Any], turns: int) -> str | None:
    """Return the hashed name of a request's session, 32 hexadecimal digits; None when it belongs to none.

    Args:
        tenant: Who asks: sessions of two tenants never meet.
        given: Session id that the client or LiteLLM names; None when there is none.
        opening: How the conversation begins; it stays the same while the conversation grows.
        turns: Turns so far; with fewer than one there is no conversation.
    """
    if given is None and turns < 1:
        return None
    name = ["id", given] if given is not None else ["opening", *opening]
    text = json.dumps([tenant, *name], sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def decide_session_tier(
    route: RouteDecision, policy: Policy, *, session_tier: str | None, looping: bool
) -> RouteDecision:
    """Raise the tier of a routed request to its session's, and by one more when its task runs in circles.

    A tier is never lowered: the provider's cached prompt would be lost, and the user would see the quality drop.

    Args:
        route: How the request was routed on its own.
        policy: The whole policy.
        session_tier: The highest tier that has answered in the session; None for a new one.
        looping: Whether the task repeats a failing tool call.
    """
    names = policy.tier_names
    if route.tier is None:
        return route
    place, reason = names.index(route.tier), route.reason
    if session_tier is not None and names.index(session_tier) > place:
        place, reason = names.index(session_tier), Reason.SESSION_STICKY
    if looping and place + 1 < len(names):
        place, reason = place + 1, Reason.FAILING_TOOL_LOOP
    if names[place] == route.tier:
        return route
    return replace(route, tier=names[place], reason=reason, score=route.scores.get(names[place]))


def is_looping(calls: Sequence[tuple[str, str, bool]]) -> bool:
    """Tell whether a conversation ends in the same failing tool call again and again.

    Args:
        calls: (tool, arguments, failed) of each tool call, oldest first.
    """
    last = calls[-MIN_REPEATS:]
    return len(last) == MIN_REPEATS and all(call[2] for call in last) and len({call[:2] for call in last}) == 1


def reads_as_failure(text: str) -> bool:
    """Tell whether a tool's result reads like an error."""
    return _FAILURE.search(text[:_LOOKED_AT_CHARS]) is not None


def canonical_arguments(arguments: Any) -> str:
    """Return arguments in one spelling, so that the same call is seen as the same."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return " ".join(arguments.split())
    return json.dumps(arguments, sort_keys=True, default=str) if isinstance(arguments, Mapping) else str(arguments)
