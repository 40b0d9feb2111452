"""The JSON endpoints under /tiergate."""

import math
import time
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, HTTPException, Query
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
from pydantic import BaseModel, ConfigDict, Field, model_validator

from tiergate.adapters.decision_feedback import FeedbackRow
from tiergate.adapters.decision_search import Cursor
from tiergate.errors import DecisionLogError, StoreError
from tiergate.http.access import VIEWERS, require_admin, require_viewer, role_of
from tiergate.http.dashboard import Dashboard, NotInvalidatedError, WrongHit
from tiergate.ports import Invalidation

MAX_HOURS = 400 * 24
Tags: list[Any] = ["tiergate"]


class FeedbackBody(BaseModel):
    """What a user says of an answer."""

    model_config = ConfigDict(extra="forbid")

    decision_id: str = Field(min_length=1, max_length=200)
    score: float | None = Field(default=None, ge=0, le=1, allow_inf_nan=False)
    wrong_cache_hit: bool = False
    comment: str = Field(default="", max_length=4000)

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.score is None and not self.wrong_cache_hit:
            raise ValueError("give score (0 to 1) or wrong_cache_hit: true")
        return self


class InvalidateBody(BaseModel):
    """Which stored answers have to go; exactly one of the last four."""

    model_config = ConfigDict(extra="forbid")

    scope: str | None = None
    prompt: str | None = None
    entry_id: str | None = None
    older_than_s: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    all: Literal[True] | None = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if sum(value is not None for value in (self.prompt, self.entry_id, self.older_than_s, self.all)) != 1:
            raise ValueError("give exactly one of prompt, entry_id, older_than_s and all")
        return self


class DecisionQuery(BaseModel):
    """Filters of the list of decisions. `before` continues a list: `ts` and id of its last decision."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=500)
    since: float | None = None
    until: float | None = None
    before: str | None = Field(default=None, pattern=r"^[0-9.eE+-]+,.+$")
    final_tier: str | None = None
    domain: str | None = None
    cache_outcome: str | None = None
    gate_outcome: str | None = None
    status: str | None = None
    experiment: str | None = None
    arm: str | None = None
    tenant: str | None = None
    call_id: str | None = None

    def cursor(self) -> Cursor | None:
        """Return where the list goes on; None at its beginning.

        Raises:
            ValueError: The time is no number.
        """
        if self.before is None:
            return None
        ts, _, decision_id = self.before.partition(",")
        return Cursor(ts=float(ts), decision_id=decision_id)

    def where(self) -> dict[str, str]:
        """Return the columns to filter on."""
        names = set(DecisionQuery.model_fields) - {"limit", "since", "until", "before"}
        return {name: value for name in sorted(names) if (value := getattr(self, name)) is not None}


def build_router(dashboard: Dashboard) -> APIRouter:
    """Return the endpoints over one proxy's dashboard."""
    router = APIRouter(prefix="/tiergate", tags=Tags)
    _add_reading(router, dashboard)
    _add_writing(router, dashboard)
    return router


def _add_reading(router: APIRouter, dashboard: Dashboard) -> None:
    @router.get("/health")
    async def health() -> dict[str, Any]:
        return dashboard.describe_health()

    @router.get("/api/summary", dependencies=[Depends(require_viewer)])
    async def summary(hours: Annotated[int, Query(ge=1, le=MAX_HOURS)] = 24) -> dict[str, Any]:
        try:
            return await dashboard.summarise(hours)
        except DecisionLogError as exc:
            raise _unavailable(exc) from exc

    @router.get("/api/decisions", dependencies=[Depends(require_viewer)])
    async def decisions(query: Annotated[DecisionQuery, Query()]) -> dict[str, Any]:
        return await _search(dashboard, query)

    @router.get("/api/decisions/{decision_id}", dependencies=[Depends(require_viewer)])
    async def decision(decision_id: str) -> dict[str, Any]:
        try:
            row = await dashboard.find(decision_id)
        except DecisionLogError as exc:
            raise _unavailable(exc) from exc
        if row is None:
            raise HTTPException(404, {"error": "there is no such decision in the log"})
        return row


