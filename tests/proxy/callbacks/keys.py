"""Keys without a database: `sk-NAME-TEAM` belongs to NAME in TEAM; the master key stays admin.

The name `thrifty` has a budget of a few answers. With TIERGATE_TEST_WORKERS each request adds its process to that file.
"""

import os
from pathlib import Path

from fastapi import HTTPException, Request
from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth

BUDGET_USD = 0.003


async def authenticate(request: Request, api_key: str) -> UserAPIKeyAuth:  # noqa: ARG001  LiteLLM's names
    if told := os.environ.get("TIERGATE_TEST_WORKERS"):
        with Path(told).open("a") as file:  # noqa: ASYNC230  a test's few bytes
            file.write(f"{os.getpid()}\n")
    if api_key == os.environ["LITELLM_MASTER_KEY"]:
        return UserAPIKeyAuth(api_key=api_key, user_role=LitellmUserRoles.PROXY_ADMIN, user_id="admin")
    if api_key == "sk-nobody":
        return UserAPIKeyAuth()
    parts = api_key.removeprefix("sk-").split("-")
    if len(parts) != 2:
        raise HTTPException(401, "unknown key")
    name, team = parts
    budget = BUDGET_USD if name == "thrifty" else None
    return UserAPIKeyAuth(api_key=api_key, user_id=name, team_id=team, max_budget=budget)
