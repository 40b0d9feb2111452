"""What a simulation asks, and the truth about its answers."""

from collections import Counter

import pytest

from tiergate.demo.answers import build_rng
from tiergate.demo.simulation_draws import draw_answer, draw_calls, fill_form
from tiergate.demo.simulation_scenario import TIER_MODELS, SimulationScenario, load_simulation


@pytest.fixture(scope="module")
def agents() -> SimulationScenario:
    return load_simulation("agent-stack")


def test_the_same_seed_asks_the_same(agents: SimulationScenario) -> None:
    assert draw_calls(agents) == draw_calls(agents)
    assert draw_calls(agents) != draw_calls(agents.model_copy(update={"seed": 1}))


def test_difficulties_and_tasks_are_as_stated(agents: SimulationScenario) -> None:
    calls = draw_calls(agents)
    shares = Counter(call.difficulty for call in calls)
    for difficulty, share in agents.difficulty.items():
        assert shares[difficulty] / len(calls) == pytest.approx(share, abs=0.04)
    per_task = Counter(call.task for call in calls)
    assert len(per_task) == agents.tasks
    assert set(per_task.values()) <= set(range(agents.calls_per_task.low, agents.calls_per_task.high + 1))
    assert len({call.prompt for call in calls}) > 0.6 * len(calls)


@pytest.mark.parametrize("model", TIER_MODELS.values())
def test_answers_are_as_good_as_stated_and_their_certainty_overlaps(agents: SimulationScenario, model: str) -> None:
    answers = [draw_answer(agents, model, f"prompt {n}", "medium") for n in range(3000)]
    good = [answer.probability for answer in answers if answer.grade >= 4]
    bad = [answer.probability for answer in answers if answer.grade < 4]
    assert len(good) / len(answers) == pytest.approx(agents.models[model].quality["medium"].good, abs=0.03)
    above = sum(one > other for one in good[:400] for other in bad) / (len(good[:400]) * len(bad))
    assert 0.75 < above < 0.92  # informative, not perfect
    assert draw_answer(agents, model, "prompt 1", "medium") == answers[1]


def test_paraphrases_keep_values_and_meaning() -> None:
    calls = draw_calls(load_simulation("b2c-support"))
    kinds = Counter(call.kind for call in calls)
    assert {"fresh", "repeat", "paraphrase"} == set(kinds)
    asked: dict[str, set[str]] = {}
    for call in calls:
        asked.setdefault(call.meaning, set()).add(call.prompt)
    orders = [prompts for prompts in asked.values() if len(prompts) > 1 and any("order" in text for text in prompts)]
    assert orders
    for prompts in orders:
        digits = {"".join(filter(str.isdigit, text)) for text in prompts}
        assert len(digits) == 1


def test_a_slot_that_stands_twice_may_differ() -> None:
    filled = {fill_form("{a} and {a}", {"a": ("x", "y")}, build_rng(n)) for n in range(40)}
    assert "x and y" in filled
