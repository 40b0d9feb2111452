"""Exploration: a small share of routed requests goes to a tier drawn at random, with the odds written down.

Without it a log tells only what the policy in force does; with it, other policies can be estimated from the same log
(inverse propensity scoring). The draw depends on the decision's id alone, so it can be repeated.
"""

import hashlib
from dataclasses import replace

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.settings import Policy

_OWN_CHOICES = frozenset({Reason.SCORE_MEETS_QUALITY, Reason.NO_TIER_MEETS_QUALITY})
_SPAN = 2.0**64


def draw_uniform(seed: str) -> float:
    """Return a number in [0, 1) that depends on the text alone."""
    return int.from_bytes(hashlib.blake2b(seed.encode(), digest_size=8).digest()) / _SPAN


def decide_exploration(route: RouteDecision, policy: Policy, decision_id: str) -> RouteDecision:
    """Return the route with the propensity of its tier, or with another tier that was drawn.

    Only the router's own choice is open: a domain override and a client's `start_tier` stay, with propensity 1.
    With share e and K tiers the router's choice has propensity 1 - e + e / K, every other tier e / K.

    Args:
        route: What the router decided.
        policy: Names the share and the tiers.
        decision_id: Seed of the draw.
    """
    share, tiers = policy.exploration.share, policy.tier_names
    if route.tier is None:
        return route
    if route.outcome is not RouteOutcome.ROUTED or route.reason not in _OWN_CHOICES or share == 0.0:
        return replace(route, propensity=1.0)
    each = share / len(tiers)
    if draw_uniform(f"explore\x1f{decision_id}") >= share:
        return replace(route, propensity=1.0 - share + each)
    drawn = tiers[int(draw_uniform(f"tier\x1f{decision_id}") * len(tiers))]
    if drawn == route.tier:
        return replace(route, propensity=1.0 - share + each)
    return replace(route, tier=drawn, reason=Reason.EXPLORATION, score=route.scores.get(drawn), propensity=each)
