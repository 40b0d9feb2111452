"""Which arm of an experiment a request belongs to, and the policy of an arm."""

import hashlib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from tiergate.policy.exploration import draw_uniform
from tiergate.settings import Policy
from tiergate.settings_experiments import Experiment

SHARED_SECTIONS = frozenset(
    {"version", "entry_models", "tiers", "baseline_tier", "encoder", "experiments", "decision_log", "mode"}
)
"""What all arms of a process share, so no arm may override it."""

_SHARED_KEYS = (
    "semantic_cache.store",
    "semantic_cache.scope",
    "intent_router.classifier",
    "confidence_gate.calibration",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """A request's place in an experiment: its name, the arm, and the hash of the unit that was assigned."""

    experiment: str
    arm: str
    unit: str


def decide_arm(
    policy: Policy, read_unit: Callable[[str], str | None], *, stopped: Collection[tuple[str, str]] = ()
) -> Assignment | None:
    """Assign a request to an arm of the first experiment that takes its unit in; None when none does.

    The same unit gets the same arm as long as name, salt and weights stay. The ramp and the arm are drawn apart,
    so that raising the ramp moves nobody from one arm to another. A unit of a stopped arm gets the control's policy
    and takes part no longer.

    Args:
        policy: Names the experiments.
        read_unit: Returns the caller's identity for `key`, `user` or `session`; None when it has none.
        stopped: (experiment, arm) of arms that a guardrail stopped in this process.
    """
    for experiment in policy.experiments:
        unit = read_unit(experiment.unit)
        if unit is None:
            continue
        seed = f"{experiment.name}\x1f{experiment.salt}\x1f{unit}"
        if draw_uniform(f"ramp\x1f{seed}") >= experiment.ramp:
            continue
        arm = _draw_arm(experiment, draw_uniform(f"arm\x1f{seed}"))
        if arm in experiment.stopped or (experiment.name, arm) in stopped:
            return None
        hashed = hashlib.sha256(f"unit\x1f{unit}".encode()).hexdigest()[:32]
        return Assignment(experiment=experiment.name, arm=arm, unit=hashed)
    return None


def arm_shares(experiment: Experiment) -> dict[str, float]:
    """Return the share of units that each arm is meant to get."""
    weights = {arm: experiment.weights.get(arm, 1.0) for arm in experiment.arms}
    total = sum(weights.values())
    return {arm: weight / total for arm, weight in weights.items()}


def _draw_arm(experiment: Experiment, drawn: float) -> str:
    reached = 0.0
    for arm, share in arm_shares(experiment).items():
        reached += share
        if drawn < reached:
            return arm
    return experiment.control  # the shares' sum may fall a rounding error short of 1


def apply_overrides(policy: Policy, overrides: Mapping[str, Any]) -> Policy:
    """Return the policy with values set by dotted key, checked like the file itself.

    Raises:
        ValueError: A key is unknown or shared by all arms, or a value is out of range; the message names the key.
    """
    plain = policy.model_dump(mode="python", exclude_unset=True)
    for key, value in overrides.items():
        if key.split(".")[0] in SHARED_SECTIONS or key.startswith(_SHARED_KEYS):
            raise ValueError(f"{key} is shared by all arms and cannot be overridden")
        *path, last = key.split(".")
        place: Any = plain
        for part in path:
            place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise ValueError(f"{key} does not lead to a setting")  # noqa: TRY004  a wrong value, not a wrong call
        place[last] = value
    try:
        return Policy.model_validate(plain)
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(str(part) for part in first["loc"]) or ", ".join(overrides)
        raise ValueError(f"{key}: {first['msg']}") from exc
