"""Sections of policy.yaml about domains: what each overrides."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from tiergate.plan_settings import Strategy
from tiergate.policy_section import Name, Section

MIN_DOMAIN_EXAMPLES = 10
"""A domain of its own needs this many example prompts."""


class Domain(Section):
    """What a domain overrides."""

    start_tier: Name | None = None
    gate: Literal["bypass", "normal"] = "normal"
    strategy: Strategy | None = None
    examples: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    examples_file: Path | None = None
    min_recall: Annotated[float, Field(gt=0, le=1)] = 0.99

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.examples and self.examples_file is not None:
            raise ValueError("examples and examples_file exclude each other; keep one")
        if self.examples and len(self.examples) < MIN_DOMAIN_EXAMPLES:
            raise ValueError(f"{len(self.examples)} examples are too few; give at least {MIN_DOMAIN_EXAMPLES}")
        return self

    @model_validator(mode="after")
    def _has_a_choice(self) -> Self:
        if self.strategy == "cascade" and self.gate == "bypass":
            raise ValueError("strategy cascade needs the gate, which gate bypass skips; keep one")
        if self.strategy == "auto" and self.start_tier is not None:
            raise ValueError("strategy auto chooses the tier, which start_tier has chosen; keep one")
        return self

    @property
    def has_examples(self) -> bool:
        """Whether the domain is defined by examples of its own."""
        return bool(self.examples) or self.examples_file is not None


def find_idle_strategy(domain: Domain, *, strongest_tier: str, routed: bool, escalates: bool) -> tuple[str, str] | None:
    """Return why a domain's strategy could never come to anything, and the fix; None where it can, or has none.

    Args:
        domain: The domain.
        strongest_tier: The last tier.
        routed: Whether requests are classified.
        escalates: Whether the gate may escalate anything.
    """
    if domain.strategy is None:
        return None
    if not routed:
        problem = "domains are recognised by the intent router, which is off"
        return problem, "set intent_router.enabled: true, or leave the strategy out"
    if domain.strategy != "cascade":
        return None
    if domain.start_tier == strongest_tier:
        problem = f"a cascade that starts at {domain.start_tier!r} has no stronger tier to go to"
        return problem, "start at a cheaper tier, or say strategy: route"
    if not escalates:
        problem = "a cascade needs the confidence gate, which is off or may not escalate"
        return problem, "set confidence_gate.enabled: true and max_escalations: 1, or say strategy: route"
    return None
