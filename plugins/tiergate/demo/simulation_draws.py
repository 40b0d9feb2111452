"""What a simulation asks, and the truth about each answer, drawn with fixed seeds.

A draw depends on the seed, the model and the prompt only: the same model gives the same answer to the same prompt,
whatever was asked before, so that two runs can be compared pair by pair.
"""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tiergate.demo.answers import build_rng
from tiergate.demo.simulation_scenario import Difficulty, Range, SimulationScenario

_SLOT = re.compile(r"\{(\w+)\}")
_BAD_GRADES = ((3, 0.6), (2, 0.3), (1, 0.1))
_LEAST_PROBABILITY = 1e-4
_TEXT = (
    "the reading of this meter follows from table and step above with one value per hour so result holds for each "
    "site and month while sum agrees within tolerance next check units then compare with limit before report goes out"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedCall:
    """One model call of a task.

    Attributes:
        task: Number of the task.
        prompt: What is asked.
        difficulty: What it takes to answer; hidden from tiergate.
        meaning: Names the question: two prompts with the same meaning may share an answer.
        kind: `fresh`, `repeat` or `paraphrase`.
        context_tokens: Tokens of context that are billed.
    """

    task: int
    prompt: str
    difficulty: Difficulty
    meaning: str
    kind: str
    context_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrueAnswer:
    """One model's answer to one prompt: the text, its grade 1 to 5, its mean token probability, its latency."""

    text: str
    grade: int
    probability: float
    latency_ms: float


def draw_calls(scenario: SimulationScenario) -> list[SimulatedCall]:
    """Return the calls of every task, in the order of the tasks."""
    rng = build_rng(scenario.seed, "calls")
    calls: list[SimulatedCall] = []
    asked: list[tuple[str, Difficulty, str, tuple[str, ...]]] = []
    for task in range(scenario.tasks):
        for _ in range(rng.randint(scenario.calls_per_task.low, scenario.calls_per_task.high)):
            kind, prompt, difficulty, meaning = _draw_prompt(scenario, rng, asked)
            tokens = scenario.context_tokens.median * rng.lognormvariate(0.0, scenario.context_tokens.sigma)
            calls.append(
                SimulatedCall(
                    task=task,
                    prompt=prompt,
                    difficulty=difficulty,
                    meaning=meaning,
                    kind=kind,
                    context_tokens=round(tokens),
                )
            )
    return calls


def draw_answer(scenario: SimulationScenario, model: str, prompt: str, difficulty: Difficulty) -> TrueAnswer:
    """Return what a model answers to a prompt, and how good that is."""
    rng, profile = build_rng(scenario.seed, model, prompt), scenario.models[model]
    quality = profile.quality[difficulty]
    good = rng.random() < quality.good
    grade = (5 if rng.random() < quality.top else 4) if good else _draw_bad_grade(rng)
    spread = scenario.certainty.good if good else scenario.certainty.bad
    evidence = rng.gauss(spread.mean, spread.sd)
    words = rng.choices(_TEXT.split(), k=rng.randint(scenario.answer_words.low, scenario.answer_words.high))
    return TrueAnswer(
        text=" ".join(words).capitalize() + ".",
        grade=grade,
        probability=max(_LEAST_PROBABILITY, 1.0 / (1.0 + math.exp(-evidence))),
        latency_ms=profile.latency.draw(rng),
    )


def fill_form(form: str, slots: dict[str, tuple[str, ...] | Range], rng: random.Random) -> str:
    """Return a form with a value in each slot; the same slot may get two values."""

    def value(match: re.Match[str]) -> str:
        choices = slots[match[1]]
        return str(rng.randint(choices.low, choices.high)) if isinstance(choices, Range) else rng.choice(choices)

    return _SLOT.sub(value, form)


def _draw_prompt(
    scenario: SimulationScenario,
    rng: random.Random,
    asked: list[tuple[str, Difficulty, str, tuple[str, ...]]],
) -> tuple[str, str, Difficulty, str]:
    """Return kind, prompt, difficulty and meaning; a fresh question is added to those asked."""
    drawn = rng.random()
    if asked and drawn < scenario.repeats + scenario.paraphrases:
        weights = [(place + 1) ** -scenario.popularity for place in range(len(asked))]
        prompt, difficulty, meaning, others = rng.choices(asked, weights)[0]
        if drawn < scenario.repeats or not others:
            return "repeat", prompt, difficulty, meaning
        return "paraphrase", rng.choice(others), difficulty, meaning
    difficulty = rng.choices(list(scenario.difficulty), list(scenario.difficulty.values()))[0]
    prompt, others = _draw_fresh(scenario, difficulty, rng)
    meaning = min(prompt, *others) if others else prompt  # the same whichever wording comes first
    asked.append((prompt, difficulty, meaning, others))
    return "fresh", prompt, difficulty, meaning


def _draw_fresh(
    scenario: SimulationScenario, difficulty: Difficulty, rng: random.Random
) -> tuple[str, tuple[str, ...]]:
    """Return a prompt and its other wordings, with the same values in their slots."""
    questions: Sequence[tuple[str, ...]] = scenario.questions.get(difficulty, ())
    forms = [(form,) for form in scenario.forms.get(difficulty, ())]
    wordings = list(rng.choice([*questions, *forms]))
    rng.shuffle(wordings)
    names = sorted({name for wording in wordings for name in _SLOT.findall(wording)})
    if len(wordings) == 1:
        return fill_form(wordings[0], scenario.slots, rng), ()
    values = {name: fill_form(f"{{{name}}}", scenario.slots, rng) for name in names}
    filled = [_SLOT.sub(lambda match: values[match[1]], wording) for wording in wordings]
    return filled[0], tuple(filled[1:])


def _draw_bad_grade(rng: random.Random) -> int:
    return rng.choices([grade for grade, _ in _BAD_GRADES], [weight for _, weight in _BAD_GRADES])[0]
