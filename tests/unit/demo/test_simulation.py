"""A small simulation through a real proxy."""

from pathlib import Path

import pytest

from tiergate.adapters.decision_database import read_decisions
from tiergate.demo.simulation import keep_grades, run_simulation
from tiergate.demo.simulation_scenario import TIER_MODELS, load_simulation


@pytest.mark.proxy
@pytest.mark.timeout(300)
def test_a_task_costs_less_through_tiergate_and_every_call_is_accounted_for(tmp_path: Path) -> None:
    scenario = load_simulation("agent-stack").model_copy(update={"tasks": 2})
    pairs = run_simulation(scenario, degrade=0.5, speed=20.0, folder=tmp_path)
    keep_grades(pairs, tmp_path)
    kept = {row["decision_id"]: row for row in read_decisions(f"sqlite:///{tmp_path}/data/decisions.db")}
    assert {pair.call.task for pair in pairs} == {0, 1}
    for pair in pairs:
        tokens = pair.record["calls"][0]["prompt_tokens"]
        assert pair.call.context_tokens < tokens < pair.call.context_tokens + 500
        assert pair.before.cost_usd == pytest.approx(15e-6 * tokens, rel=0.02)
        assert 1 <= pair.after.grade <= 5
        assert kept[pair.after.decision_id]["feedback"]["score"] == float(pair.after.grade >= 4)
        assert pair.record["decision_id"] == pair.after.decision_id
        models = {call["model"].rsplit("/", 1)[-1] for call in pair.record["calls"]}
        assert models <= set(TIER_MODELS.values())
    assert sum(pair.after.cost_usd for pair in pairs) < sum(pair.before.cost_usd for pair in pairs)
