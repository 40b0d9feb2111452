"""Sections of policy.yaml about finding out: experiments, exploration, grading; and what every section is made of."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
Milliseconds = Annotated[float, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]*$")]


class Section(BaseModel):
    """A section of policy.yaml: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class QualityJudge(Section):
    """A sample of answers is graded in the background against the baseline tier's answer."""

    model_group: str = Field(min_length=1)
    share: Share = 0.01
    max_usd_per_day: Annotated[float, Field(gt=0)] = 1.0


MAX_EXPLORATION = 0.2


class Exploration(Section):
    """Share of routed requests whose tier is drawn at random, so that other policies can be estimated from the log."""

    share: Annotated[float, Field(ge=0, le=MAX_EXPLORATION)] = 0.0


class Guardrails(Section):
    """What stops an arm. Each bound counts once the arm's confidence sequence is wholly beyond it."""

    min_quality: Share | None = None
    max_cost_usd: Annotated[float, Field(gt=0)] | None = None
    max_error_ratio: Share | None = None


class Experiment(Section):
    """Arms of policy overrides, by dotted key; the first arm is the control."""

    name: Name
    unit: Literal["key", "user", "session"] = "key"
    arms: dict[Name, dict[str, Any]] = Field(min_length=2)
    weights: dict[Name, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    ramp: Share = 1.0
    salt: str = ""
    stopped: tuple[Name, ...] = ()
    guardrails: Guardrails = Guardrails()

    @property
    def control(self) -> str:
        """The first arm."""
        return next(iter(self.arms))

    @model_validator(mode="after")
    def _arms_exist(self) -> Self:
        for name in (*self.weights, *self.stopped):
            if name not in self.arms:
                raise ValueError(f"{name!r} is no arm; use one of: {', '.join(self.arms)}")
        if self.control in self.stopped:
            raise ValueError(f"the first arm {self.control!r} is the control and cannot be stopped; end the experiment")
        return self