async def _search(dashboard: Dashboard, query: DecisionQuery) -> dict[str, Any]:
    between = None
    if query.since is not None or query.until is not None:
        between = query.since or 0.0, math.inf if query.until is None else query.until
    try:
        rows = await dashboard.reader.search(
            limit=query.limit, after=query.cursor(), between=between, where=query.where()
        )
    except ValueError as exc:
        raise HTTPException(422, {"error": "`before` is the time and the id of a decision: TS,ID"}) from exc
    except DecisionLogError as exc:
        raise _unavailable(exc) from exc
    more = len(rows) == query.limit
    return {
        "decisions": [_shorten(row) for row in rows],
        "before": f"{rows[-1]['ts']!r},{rows[-1]['decision_id']}" if rows and more else None,
    }


def _add_writing(router: APIRouter, dashboard: Dashboard) -> None:
    @router.post("/feedback")
    async def feedback(body: FeedbackBody, identity: Annotated[Any, Depends(user_api_key_auth)]) -> dict[str, Any]:
        try:
            row = await dashboard.await_decision(body.decision_id)
            # The same answer for "none" and "not yours": an id tells nothing to those it is not for.
            if row is None or not (role_of(identity) in VIEWERS or dashboard.owns(identity, row)):
                raise HTTPException(404, {"error": "there is no such decision of this key"})
            if body.wrong_cache_hit and row["cache"]["outcome"] != "hit":
                raise HTTPException(409, {"error": "the answer of this decision did not come from the cache"})
            wrong = await dashboard.take_feedback(FeedbackRow(**body.model_dump(), source="user", ts=time.time()), row)
        except (DecisionLogError, StoreError) as exc:
            raise _unavailable(exc) from exc
        told = {"decision_id": body.decision_id, "recorded": True, "removed": 0}
        return told if wrong is None else told | _tell_recall(wrong, whole=role_of(identity) in VIEWERS)

    @router.post("/cache/invalidate", dependencies=[Depends(require_admin)])
    async def invalidate(body: InvalidateBody) -> dict[str, Any]:
        invalidation = Invalidation(
            tenant=body.scope,
            prompt=body.prompt,
            entry_id=body.entry_id,
            older_than_s=body.older_than_s,
            everything=body.all is True,
        )
        try:
            return {"removed": await dashboard.invalidate(invalidation)}
        except NotInvalidatedError as exc:
            raise HTTPException(501, {"error": "this policy's answer store cannot remove answers"}) from exc
        except StoreError as exc:
            raise _unavailable(exc) from exc


def _tell_recall(wrong: WrongHit, *, whole: bool) -> dict[str, Any]:
    """Return what became of a wrong hit; who else was served from it is for those who may read every decision."""
    told: dict[str, Any] = {"removed": wrong.removed, "served_count": len(wrong.served)}
    return told | {"served": list(wrong.served)} if whole else told


def _unavailable(exc: Exception) -> HTTPException:
    return HTTPException(503, {"error": str(exc)})


def _shorten(row: dict[str, Any]) -> dict[str, Any]:
    """Return what a list shows of a decision: no embedding, no prompt, no calls."""
    kept = (
        "decision_id", "ts", "entry_model", "final_tier", "cost_usd", "saved_usd", "latency_ms", "status", "experiment",
        "arm", "feedback",
    )  # fmt: skip
    short = {name: row.get(name) for name in kept}
    for part, names in {
        "cache": ("outcome", "reason", "similarity"),
        "route": ("tier", "reason", "score", "domain"),
        "gate": ("outcome", "reason", "confidence"),
    }.items():
        short[part] = {name: (row.get(part) or {}).get(name) for name in names}
    return short
