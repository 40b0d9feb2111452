"""Unchanged traffic raises few alarms, changed traffic raises them, and each test says what it saw."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.policy.drift import (
    DriftKind,
    Observation,
    binomial_tail,
    find_drift,
    population_stability,
)

DIMENSIONS = 16


def traffic(seed: int, n: int, *, shift: float = 0.0, domain: str | None = None, **fields: float) -> list[Observation]:
    random = np.random.default_rng(seed)
    centre = np.zeros(DIMENSIONS)
    centre[0], centre[1] = 1.0, shift
    vectors = centre + 0.4 * random.normal(size=(n, DIMENSIONS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    escalated = random.random(n) < fields.get("escalation", 0.02)
    scores = random.beta(8, 2, size=n) + fields.get("score", 0.0)
    predicted = np.full(n, 0.9)
    accepted = random.random(n) < fields.get("accepted", 0.9)
    return [
        Observation(
            decision_id=f"{seed}-{at}",
            vector=vectors[at].astype(np.float32),
            score=float(scores[at]),
            domain=domain,
            predicted=float(predicted[at]),
            accepted=float(accepted[at]),
            escalated=bool(escalated[at]),
        )
        for at in range(n)
    ]


def alarms(old: list[Observation], new: list[Observation]) -> set[tuple[DriftKind, str | None]]:
    return {(f.kind, f.domain) for f in find_drift(old, new, permutations=1999) if f.alarm}


def test_each_kind_of_drift_is_found_and_named() -> None:
    old = traffic(1, 200)
    assert alarms(old, traffic(2, 100)) == set()
    assert (DriftKind.INPUT, None) in alarms(old, traffic(3, 100, shift=1.0))
    assert alarms(old, traffic(4, 100, score=0.3)) == {(DriftKind.SCORE, None)}
    assert alarms(old, traffic(5, 100, accepted=0.5)) == {(DriftKind.CALIBRATION, None)}
    assert alarms(old, traffic(6, 100, escalation=0.3)) == {(DriftKind.ESCALATION, None)}


def test_a_shift_of_one_domain_is_found_there() -> None:
    old = [*traffic(1, 100, domain="legal"), *traffic(2, 100, domain="code")]
    new = [*traffic(3, 60, domain="legal", shift=1.5), *traffic(4, 60, domain="code")]
    found = alarms(old, new)
    assert (DriftKind.INPUT, "legal") in found
    assert (DriftKind.INPUT, "code") not in found


def test_the_examples_are_decisions_of_the_window_that_show_it() -> None:
    new = [*traffic(2, 60), *traffic(9, 40, shift=3.0)]
    finding = next(f for f in find_drift(traffic(1, 200), new, permutations=499) if f.kind is DriftKind.INPUT)
    assert finding.examples
    assert all(name.startswith("9-") for name in finding.examples)
    assert (finding.reference_rows, finding.window_rows) == (200, 100)


def test_unchanged_traffic_raises_an_alarm_no_more_often_than_stated() -> None:
    """200 checks at alpha 0.1: more than 32 with an alarm has probability below 0.01 at a rate of 0.1."""
    raised = 0
    for seed in range(200):
        both = traffic(1000 + seed, 90)
        raised += any(f.alarm for f in find_drift(both[:50], both[50:], alpha=0.1, permutations=199, seed=seed))
    assert raised <= 32


def test_too_few_rows_are_not_tested() -> None:
    assert find_drift(traffic(1, 20), traffic(2, 20)) == ()
    unjudged = [replace(one, accepted=None, escalated=None) for one in traffic(1, 200)]
    kinds = {f.kind for f in find_drift(unjudged[:100], unjudged[100:], permutations=99)}
    assert kinds == {DriftKind.INPUT, DriftKind.SCORE}


def test_long_windows_are_sampled() -> None:
    finding = next(f for f in find_drift(traffic(1, 450), traffic(2, 40), permutations=99) if f.kind is DriftKind.INPUT)
    assert finding.reference_rows == 400


def test_the_stability_index_is_near_zero_without_and_large_with_a_change() -> None:
    random = np.random.default_rng(0)
    scores = random.random(2000)
    assert population_stability(scores[:1000], scores[1000:]) < 0.05
    assert population_stability(scores[:1000], scores[1000:] ** 4) > 0.5


@given(n=st.integers(1, 60), share=st.floats(0.01, 0.99))
def test_the_tail_of_the_binomial(n: int, share: float) -> None:
    tails = [binomial_tail(k, n, share) for k in range(n + 1)]
    assert tails[0] == pytest.approx(1.0)
    assert tails[n] == pytest.approx(share**n)
    assert all(later <= earlier + 1e-12 for earlier, later in pairwise(tails))
