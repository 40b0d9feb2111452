"""Sections of policy.yaml about the plan of a request: its strategy, what its time is worth, and its session."""

from typing import Annotated, Literal

from pydantic import Field

from tiergate.policy_section import Milliseconds, Seconds, Section

Strategy = Literal["route", "cascade", "auto"]
"""`route` asks one tier, `cascade` lets the gate ask the next, `auto` takes the plan of the lowest expected cost."""


class Latency(Section):
    """The latency budget of a whole request, and what a second of waiting is worth to `strategy: auto`."""

    p95_budget_ms: Milliseconds | None = None
    usd_per_s: Annotated[float, Field(ge=0)] = 0.0


class Session(Section):
    """Whether a session keeps its tier."""

    sticky: bool = False
    ttl_s: Seconds = 3600
