"""What rules a tier out before any score, and what sets a floor under the score.

A tier whose model cannot see images is no candidate for a question about one, however easy it is. Scores never fall
from a tier to a stronger one, so the cheapest tier that fits at or above the scored choice is the cheapest fitting
tier that is good enough.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tiergate.decisions import Reason, RouteDecision
from tiergate.exchange import Need, Request
from tiergate.settings import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What LiteLLM's model info says of a model group; None where it does not say.

    Attributes:
        images: Takes images.
        audio: Takes audio.
        tools: Calls tools.
        json_schema: Follows a JSON schema.
        max_input_tokens: Length of its context window for input, in tokens.
    """

    images: bool | None = None
    audio: bool | None = None
    tools: bool | None = None
    json_schema: bool | None = None
    max_input_tokens: int | None = None

    def lacks(self, need: Need, estimated_tokens: int) -> bool:
        """Tell whether the model is known not to meet a need.

        Args:
            need: What is asked for.
            estimated_tokens: Length of the prompt.
        """
        if need is Need.CONTEXT:
            return self.max_input_tokens is not None and estimated_tokens > self.max_input_tokens
        met = {
            Need.IMAGES: self.images,
            Need.AUDIO: self.audio,
            Need.TOOLS: self.tools,
            Need.JSON_SCHEMA: self.json_schema,
        }[need]
        return met is False


def rule_out(request: Request, facts: Mapping[str, ModelFacts | None]) -> dict[str, str]:
    """Return what each tier that cannot take the request lacks first, by tier name.

    Args:
        request: The request.
        facts: What is known of each tier's model group; None or absent means that nothing is known.
    """
    lacking: dict[str, str] = {}
    for tier, known in facts.items():
        if known is None:
            continue
        for need in Need:
            asked = need is Need.CONTEXT or need in request.needs
            if asked and known.lacks(need, request.estimated_tokens):
                lacking[tier] = need.value
                break
    return lacking


def constrain(
    decision: RouteDecision, request: Request, policy: Policy, facts: Mapping[str, ModelFacts | None]
) -> RouteDecision:
    """Apply floors and hard constraints to a decision; a request that goes on unchanged stays so.

    Floors raise the tier: a stalled tool loop by one, plan mode and keywords to what policy names. Then a tier that
    cannot take the request gives way to the cheapest fitting one above it, else to the strongest fitting one below;
    when none fits, the strongest of all is asked and LiteLLM's own error is the answer.

    Args:
        decision: What the scores, a domain or a control chose.
        request: The request.
        policy: The whole policy.
        facts: What is known of each tier's model group.
    """
    if decision.tier is None:
        return decision
    ruled_out = rule_out(request, facts)
    tier, reason = _floored(decision.tier, decision.reason, request, policy)
    if tier in ruled_out:
        names = policy.tier_names
        place = names.index(tier)
        fitting = [name for name in (*names[place:], *reversed(names[:place])) if name not in ruled_out]
        tier, reason = (fitting[0], Reason.TIER_RULED_OUT) if fitting else (policy.strongest_tier, Reason.NO_TIER_FITS)
    if (tier, reason) == (decision.tier, decision.reason) and not ruled_out:
        return decision
    return replace(
        decision,
        tier=tier,
        reason=reason,
        score=decision.scores.get(tier) if tier != decision.tier else decision.score,
        ruled_out=ruled_out,
    )


def _floored(tier: str, reason: Reason, request: Request, policy: Policy) -> tuple[str, Reason]:
    """Return the tier that the floors leave, and why."""
    agents, rank = policy.agents, policy.tier_names.index
    if request.stalled:
        stronger = policy.stronger_tier(tier)
        if stronger is not None:
            tier, reason = stronger, Reason.TOOL_STALL
    if request.plan_mode and agents.plan_mode_min_tier is not None and rank(tier) < rank(agents.plan_mode_min_tier):
        tier, reason = agents.plan_mode_min_tier, Reason.PLAN_MODE_FLOOR
    lowered = request.prompt.lower()
    for floor in agents.keyword_floors:
        if rank(tier) < rank(floor.min_tier) and any(phrase.lower() in lowered for phrase in floor.phrases):
            tier, reason = floor.min_tier, Reason.KEYWORD_FLOOR
    return tier, reason
