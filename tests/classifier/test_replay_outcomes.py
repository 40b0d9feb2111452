"""A policy on a table in which every answer is known."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.classifier.test_replay_log import policy_of

from tiergate.ports import Classification

pytest.importorskip("polars")


def test_routing_and_gate_follow_the_table() -> None:
    from tiergate_classifier.outcomes import load_outcomes  # noqa: PLC0415
    from tiergate_classifier.replay_log import ReplayError  # noqa: PLC0415
    from tiergate_classifier.replay_outcomes import replay_outcomes  # noqa: PLC0415

    head = "id,prompt,correct|simple,correct|medium,correct|frontier,cost_usd|simple,cost_usd|medium,cost_usd|frontier"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "t.csv"
        file.write_text(f"{head},confidence|simple\n1,a,0,1,1,1,5,15,0.2\n2,b,1,1,1,1,5,15,0.9\n")
        table = load_outcomes(file)
    easy = Classification(scores={}, lower_bounds={"simple": 0.9, "medium": 0.9, "frontier": 1.0}, domains={})
    found = {item.metric: item for item in replay_outcomes(table, policy_of(), [easy, easy]).estimates}
    assert found["quality"].value == 1.0
    assert found["cost_usd"].value == pytest.approx((6 + 1) / 2)
    assert found["escalated"].value == 0.5
    assert found["latency_ms"].method == "unknown"
    with pytest.raises(ReplayError, match="huge"):
        replay_outcomes(table, policy_of(tiers=("simple", "huge")), [easy, easy])


def replayed_with(strategy: str, **sections: Any) -> dict[str, Any]:
    """Replay three rows: the simple tier is unsure and wrong, unsure and right, sure and right."""
    from tiergate_classifier.outcomes import load_outcomes  # noqa: PLC0415
    from tiergate_classifier.replay_outcomes import replay_outcomes  # noqa: PLC0415

    head = "id,prompt,correct|simple,correct|medium,correct|frontier,cost_usd|simple,cost_usd|medium,cost_usd|frontier"
    rows = ["1,a,0,1,1,1,5,100,0.2,0.9", "2,b,1,1,1,1,5,100,0.2,0.9", "3,c,1,1,1,1,5,100,0.9,0.9"]
    with TemporaryDirectory() as folder:
        file = Path(folder) / "t.csv"
        file.write_text(f"{head},confidence|simple,confidence|medium\n" + "\n".join(rows) + "\n")
        table = load_outcomes(file)
    policy = policy_of(min_quality=0.85).model_copy(update={"strategy": strategy, **sections})
    bounds = {"simple": 0.8, "medium": 0.95, "frontier": 1.0}
    seen = Classification(scores=bounds, lower_bounds=bounds, domains={"code": 0.9})
    found = replay_outcomes(table, policy, [seen] * 3)
    return {item.metric: item.value for item in found.estimates} | {"shares": found.tier_shares}


def test_auto_starts_at_the_cheap_tier_and_escalates_its_weak_answers() -> None:
    routed, planned = replayed_with("route"), replayed_with("auto")
    assert routed["shares"]["medium"] == planned["shares"]["simple"] == 1.0
    assert (routed["cost_usd"], planned["cost_usd"]) == (5.0, pytest.approx((6 + 6 + 1) / 3))
    assert (planned["quality"], planned["escalated"]) == (1.0, pytest.approx(2 / 3))


def test_a_domains_strategy_counts_in_a_replay() -> None:
    from tiergate.domain_settings import Domain  # noqa: PLC0415

    found = replayed_with("route", domains={"code": Domain(strategy="auto")})
    assert found["shares"]["simple"] == 1.0
    assert replayed_with("auto", domains={"code": Domain(strategy="route")})["shares"]["medium"] == 1.0


def test_a_plan_of_one_tier_keeps_a_doubtful_answer() -> None:
    from tiergate.domain_settings import Domain  # noqa: PLC0415

    cheap = {"intent_router": policy_of(min_quality=0.5).intent_router}
    kept = replayed_with("route", **cheap)
    assert (kept["cost_usd"], kept["escalated"], kept["quality"]) == (1.0, 0.0, pytest.approx(2 / 3))
    assert replayed_with("cascade", **cheap)["escalated"] == pytest.approx(2 / 3)
    assert replayed_with("cascade", **cheap, domains={"code": Domain(strategy="route")})["escalated"] == 0.0
