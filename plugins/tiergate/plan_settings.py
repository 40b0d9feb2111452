"""Sections of policy.yaml about the plan of a request: its strategy, what its time is worth, and its session."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tiergate.policy_section import Milliseconds, Seconds, Section

Strategy = Literal["route", "cascade", "auto"]
"""`route` asks one tier, `cascade` lets the gate ask the next, `auto` takes the plan of the lowest expected cost."""


class Hedge(Section):
    """When the stronger tier's call begins before the cheap answer is there; at the first of the two."""

    after_quantile: Annotated[float, Field(gt=0, lt=1)] | None = None
    min_escalation_probability: Annotated[float, Field(gt=0, le=1)] | None = 0.5

    @model_validator(mode="after")
    def _begins(self) -> Self:
        if self.after_quantile is None and self.min_escalation_probability is None:
            raise ValueError(
                "without a start it would never begin; set `after_quantile` or `min_escalation_probability`"
            )
        return self


class Latency(Section):
    """The latency budget of a whole request, and what a second of waiting is worth to `strategy: auto`."""

    p95_budget_ms: Milliseconds | None = None
    hedge: Hedge | None = None
    usd_per_s: Annotated[float, Field(ge=0)] = 0.0


class Session(Section):
    """Whether a session keeps its tier."""

    sticky: bool = False
    ttl_s: Seconds = 3600
