"""A simulation's scenario as data: what is asked, how each model does, and what was published.

A scenario file states every assumption: forms of prompts by difficulty, tokens, and for each model its price, its
latency and how often its answers are good. tiergate sees none of the difficulty and none of the grades.
"""

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tiergate.demo.scenario import Distribution
from tiergate.errors import ConfigurationError

Difficulty = Literal["simple", "medium", "frontier"]
DIFFICULTIES: tuple[Difficulty, ...] = ("simple", "medium", "frontier")
TIER_MODELS: Mapping[str, str] = {"simple": "deepseek-v4-pro", "medium": "claude-sonnet-4.5", "frontier": "gpt-5.5"}
"""The model behind each tier of the quickstart's config.yaml, which the simulation runs."""


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Range(_Data):
    """Whole numbers from `low` to `high`, each equally likely."""

    low: int
    high: int


class Tokens(_Data):
    """A log-normal number of tokens."""

    median: float = Field(gt=0)
    sigma: float = Field(ge=0)


class Quality(_Data):
    """How a model's answers are graded: P(grade 4 or 5), and P(5 | 4 or 5). Bad ones are 3, 2, 1 at 60, 30, 10 %."""

    good: float = Field(ge=0, le=1)
    top: float = Field(ge=0, le=1)


class SimulatedModel(_Data):
    """One model: USD per million tokens of prompt and answer alike, latency, quality by difficulty."""

    price_usd_per_million: float = Field(ge=0)
    latency: Distribution
    quality: dict[Difficulty, Quality]


class Spread(_Data):
    """A normal distribution."""

    mean: float
    sd: float = Field(ge=0)


class Certainty(_Data):
    """Log-odds of the mean token probability, for good and for bad answers."""

    good: Spread
    bad: Spread


class Goals(_Data):
    """What a run must show; a goal that is left out is not checked."""

    min_saving: float | None = None
    max_escalation_ratio: float | None = None
    max_quality_loss: float | None = None
    min_hit_ratio: float | None = None
    max_hit_ratio: float | None = None
    p95_not_above_before: bool = False


class SimulationScenario(_Data):
    """Everything a simulation assumes.

    Attributes:
        name: Name of the scenario.
        seed: Seed of every draw.
        unit: What cost is counted per: a task of several calls, or a request.
        tasks: How many tasks a run has.
        calls_per_task: Model calls of a task.
        tasks_per_month: For the figure per month, which is arithmetic.
        difficulty: Share of each difficulty among calls.
        context_tokens: Tokens of context that the provider bills for each call.
        answer_words: Words of an answer.
        repeats: Share of calls that repeat an earlier prompt word for word.
        paraphrases: Share of calls that ask an earlier question in other words.
        popularity: Exponent of the Zipf law by which the repeated question is chosen.
        models: By name.
        certainty: What token log-probabilities tell of an answer.
        policy: Sections of policy.yaml.
        published: Figures of the reference case by the names of `simulation_figures`, for comparison only.
        goals: What a run must show.
        slots: Values of each `{slot}` of the forms.
        forms: Prompts with slots by difficulty.
        questions: Questions that are asked in several wordings; each inner list is one question.
    """

    name: str
    seed: int = 0
    unit: Literal["task", "request"] = "task"
    tasks: int = Field(gt=0)
    calls_per_task: Range = Range(low=1, high=1)
    tasks_per_month: int = Field(default=30_000, gt=0)
    difficulty: dict[Difficulty, float]
    context_tokens: Tokens
    answer_words: Range
    repeats: float = Field(default=0.0, ge=0, le=1)
    paraphrases: float = Field(default=0.0, ge=0, le=1)
    popularity: float = Field(default=0.8, ge=0)
    models: dict[str, SimulatedModel]
    certainty: Certainty
    policy: dict[str, Any] = Field(default_factory=dict)
    published: dict[str, float] = Field(default_factory=dict)
    goals: Goals = Goals()
    slots: dict[str, tuple[str, ...] | Range] = Field(default_factory=dict)
    forms: dict[Difficulty, tuple[str, ...]] = Field(default_factory=dict)
    questions: dict[Difficulty, tuple[tuple[str, ...], ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _complete(self) -> Self:
        missing = set(TIER_MODELS.values()) - set(self.models)
        if missing:
            raise ValueError(f"models lacks {', '.join(sorted(missing))}")
        for name in self.difficulty:
            if not self.forms.get(name) and not self.questions.get(name):
                raise ValueError(f"neither forms nor questions of difficulty {name}")
        if self.repeats + self.paraphrases > 1:
            raise ValueError("repeats and paraphrases together are above 1")
        return self


def load_simulation(source: str | Path) -> SimulationScenario:
    """Read a simulation's scenario: a file, or the name of one that ships with the package.

    Raises:
        ConfigurationError: The file is missing, is no YAML, or does not describe a simulation.
    """
    packaged = files("tiergate.demo") / "simulations" / f"{source}.yaml"
    try:
        text = packaged.read_text(encoding="utf-8") if packaged.is_file() else Path(source).read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(
            source, "", "no such scenario", "give a YAML file, or one of agent-stack and b2c-support"
        ) from exc
    except UnicodeDecodeError as exc:
        raise ConfigurationError(source, "", "is not UTF-8 text", "save it as UTF-8") from exc
    try:
        return SimulationScenario.model_validate(yaml.safe_load(text))
    except (yaml.YAMLError, RecursionError) as exc:
        problem = f"is no valid YAML ({' '.join(str(exc).split())})"
        raise ConfigurationError(source, "", problem, "correct the syntax") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(source, key, first["msg"], "see tiergate.demo.simulation_scenario") from exc
