"""Keys without a database: `sk-NAME-TEAM` belongs to NAME in TEAM; the master key stays admin."""

import os

from fastapi import HTTPException, Request
from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth


async def authenticate(request: Request, api_key: str) -> UserAPIKeyAuth:  # noqa: ARG001  LiteLLM's names
    if api_key == os.environ["LITELLM_MASTER_KEY"]:
        return UserAPIKeyAuth(api_key=api_key, user_role=LitellmUserRoles.PROXY_ADMIN, user_id="admin")
    if api_key == "sk-nobody":
        return UserAPIKeyAuth()
    parts = api_key.removeprefix("sk-").split("-")
    if len(parts) != 2:
        raise HTTPException(401, "unknown key")
    name, team = parts
    return UserAPIKeyAuth(api_key=api_key, user_id=name, team_id=team)
