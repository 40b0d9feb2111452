"""Sections of policy.yaml about agents, drift, and LiteLLM's complexity router."""

from typing import Annotated

from pydantic import Field

from tiergate.policy_section import Name, Seconds, Section


class HarnessMarker(Section):
    """Opening and closing text of a block that an agent harness puts into user turns."""

    open: str = Field(min_length=1)
    close: str = Field(min_length=1)


class KeywordFloor(Section):
    """The least tier for a prompt that holds one of the phrases."""

    phrases: tuple[Annotated[str, Field(min_length=1)], ...] = Field(min_length=1)
    min_tier: Name


class Agents(Section):
    """How the turns of coding agents are read."""

    harness_markers: tuple[HarnessMarker, ...] = ()
    inherit_turn: bool = True
    plan_mode_min_tier: Name | None = None
    plan_mode_phrases: tuple[str, ...] = ()
    keyword_floors: tuple[KeywordFloor, ...] = ()
    stall_window: int = Field(default=8, ge=1)
    stall_repeats: int = Field(default=3, ge=0)

    def tiers_named(self) -> dict[str, str]:
        """Return the tiers that the section names, by key."""
        named = {f"agents.keyword_floors[{at}].min_tier": f.min_tier for at, f in enumerate(self.keyword_floors)}
        if self.plan_mode_min_tier is not None:
            named["agents.plan_mode_min_tier"] = self.plan_mode_min_tier
        return named


class DriftSettings(Section):
    """Tests of the newest decisions against a reference, in the background."""

    enabled: bool = True
    check_every_s: Seconds = 3600
    reference_rows: Annotated[int, Field(ge=30)] = 1000
    window_rows: Annotated[int, Field(ge=30)] = 300
    min_domain_rows: Annotated[int, Field(ge=10)] = 30
    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.01
    max_escalation_ratio: Annotated[float, Field(gt=0, lt=1)] = 0.05


class ClassifierPluginSettings(Section):
    """What LiteLLM's complexity router calls our tiers, by tier name."""

    tiers: dict[Name, str] = Field(default_factory=dict)

    def tiers_named(self) -> dict[str, str]:
        """Return the tiers that the section names, by key."""
        return {f"classifier_plugin.tiers.{name}": name for name in self.tiers}
