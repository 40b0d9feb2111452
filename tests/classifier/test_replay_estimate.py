"""Exact where the log tells, an interval that holds the truth where it was explored, else a refusal."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.classifier.test_replay_log import ESCALATED, policy_of, row

from tiergate.adapters.decision_columns import DecisionColumns, read_columns
from tiergate_classifier.replay_estimate import Threshold, replay, sweep
from tiergate_classifier.replay_log import ReplayError

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "replay_coverage.py"


def parsed(rows: list[dict[str, Any]]) -> DecisionColumns:
    return read_columns(rows)


@pytest.fixture(scope="module")
def benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("replay_coverage", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_without_a_change_of_tier_cost_is_exact() -> None:
    found = replay(parsed([ESCALATED, row()]), policy_of(escalate_below=0.5))
    cost = found.estimates[0]
    assert (cost.method, cost.value, cost.low, cost.high) == ("exact", 1.0, 1.0, 1.0)


def test_quality_is_unknown_where_too_few_answers_were_rated() -> None:
    quality = replay(parsed([row()]), policy_of()).estimates[1]
    assert (quality.method, quality.value) == ("unknown", None)
    assert "rated" in quality.why


def test_quality_has_an_interval_where_enough_were_rated() -> None:
    rows = [row(feedback={"score": 0.6 + 0.4 * (place % 2)}) for place in range(100)]
    quality = replay(parsed(rows), policy_of()).estimates[1]
    assert quality.value == pytest.approx(0.8)
    assert quality.low is not None
    assert quality.low < 0.8


def test_a_change_that_was_never_explored_is_refused_with_the_fix() -> None:
    with pytest.raises(ReplayError, match=r"1 of 1 decisions would change.*exploration\.share"):
        replay(parsed([row()]), policy_of(min_quality=0.9))


def test_too_little_exploration_is_refused(benchmark: Any) -> None:
    logging, asked = benchmark.build_policy(0.8, 0.05), benchmark.build_policy(0.6, 0.0)
    log, _ = benchmark.draw_log(np.random.default_rng(1), 200, logging, asked, 1)
    with pytest.raises(ReplayError, match="explored rows"):
        replay(log, asked)


def test_the_router_s_own_policy_is_replayed_over_a_log_with_exploration(benchmark: Any) -> None:
    logging = benchmark.build_policy(0.8, 0.05)
    log, truth = benchmark.draw_log(np.random.default_rng(3), 2000, logging, logging, 3)
    found = replay(log, logging)
    assert (found.matched_changed, found.changed > 0) == (0, True)
    assert found.estimates[0].value == pytest.approx(truth["cost_usd"], rel=0.05)


def test_an_empty_log_and_one_without_scores_are_refused() -> None:
    with pytest.raises(ReplayError, match="has no decisions"):
        replay(parsed([]), policy_of())
    with pytest.raises(ReplayError, match="lower_bounds"):
        replay(parsed([row(route=row()["route"] | {"lower_bounds": {}})]), policy_of())


def test_estimates_are_near_the_truth_and_the_robust_one_is_tighter(benchmark: Any) -> None:
    logging, asked = benchmark.build_policy(0.8, 0.2), benchmark.build_policy(0.6, 0.0)
    log, truth = benchmark.draw_log(np.random.default_rng(7), 8000, logging, asked, 7)
    found = replay(log, asked)
    robust, plain = found.estimates[0], found.ips[0]
    assert robust.method == "doubly_robust"
    assert robust.value == pytest.approx(truth["cost_usd"], rel=0.08)
    assert None not in (robust.low, robust.high, plain.low, plain.high)
    assert robust.high - robust.low < plain.high - plain.low


def test_a_sweep_says_where_the_log_cannot_tell_and_what_the_policy_has() -> None:
    thresholds = [
        Threshold(key="q", value=0.8, policy=policy_of(), chosen=True),
        Threshold(key="q", value=0.9, policy=policy_of(min_quality=0.9)),
    ]
    points = sweep(parsed([row()]), thresholds, by_domain=False)
    assert points[0].replay is not None
    assert points[1].replay is None
    assert "would change" in points[1].why
    assert [point.chosen for point in points] == [True, False]


def test_each_domain_is_swept_over_its_own_rows() -> None:
    law = row(route=row()["route"] | {"domains": {"general": 0.1, "legal": 0.8}})
    plain = row(route=row()["route"] | {"domains": {}})
    points = sweep(parsed([row(), law, law, plain]), [Threshold(key="q", value=0.8, policy=policy_of())])
    assert {point.domain: point.replay.n for point in points if point.replay} == {"": 4, "general": 1, "legal": 2}
    assert [point.domain for point in sweep(parsed([plain]), [Threshold(key="q", value=0.8, policy=policy_of())])] == [
        ""
    ]
