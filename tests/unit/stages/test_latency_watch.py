from dataclasses import replace

import pytest

from tiergate.decisions import GateDecision, GateOutcome, Reason
from tiergate.exchange import Call, Request
from tiergate.policy.latency import predict
from tiergate.stages.latency_watch import PRIOR_TOKENS, STALE_S, WINDOW, LatencyWatch

WHOLE = Request(call_id="c", endpoint="chat_completions", entry_model="auto", tenant=None, prompt="")
STREAM = Request(call_id="c", endpoint="chat_completions", entry_model="auto", tenant=None, prompt="", stream=True)


def call(ms: float, status: str = "ok", tier: str | None = "simple") -> Call:
    return Call(tier=tier, model_group="g", ms=ms, status=status)


def test_streams_count_their_first_token_and_failures_nothing() -> None:
    watch = LatencyWatch()
    for _ in range(30):
        watch.add_call(call(100), 0)
        watch.add_call(call(9000, "RateLimitError"), 0)
        watch.add_call(call(9000, tier=None), 0)
        watch.add_first_token("simple", 10, 0)
    assert predict(watch.read(WHOLE, 0)["simple"]) == pytest.approx(100, rel=0.05)
    assert predict(watch.read(STREAM, 0)["simple"]) == pytest.approx(10, rel=0.05)


def test_what_is_older_fades() -> None:
    watch = LatencyWatch()
    for _ in range(WINDOW):
        watch.add_call(call(1000), 0)
    for _ in range(4 * WINDOW):
        watch.add_call(call(50), 1)
    assert predict(watch.read(WHOLE, 1)["simple"]) == pytest.approx(50, rel=0.05)


def test_a_tier_that_was_not_asked_for_long_is_learned_anew() -> None:
    watch = LatencyWatch()
    for _ in range(30):
        watch.add_call(call(1000), 0)
    assert "simple" not in watch.read(WHOLE, STALE_S + 1)
    watch.add_call(call(50), STALE_S + 1)
    assert watch.read(WHOLE, STALE_S + 1)["simple"].samples == 1


def test_the_length_of_answers_is_learned() -> None:
    watch = LatencyWatch()
    assert watch.answer_tokens("simple") == PRIOR_TOKENS
    for _ in range(200):
        watch.add_call(replace(call(100), completion_tokens=40), 0)
        watch.add_call(replace(call(100), completion_tokens=4000, status="TimeoutError"), 0)
    assert watch.answer_tokens("simple") == pytest.approx(40, rel=0.01)


def test_the_share_of_escalations_is_learned() -> None:
    watch = LatencyWatch()
    watch.add_call(call(100), 0)
    assert watch.read(WHOLE, 0)["simple"].escalation_ratio == pytest.approx(0.2)
    for _ in range(2 * WINDOW):
        watch.add_outcome("simple", GateDecision(outcome=GateOutcome.ESCALATED, reason=Reason.CONFIDENCE_LOW))
        watch.add_outcome("simple", GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.LATENCY_BUDGET))
        watch.add_outcome("simple", GateDecision(outcome=GateOutcome.SKIPPED, reason=Reason.NO_SIGNAL))
    assert watch.read(WHOLE, 0)["simple"].escalation_ratio > 0.99


def answered(tier: str, tokens: int, ms: float) -> Call:
    return replace(call(ms, tier=tier), completion_tokens=tokens)


def test_a_tier_that_is_asked_only_where_its_answer_is_short_does_not_look_fast() -> None:
    watch = LatencyWatch()
    for place in range(400):
        tokens = 10 if place % 2 else 1000
        calls = [answered("simple", tokens, 100 + tokens)]
        if tokens == 10:
            calls.append(answered("medium", tokens, 200 + 20 * tokens))
        watch.add_calls(calls, 0)
        if place == 200:
            watch.add_calls([answered("medium", 1000, 20_200)], 0)
    medium = watch.read(WHOLE, 0)["medium"]
    assert predict(medium) == pytest.approx(20_200, rel=0.2)
    assert medium.samples < 250
    assert medium.length is not None
    assert "medium" not in watch.read(STREAM, 0)


def test_failed_calls_and_calls_without_a_tier_teach_no_length() -> None:
    watch = LatencyWatch()
    watch.add_calls([replace(answered("simple", 10, 50), status="Timeout"), answered("x", 10, 50)], 0)
    watch.add_calls([replace(answered("simple", 10, 50), tier=None)], 0)
    assert set(watch.read(WHOLE, 0)) == {"x"}
    assert watch.read(WHOLE, 0)["x"].length is None


def test_what_is_foreseen_does_not_keep_a_silent_tier_known() -> None:
    watch = LatencyWatch()
    for _ in range(30):
        watch.add_calls([answered("simple", 10, 50), answered("medium", 10, 500)], 0)
    for second in range(0, int(STALE_S) + 2, 100):
        watch.add_calls([answered("simple", 10, 50)], second)
    watch.add_calls([answered("simple", 10, 50)], STALE_S + 1)
    assert "medium" not in watch.read(WHOLE, STALE_S + 1)
    watch.add_calls([answered("medium", 10, 900)], STALE_S + 1)
    again = watch.read(WHOLE, STALE_S + 1)["medium"]
    assert (again.samples, again.length) == (1, None)
