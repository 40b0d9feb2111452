"""Decisions of turns are kept, and not without end."""

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.stages.turn_memory import TurnMemory

DECISION = RouteDecision(outcome=RouteOutcome.ROUTED, reason=Reason.SCORE_MEETS_QUALITY, tier="simple")


def test_the_longest_unused_turn_is_forgotten() -> None:
    memory = TurnMemory(max_turns=2)
    memory.keep("a", DECISION)
    memory.keep("b", DECISION)
    assert memory.get("a") is DECISION
    memory.keep("c", DECISION)
    assert (memory.get("b"), memory.get("a"), len(memory)) == (None, DECISION, 2)
