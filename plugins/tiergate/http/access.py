"""Who may see and do what: LiteLLM says who the caller is, this says whether that is enough."""

from typing import Annotated, Any

from fastapi import Depends, HTTPException
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth

ADMIN = "proxy_admin"
VIEWERS = frozenset({ADMIN, "proxy_admin_viewer"})
"""Roles of LiteLLM that may look at every decision."""


async def require_viewer(identity: Annotated[Any, Depends(user_api_key_auth)]) -> Any:
    """Let admins of the proxy pass, read-only ones too.

    Raises:
        HTTPException: 403 for everyone else.
    """
    if role_of(identity) not in VIEWERS:
        raise HTTPException(403, {"error": "only a proxy admin may see this"})
    return identity


async def require_admin(identity: Annotated[Any, Depends(user_api_key_auth)]) -> Any:
    """Let admins of the proxy pass.

    Raises:
        HTTPException: 403 for everyone else.
    """
    if role_of(identity) != ADMIN:
        raise HTTPException(403, {"error": "only a proxy admin may do this"})
    return identity


def role_of(identity: Any) -> str | None:
    """Return LiteLLM's role of a caller as a plain string."""
    role = getattr(identity, "user_role", None)
    value = getattr(role, "value", role)
    return value if isinstance(value, str) else None
