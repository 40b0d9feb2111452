"""The decision of each human turn, so that its continuations get the same one."""

from collections import OrderedDict

from tiergate.decisions import RouteDecision


class TurnMemory:
    """Decisions by the turn's key: bounded, the longest unused forgotten first.

    A turn that another worker process decided is not found here. It is then classified again from the same human
    turn, which gives the same decision as long as policy and artifact are the same.

    Args:
        max_turns: How many are kept.
    """

    def __init__(self, *, max_turns: int = 10_000) -> None:
        self._decisions: OrderedDict[str, RouteDecision] = OrderedDict()
        self._max_turns = max_turns

    def __len__(self) -> int:
        return len(self._decisions)

    def get(self, turn_key: str) -> RouteDecision | None:
        """Return the turn's decision, or None."""
        decision = self._decisions.get(turn_key)
        if decision is not None:
            self._decisions.move_to_end(turn_key)
        return decision

    def keep(self, turn_key: str, decision: RouteDecision) -> None:
        """Keep a turn's decision."""
        self._decisions[turn_key] = decision
        self._decisions.move_to_end(turn_key)
        while len(self._decisions) > self._max_turns:
            self._decisions.popitem(last=False)
