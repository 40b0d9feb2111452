import pytest

from tiergate.decisions import GateDecision, GateOutcome, Reason
from tiergate.policy.held_stream import MIN_CHARS, MIN_TOKENS, Hold, decide_hold, decide_hold_end

TRUSTED = GateDecision(outcome=GateOutcome.TRUSTED, reason=Reason.CONFIDENCE_HIGH)
MIDDLE = GateDecision(outcome=GateOutcome.VERIFIED, reason=Reason.CONFIDENCE_MIDDLE)
WEAK = GateDecision(outcome=GateOutcome.ESCALATED, reason=Reason.CONFIDENCE_LOW)
REFUSED = GateDecision(outcome=GateOutcome.ESCALATED, reason=Reason.REFUSAL)


@pytest.mark.parametrize(
    ("gate", "tokens", "chars", "expected"),
    [
        (REFUSED, 0, 20, Hold.SWAP),
        (TRUSTED, MIN_TOKENS - 1, 500, Hold.WAIT),
        (TRUSTED, MIN_TOKENS, 20, Hold.RELEASE),
        (MIDDLE, MIN_TOKENS, 20, Hold.WAIT),
        (WEAK, MIN_TOKENS - 1, 20, Hold.WAIT),
        (WEAK, MIN_TOKENS, 20, Hold.SWAP),
        (TRUSTED, 0, MIN_CHARS - 1, Hold.WAIT),
        (TRUSTED, 0, MIN_CHARS, Hold.RELEASE),
    ],
)
def test_while_it_goes_on(gate: GateDecision, tokens: int, chars: int, expected: Hold) -> None:
    assert decide_hold(gate, tokens=tokens, chars=chars) is expected


@pytest.mark.parametrize(
    ("gate", "known", "expected"),
    [(WEAK, True, Hold.SWAP), (WEAK, False, Hold.RELEASE), (MIDDLE, True, Hold.RELEASE)],
)
def test_when_it_has_to_be_decided(gate: GateDecision, *, known: bool, expected: Hold) -> None:
    assert decide_hold_end(gate, known=known) is expected
