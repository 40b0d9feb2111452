import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.exchange import Call
from tiergate.policy.latency import MIN_SAMPLES, TierLatency, predict_after
from tiergate.stages.length_watch import FIRST_FIT, WINDOW, LengthWatch


def call(tokens: int, ms: float, tier: str = "strong", prompt: int = 0) -> Call:
    return Call(tier=tier, model_group="g", prompt_tokens=prompt, completion_tokens=tokens, ms=ms)


def foretold(watch: LengthWatch, tokens: int) -> float:
    fit = watch.read()
    assert fit is not None
    predicted = predict_after(TierLatency(counts=fit.ratios, samples=99, length=fit), call(tokens, 0))
    assert predicted is not None
    return predicted


@given(st.floats(0, 2000), st.floats(0, 2), st.floats(0.5, 80), st.integers(0, 5))
def test_a_plane_is_found_again(base: float, each: float, slope: float, seed: int) -> None:
    rng, watch = np.random.default_rng(seed), LengthWatch()
    for tokens, prompt in zip(rng.integers(1, 800, 60).tolist(), rng.integers(1, 4000, 60).tolist(), strict=True):
        watch.add_call(call(tokens, base + each * prompt + slope * tokens, prompt=prompt))
    fit = watch.read()
    assert fit is not None
    assert fit.base_ms == pytest.approx(base, rel=0.01, abs=0.5)
    assert fit.prompt_token_ms == pytest.approx(each, rel=0.01, abs=1e-3)
    assert fit.answer_token_ms == pytest.approx(slope, rel=0.01, abs=1e-3)


def test_the_spread_is_that_of_calls_that_the_fit_had_not_seen() -> None:
    rng, watch = np.random.default_rng(1), LengthWatch()

    def draw(tokens: int) -> float:
        return float((300 + 20 * tokens) * rng.lognormal(0, 0.3))

    for tokens in rng.integers(5, 600, 900).tolist():
        watch.add_call(call(tokens, draw(tokens)))
    for tokens in (10, 100, 500):
        times = [draw(tokens) for _ in range(4000)]
        assert np.mean(np.array(times) <= foretold(watch, tokens)) == pytest.approx(0.95, abs=0.03)


def test_a_tier_with_longer_answers_is_expected_to_take_longer() -> None:
    watch = LengthWatch()
    for tokens in range(20, 20 + 3 * MIN_SAMPLES):
        strong = call(3 * tokens, 100 + 30 * tokens)
        watch.add_escalation(call(tokens, 50, "weak"), strong)
        watch.add_call(strong)
    assert foretold(watch, 100) == pytest.approx(100 + 30 * 100, rel=0.08)


def test_before_there_are_enough_calls_nothing_is_said() -> None:
    watch = LengthWatch()
    for _ in range(FIRST_FIT - 1):
        watch.add_call(call(10, 100))
        watch.add_call(call(0, 100))
        watch.add_escalation(call(0, 1, "weak"), call(10, 100))
    assert watch.read() is None
    watch.add_call(call(10, 100))
    fit = watch.read()
    assert fit is not None
    assert (fit.fitted_ms(0, 10), fit.stretch, fit.samples) == (pytest.approx(100), 1.0, 0)


def test_time_that_falls_with_the_length_is_taken_as_even_and_a_line_through_nothing_as_slope_alone() -> None:
    falling, steep = LengthWatch(), LengthWatch()
    for tokens in range(1, 40):
        falling.add_call(call(tokens, 500 - 10 * tokens))
        steep.add_call(call(tokens, tokens**1.5))
    down, up = falling.read(), steep.read()
    assert down is not None
    assert up is not None
    assert down.answer_token_ms == 0.0
    assert up.base_ms == 0.0
    assert up.answer_token_ms > 0.0


def test_what_is_older_fades() -> None:
    watch = LengthWatch()
    for place in range(WINDOW):
        watch.add_call(call(10 + place % 90, 5000))
    for place in range(4 * WINDOW):
        watch.add_call(call(10 + place % 90, 50))
    assert foretold(watch, 50) == pytest.approx(50, rel=0.25)
    assert watch.calls <= WINDOW
