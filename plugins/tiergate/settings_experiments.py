"""Sections of policy.yaml about finding out: experiments, exploration, grading."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from tiergate.policy_section import Name, Section, Share


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
