"""Why a prompt is routed as it is: what `tiergate explain` shows."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tiergate.artifact import Artifact
from tiergate.decisions import RouteDecision
from tiergate.policy.intent_router import decide_route, find_least_bound
from tiergate.ports import Classification, Vector
from tiergate.settings import Policy

NEIGHBOURS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingNeighbour:
    """A training prompt near the prompt.

    Attributes:
        id: Its identifier.
        tier: The tier it is labelled with; empty when it has none.
        domain: Its domain.
        similarity: Cosine.
    """

    id: str
    tier: str
    domain: str
    similarity: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteExplanation:
    """A decision and what lies behind it.

    Attributes:
        decision: The decision.
        lower_bounds: Lower bound of P(good enough) per tier.
        needed: What a tier's lower bound must reach, per tier; None when risk control found no cut for it.
        domain_cuts: P(domain) from which a prompt counts as the domain.
        neighbours: Nearest training prompts, nearest first; empty without a reference set.
        what_if: What would change the decision, one sentence each.
    """

    decision: RouteDecision
    lower_bounds: Mapping[str, float]
    needed: Mapping[str, float | None]
    domain_cuts: Mapping[str, float]
    neighbours: tuple[TrainingNeighbour, ...]
    what_if: tuple[str, ...]


def explain_route(
    classification: Classification, vector: Vector, policy: Policy, artifact: Artifact
) -> RouteExplanation:
    """Explain a routing decision.

    Args:
        classification: What the classifier says of the prompt.
        vector: The prompt's embedding, shape (dimensions,).
        policy: The policy in force.
        artifact: The classifier's artifact.
    """
    decision = decide_route(classification, policy, controls={}, kind="embedded", digest=artifact.digest)
    needed = {tier: find_least_bound(classification, tier, policy) for tier in policy.tier_names}
    return RouteExplanation(
        decision=decision,
        lower_bounds=classification.lower_bounds,
        needed=needed,
        domain_cuts=classification.domain_cuts,
        neighbours=nearest_neighbours(artifact, vector),
        what_if=_what_if(classification, policy, decision, needed),
    )


def nearest_neighbours(artifact: Artifact, vector: Vector, *, count: int = NEIGHBOURS) -> tuple[TrainingNeighbour, ...]:
    """Return the nearest training prompts, nearest first.

    Args:
        artifact: Whose reference set to search.
        vector: Shape (dimensions,), unit length.
        count: How many.
    """
    if artifact.reference is None:
        return ()
    labels = artifact.reference.labels
    cosines = artifact.reference.vectors.astype(np.float32) @ vector
    return tuple(
        TrainingNeighbour(
            id=labels.ids[row], tier=labels.tiers[row], domain=labels.domains[row], similarity=float(cosines[row])
        )
        for row in np.argsort(-cosines, kind="stable")[:count].tolist()
    )


def _what_if(
    classification: Classification, policy: Policy, decision: RouteDecision, needed: Mapping[str, float | None]
) -> tuple[str, ...]:
    said: list[str] = []
    for name, override in policy.domains.items():
        score, cut = classification.domains.get(name), classification.domain_cuts.get(name)
        if override.start_tier is None or score is None or cut is None:
            continue
        if score >= cut:
            knob = f"intent_router.min_domain_score above {score:.3f}"
            said.append(f"with {knob} the domain {name} would not count (cut {cut:.3f})")
        else:
            knob = f"intent_router.min_domain_score at most {score:.3f}"
            said.append(f"with {knob} the domain {name} would send it to {override.start_tier}")
    for tier in policy.tier_names:
        bound, least = classification.lower_bounds.get(tier, 0.0), needed[tier]
        if tier == decision.tier or least is None:
            continue
        if bound < least:
            said.append(f"with intent_router.min_quality at most {bound:.3f} the tier {tier} would be good enough")
    return tuple(said)
