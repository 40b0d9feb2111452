from typing import Any

import pytest
from tests.unit.hooks.conftest import policy_of

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.policy.session import (
    canonical_arguments,
    decide_session_tier,
    is_looping,
    name_session,
    reads_as_failure,
)

POLICY = policy_of()
SCORES = {"simple": 0.9, "medium": 0.95, "frontier": 0.99}


def route_to(tier: str | None) -> RouteDecision:
    return RouteDecision(
        outcome=RouteOutcome.ROUTED, reason=Reason.SCORE_MEETS_QUALITY, tier=tier, score=0.9, scores=SCORES
    )


@pytest.mark.parametrize(
    ("tier", "reached", "looping", "expected", "reason"),
    [
        ("simple", None, False, "simple", Reason.SCORE_MEETS_QUALITY),
        ("simple", "medium", False, "medium", Reason.SESSION_STICKY),
        ("frontier", "medium", False, "frontier", Reason.SCORE_MEETS_QUALITY),
        ("simple", None, True, "medium", Reason.FAILING_TOOL_LOOP),
        ("simple", "medium", True, "frontier", Reason.FAILING_TOOL_LOOP),
        ("frontier", None, True, "frontier", Reason.SCORE_MEETS_QUALITY),
        (None, "medium", True, None, Reason.SCORE_MEETS_QUALITY),
    ],
)
def test_a_session_goes_up_and_never_down(
    tier: str | None, reached: str | None, expected: str | None, reason: Reason, *, looping: bool
) -> None:
    decided = decide_session_tier(route_to(tier), POLICY, session_tier=reached, looping=looping)
    assert (decided.tier, decided.reason) == (expected, reason)
    assert decided.score == (0.9 if expected in {tier, None} else SCORES[expected])


def test_sessions_of_two_tenants_never_meet() -> None:
    def name(tenant: str | None, given: str | None, opening: list[Any], turns: int = 1) -> str | None:
        return name_session(tenant, given=given, opening=opening, turns=turns)

    assert name("a", "s", []) == name("a", "s", ["other"], 3)
    assert name("a", "s", []) != name("b", "s", [])
    assert name("a", None, ["hello"]) == name("a", None, ["hello"], 5)
    assert name("a", None, ["hello"]) != name("a", None, ["hi"])
    assert name("a", None, [], 0) is None


CALL, OTHER = ("read", '{"file": "a"}'), ("read", '{"file": "b"}')


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        ([], False),
        ([(*CALL, True)], False),
        ([(*CALL, True), (*CALL, True)], True),
        ([(*CALL, True), (*CALL, False)], False),
        ([(*CALL, True), (*OTHER, True)], False),
        ([(*OTHER, False), (*CALL, True), (*CALL, True)], True),
    ],
)
def test_what_counts_as_a_loop(calls: list[tuple[str, str, bool]], *, expected: bool) -> None:
    assert is_looping(calls) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Error: no such file", True),
        ("FileNotFoundError: a", True),
        ("Traceback (most recent call last):", True),
        ("the command ended with exit code 2", True),
        ('{"error": "rate limit"}', True),
        ('{"is_error": true}', True),
        ('{"error": null, "rows": 3}', False),
        ("3 rows, no errors", False),
        ("exit code 0", False),
    ],
)
def test_what_reads_as_a_failure(text: str, *, expected: bool) -> None:
    assert reads_as_failure(text) is expected


def test_the_same_arguments_are_seen_as_the_same() -> None:
    assert canonical_arguments('{"b": 1, "a": 2}') == canonical_arguments({"a": 2, "b": 1})
    assert canonical_arguments("not  json") == "not json"
    assert canonical_arguments([1]) == "[1]"
