"""How long the beginning of a stream is held back: until its running confidence is clear."""

from enum import StrEnum

from tiergate.decisions import GateDecision, GateOutcome, Reason

MIN_TOKENS = 16
"""Log-probabilities of fewer tokens say too little of an answer: its opening is boilerplate."""
MIN_CHARS = 200
"""Without log-probabilities only a refusal shows early, and it shows in the opening."""


class Hold(StrEnum):
    """What happens with a held stream."""

    WAIT = "wait"
    RELEASE = "release"
    SWAP = "swap"


def decide_hold(gate: GateDecision, *, tokens: int, chars: int) -> Hold:
    """Decide while the stream goes on.

    Args:
        gate: The gate's decision on the answer so far, checks of its end left out.
        tokens: Tokens so far with a log-probability.
        chars: Characters so far.
    """
    if gate.outcome is GateOutcome.ESCALATED and gate.reason is Reason.REFUSAL:
        return Hold.SWAP
    if tokens == 0:
        return Hold.RELEASE if chars >= MIN_CHARS else Hold.WAIT
    if tokens < MIN_TOKENS:
        return Hold.WAIT
    if gate.outcome is GateOutcome.ESCALATED:
        return Hold.SWAP
    return Hold.RELEASE if gate.outcome is GateOutcome.TRUSTED else Hold.WAIT


def decide_hold_end(gate: GateDecision, *, known: bool) -> Hold:
    """Decide when the stream has ended or its time is up.

    Args:
        gate: The gate's decision on the answer so far.
        known: Whether there is anything to judge; a stream that has not begun is let through.
    """
    return Hold.SWAP if known and gate.outcome is GateOutcome.ESCALATED else Hold.RELEASE
