import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from litellm.proxy._types import UserAPIKeyAuth
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_reader import DecisionReader
from tiergate.adapters.decision_tables import build_values
from tiergate.hooks.tenant import identify_tenant
from tiergate.http.dashboard import Dashboard
from tiergate.http.mount import mount_dashboard
from tiergate.ports import Invalidation
from tiergate.settings import Policy, Tier

ROLES = {"sk-admin": "proxy_admin", "sk-viewer": "proxy_admin_viewer", "sk-ann": None, "sk-eve": None}
POLICY = Policy(tiers=(Tier(name="simple", model_group="s"), Tier(name="frontier", model_group="f")))


@dataclass(slots=True)
class InvalidatingStore:
    """A store that only notes what it is asked to remove."""

    asked: list[Invalidation] = field(default_factory=list)

    async def invalidate(self, invalidation: Invalidation) -> int:
        self.asked.append(invalidation)
        return 1


@dataclass(slots=True, kw_only=True)
class Site:
    """The routes over a log of their own, with LiteLLM's authentication replaced by a table of keys."""

    client: httpx.AsyncClient
    database: DecisionDatabase
    store: InvalidatingStore
    dashboard: Dashboard

    def write(self, *rows: dict[str, Any]) -> None:
        """Write rows of the record."""
        self.database.upsert([build_values(row, time.time_ns()) for row in rows])

    async def call(self, method: str, path: str, key: str | None, **options: Any) -> httpx.Response:
        """Send a request with a key."""
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return await self.client.request(method, path, headers=headers, **options)


def tenant_of(key: str) -> str:
    tenant = identify_tenant(UserAPIKeyAuth(api_key=key), POLICY.semantic_cache)
    assert tenant is not None
    return tenant


async def authenticate(request: Request) -> UserAPIKeyAuth:
    key = request.headers.get("authorization", "").removeprefix("Bearer ")
    return UserAPIKeyAuth(api_key=key, user_role=ROLES[key])


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    url = f"sqlite:///{tmp_path}/decisions.db"
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    store, reader = InvalidatingStore(), DecisionReader(url)
    state = {"pending": 0, "written": 3, "dropped": 0, "recovered": 0, "torn": 0}
    dashboard = Dashboard(policy_in_force=lambda: POLICY, reader=reader, store=store, log_state=lambda: state)  # type: ignore[arg-type]
    app = FastAPI()

    @app.get("/{path:path}")
    async def anything(path: str) -> dict[str, str]:
        return {"host": path}

    mount_dashboard(app, dashboard)
    app.dependency_overrides[user_api_key_auth] = authenticate
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://proxy") as client:
        yield Site(client=client, database=database, store=store, dashboard=dashboard)
    await reader.aclose()
    database.close()


@pytest.fixture
def build_row() -> Callable[..., dict[str, Any]]:
    """Return a maker of rows in the shape of the decision record."""

    def build(decision_id: str, **changes: Any) -> dict[str, Any]:
        row: dict[str, Any] = {
            "decision_id": decision_id,
            "ts": time.time(),
            "call_id": f"call-{decision_id}",
            "tenant": tenant_of("sk-ann"),
            "entry_model": "auto",
            "cache": {"outcome": "miss", "reason": "no_neighbour", "similarity": 0.2, "entry_id": None},
            "route": {"tier": "simple", "reason": "score_meets_quality", "score": 0.97, "domain": "code"},
            "gate": {"outcome": "trusted", "reason": "confidence_high", "confidence": 0.93},
            "calls": [],
            "final_tier": "simple",
            "cost_usd": 0.001,
            "baseline_cost_usd": 0.01,
            "saved_usd": 0.009,
            "latency_ms": 40.0,
            "overhead_ms": 2.0,
            "status": "ok",
            "embedding": "AACAPwAAgD8=",
        }
        return row | changes

    return build
