from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import Reason
from tiergate.exchange import Call
from tiergate.policy.latency import (
    BUCKETS,
    MIN_SAMPLES,
    RATIO_MS,
    LengthFit,
    TierLatency,
    decide_start,
    find_bucket,
    fits,
    mean_s,
    predict,
    predict_after,
    predict_cascade,
)


def latency_of(times: list[float], escalation_ratio: float = 0.2) -> TierLatency:
    counts = np.zeros(BUCKETS)
    for ms in times:
        counts[find_bucket(ms)] += 1
    return TierLatency(counts=counts, samples=len(times), escalation_ratio=escalation_ratio)


@given(st.lists(st.floats(1.0, 1e6), min_size=MIN_SAMPLES, max_size=200))
def test_a_quantile_is_off_by_a_twentieth_at_most(times: list[float]) -> None:
    predicted = predict(latency_of(times))
    exact = float(np.quantile(times, 0.95, method="inverted_cdf"))
    assert predicted == pytest.approx(exact, rel=0.051)


def test_too_few_times_predict_nothing() -> None:
    few, enough = latency_of([5.0] * (MIN_SAMPLES - 1)), latency_of([5.0] * MIN_SAMPLES)
    assert predict(few) is None
    assert predict(None) is None
    assert predict_cascade(few, enough) is None
    assert predict_cascade(None, enough) is None
    assert predict_cascade(enough, None) is None


@pytest.mark.parametrize(("hedge_ms", "expected"), [(0, 500), (50, 550), (100, 600), (1e9, 600)])
def test_a_hedge_takes_from_a_cascade_what_it_does_not_wait(hedge_ms: float, expected: float) -> None:
    cheap, strong = latency_of([100.0] * 50, 1.0), latency_of([500.0] * 50)
    assert predict_cascade(cheap, strong, hedge_ms=hedge_ms) == pytest.approx(expected, rel=0.05)
    slow = latency_of([900.0] * 50, 1.0)
    assert predict_cascade(slow, strong, hedge_ms=0) == predict(slow), "the cheap answer is waited for"


@given(st.floats(0.0, 1.0))
def test_a_cascade_is_predicted_where_long_answers_take_both_tiers_long(share: float) -> None:
    rng = np.random.default_rng(7)
    lengths = rng.standard_normal(4000)
    cheap, strong = np.exp(5 + 0.4 * lengths), np.exp(6 + 0.5 * lengths)
    predicted = predict_cascade(latency_of(list(cheap), share), latency_of(list(strong)))
    totals = cheap + np.where(rng.random(4000) < share, strong, 0.0)
    assert predicted is not None
    assert float(np.mean(totals <= 1.06 * predicted)) >= 0.94
    assert float(np.mean(totals <= predicted / 1.06)) <= 0.96


@pytest.mark.parametrize(
    ("cheap_ms", "strong_ms", "budget_ms", "expected"),
    [
        (100, 300, None, ("simple", None)),
        (100, 300, 1000, ("simple", None)),
        (100, 300, 350, ("medium", Reason.LATENCY_BUDGET)),
        (100, 900, 350, ("simple", None)),
        (900, 500, 350, ("medium", Reason.LATENCY_BUDGET)),
        (500, 900, 350, ("simple", None)),
    ],
)
def test_where_a_request_starts(
    cheap_ms: float, strong_ms: float, budget_ms: float | None, expected: tuple[str, Reason | None]
) -> None:
    latencies = {"simple": latency_of([cheap_ms] * 50), "medium": latency_of([strong_ms] * 50)}
    assert decide_start("simple", "medium", latencies, budget_ms=budget_ms) == expected


def test_a_hedge_keeps_a_cascade_that_would_break_the_budget_without() -> None:
    latencies = {"simple": latency_of([100.0] * 50), "medium": latency_of([300.0] * 50)}
    assert decide_start("simple", "medium", latencies, budget_ms=350, hedge_ms=20) == ("simple", None)
    moved = ("medium", Reason.LATENCY_BUDGET)
    assert decide_start("simple", "medium", latencies, budget_ms=350, hedge_ms=90) == moved


def test_what_cannot_be_predicted_is_not_changed() -> None:
    assert decide_start("simple", "medium", {}, budget_ms=1) == ("simple", None)
    assert decide_start("frontier", None, {}, budget_ms=1) == ("frontier", None)


def test_a_call_fits_while_its_quantile_does() -> None:
    slow = latency_of([400.0] * 50)
    assert fits(slow, elapsed_ms=5000, budget_ms=None)
    assert fits(slow, elapsed_ms=500, budget_ms=1000)
    assert not fits(slow, elapsed_ms=700, budget_ms=1000)
    assert fits(None, elapsed_ms=700, budget_ms=1000), "an unknown tier is given the chance"
    assert not fits(None, elapsed_ms=1100, budget_ms=1000)


def with_length(samples: int) -> TierLatency:
    counts = np.zeros(BUCKETS)
    counts[find_bucket(RATIO_MS)] = samples
    fit = LengthFit(base_ms=80, prompt_token_ms=0.2, answer_token_ms=10, stretch=2.0, ratios=counts, samples=samples)
    return TierLatency(counts=latency_of([5000.0] * 50).counts, samples=50, length=fit)


def test_a_short_answer_foretells_a_quick_escalation() -> None:
    known, unknown = with_length(MIN_SAMPLES), with_length(MIN_SAMPLES - 1)
    short = Call(tier="simple", model_group="g", prompt_tokens=100, completion_tokens=20)
    assert predict_after(known, short) == pytest.approx(100 + 10 * 2 * 20, rel=0.06)
    assert predict_after(known, None) == predict_after(unknown, short) == predict(known)
    assert predict_after(None, short) is None
    assert fits(known, elapsed_ms=200, budget_ms=1000, weak=short)
    assert not fits(known, elapsed_ms=200, budget_ms=1000, weak=replace(short, completion_tokens=40))
    assert not fits(known, elapsed_ms=200, budget_ms=1000)


def test_the_mean_is_known_when_there_are_enough_times() -> None:
    assert mean_s(None) is mean_s(latency_of([400.0] * 3)) is None
    assert mean_s(latency_of([200.0, 600.0] * 20)) == pytest.approx(0.4, rel=0.05)


def test_odd_times_have_a_bucket() -> None:
    assert find_bucket(0) == find_bucket(-3) == find_bucket(float("nan")) == 0
    assert find_bucket(1e12) == BUCKETS - 1


def test_the_budget_holds_over_a_run_where_a_plan_that_meets_it_exists() -> None:
    """Latencies drawn from two log-normals; the planned cascade breaks 900 ms, the strong tier alone does not."""
    rng = np.random.default_rng(3)
    cheap, strong = rng.lognormal(5.8, 0.3, 3000), rng.lognormal(6.2, 0.25, 3000)
    latencies = {"simple": latency_of(list(cheap[:500]), 0.4), "medium": latency_of(list(strong[:500]))}
    start, _ = decide_start("simple", "medium", latencies, budget_ms=900)
    weak = rng.random(2500) < 0.4
    with_budget = strong[500:] if start == "medium" else cheap[500:] + weak * strong[500:]
    without = cheap[500:] + weak * strong[500:]
    assert np.quantile(without, 0.95) > 900
    assert np.quantile(with_budget, 0.95) <= 900
