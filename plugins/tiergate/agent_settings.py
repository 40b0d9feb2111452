"""Sections of policy.yaml about agents, and about LiteLLM's complexity router."""

from typing import Annotated

from pydantic import Field

from tiergate.policy_section import Name, Section


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


class ClassifierPluginSettings(Section):
    """What LiteLLM's complexity router calls our tiers, by tier name."""

    tiers: dict[Name, str] = Field(default_factory=dict)

    def tiers_named(self) -> dict[str, str]:
        """Return the tiers that the section names, by key."""
        return {f"classifier_plugin.tiers.{name}": name for name in self.tiers}
