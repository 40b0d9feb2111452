"""LiteLLM's authenticated identity -> the tenant that answers are shared with."""

import hashlib
from typing import Any

from tiergate.exchange import Request
from tiergate.settings import SemanticCache


def identify_tenant(identity: Any, settings: SemanticCache) -> str | None:
    """Return the hashed tenant of a caller in the cache's scope, or None when it cannot be established.

    Only what LiteLLM authenticated counts, never what the client writes in the request. The one
    exception is `end_user`, which LiteLLM itself takes from the body: it only narrows the caller's key.

    Args:
        identity: LiteLLM's UserAPIKeyAuth.
        settings: The cache's policy.
    """
    if settings.scope == "global":
        return hash_identity("global", "")
    key = getattr(identity, "token", None) or getattr(identity, "api_key", None)
    parts = {
        "key": (key,),
        "team": (getattr(identity, "team_id", None),),
        "user": (getattr(identity, "user_id", None),),
        "end_user": (key, getattr(identity, "end_user_id", None)),
    }[settings.scope]
    if not all(isinstance(part, str) and part for part in parts):
        return None
    return hash_identity(settings.scope, "\x1f".join(str(part) for part in parts))


def identify_caller(identity: Any, settings: SemanticCache) -> str | None:
    """Return the hashed caller within the tenant, whose word counts once when an answer is confirmed.

    In scope `global` that is the team where there is one, in scope `team` the user: many keys of one do not confirm
    each other.

    Args:
        identity: LiteLLM's UserAPIKeyAuth.
        settings: The cache's policy.
    """
    key = getattr(identity, "token", None) or getattr(identity, "api_key", None)
    user, team = getattr(identity, "user_id", None), getattr(identity, "team_id", None)
    kinds = {"global": (("team", team), ("user", user), ("key", key)), "team": (("user", user), ("key", key))}
    for kind, name in kinds.get(settings.scope, (("key", key),)):
        if isinstance(name, str) and name:
            return hash_identity(f"caller {kind}", name)
    return None


def identify_unit(identity: Any, request: Request, unit: str) -> str | None:
    """Return what an experiment assigns by: the authenticated key or user, or the session the client names.

    Args:
        identity: LiteLLM's UserAPIKeyAuth.
        request: Its `session_id` control names the session, within the caller's key.
        unit: key, user or session.
    """
    key = getattr(identity, "token", None) or getattr(identity, "api_key", None)
    if unit == "session":
        session = request.controls.get("session_id")
        return f"{key}\x1f{session}" if session else None
    found = key if unit == "key" else getattr(identity, "user_id", None)
    return found if isinstance(found, str) and found else None


def hash_identity(scope: str, identity: str) -> str:
    """Return 32 hexadecimal digits that stand for an identity."""
    return hashlib.sha256(f"tiergate\x1f{scope}\x1f{identity}".encode()).hexdigest()[:32]
