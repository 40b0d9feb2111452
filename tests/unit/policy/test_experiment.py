from collections import Counter
from typing import Any

import pytest

from tiergate.policy.experiment import Assignment, _draw_arm, apply_overrides, arm_shares, decide_arm
from tiergate.settings import Policy

ARMS = {"a": {"confidence_gate.escalate_below": 0.65}, "b": {"confidence_gate.escalate_below": 0.75}}


def policy_of(**experiment: Any) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in ("simple", "frontier")]
    whole = {"name": "gate", "arms": ARMS, **experiment}
    return Policy.model_validate({"tiers": tiers, "experiments": [whole]})


def arm_of(policy: Policy, unit: str | None, **options: Any) -> Assignment | None:
    return decide_arm(policy, lambda _kind: unit, **options)


def test_a_unit_keeps_its_arm_and_its_name_is_not_kept() -> None:
    first, second = arm_of(policy_of(), "key-1"), arm_of(policy_of(), "key-1")
    assert first is not None
    assert first == second
    assert "key-1" not in first.unit


def test_units_fall_onto_arms_by_weight() -> None:
    policy = policy_of(weights={"a": 3.0})
    assert arm_shares(policy.experiments[0]) == {"a": 0.75, "b": 0.25}
    arms = Counter(assigned.arm for n in range(4000) if (assigned := arm_of(policy, f"key-{n}")) is not None)
    assert arms["a"] / 4000 == pytest.approx(0.75, abs=0.03)


def test_raising_the_ramp_moves_nobody_to_another_arm() -> None:
    some, all_of_them = policy_of(ramp=0.3), policy_of()
    early = {n: assigned.arm for n in range(1000) if (assigned := arm_of(some, f"key-{n}")) is not None}
    assert len(early) == pytest.approx(300, abs=60)
    for number, arm in early.items():
        later = arm_of(all_of_them, f"key-{number}")
        assert later is not None
        assert later.arm == arm


def test_a_caller_without_the_unit_takes_no_part() -> None:
    assert arm_of(policy_of(), None) is None


def test_a_stopped_arm_takes_no_part_any_more() -> None:
    units = [n for n in range(50) if (assigned := arm_of(policy_of(), f"key-{n}")) is not None and assigned.arm == "b"]
    for unit in units:
        assert arm_of(policy_of(stopped=["b"]), f"key-{unit}") is None
        assert arm_of(policy_of(), f"key-{unit}", stopped={("gate", "b")}) is None


def test_an_override_is_checked_like_the_file() -> None:
    policy = policy_of()
    changed = apply_overrides(policy, {"confidence_gate.escalate_below": 0.6, "intent_router.min_quality": 0.8})
    assert (changed.confidence_gate.escalate_below, changed.intent_router.min_quality) == (0.6, 0.8)
    assert policy.confidence_gate.escalate_below == 0.7


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"tiers": []}, "shared by all arms"),
        ({"semantic_cache.scope": "global"}, "shared by all arms"),
        ({"confidence_gate.escalate_bellow": 0.6}, "escalate_bellow"),
        ({"confidence_gate.escalate_below": 2}, "escalate_below"),
        ({"confidence_gate.escalate_below": 0.9}, "above trust_from"),
        ({"exploration.share.deep": 1}, "exploration.share"),
        ({"controls.x": 1}, "does not lead to a setting"),
    ],
)
def test_a_wrong_override_is_refused_by_name(overrides: dict[str, Any], message: str) -> None:
    policy = policy_of().model_copy(update={"controls": ("cache",)})
    with pytest.raises(ValueError, match=message):
        apply_overrides(policy, overrides)


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"stopped": ["c"]}, "is no arm"), ({"weights": {"c": 1}}, "is no arm"), ({"stopped": ["a"]}, "is the control")],
)
def test_an_experiment_that_contradicts_itself_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        policy_of(**settings)


def test_a_rounding_error_of_the_shares_ends_at_the_control() -> None:
    assert _draw_arm(policy_of().experiments[0], 1.0) == "a"
