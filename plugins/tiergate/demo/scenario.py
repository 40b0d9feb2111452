"""A scenario: how a stand-in provider behaves, as data.

A scenario is a YAML file. Its rules are tried in order, and the first one whose model pattern, words and
regular expression all match the request decides the answer, the log-probabilities, the latency and the
faults. What a rule leaves out comes from the first matching entry of `models`, and then from the default.
"""

import random
import re
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from tiergate.errors import ConfigurationError


class Fault(StrEnum):
    """What can go wrong with one request."""

    STATUS_401 = "status_401"
    STATUS_429 = "status_429"
    STATUS_500 = "status_500"
    STATUS_503 = "status_503"
    CONTEXT_OVERFLOW = "context_overflow"
    CONTENT_FILTER = "content_filter"
    CONNECTION_RESET = "connection_reset"
    TIMEOUT = "timeout"
    MALFORMED_JSON = "malformed_json"
    TRUNCATED_STREAM = "truncated_stream"
    NAN_LOGPROBS = "nan_logprobs"
    EMPTY_ANSWER = "empty_answer"
    HUGE_ANSWER = "huge_answer"


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))


class Constant(_Data):
    """The same number of milliseconds each time."""

    kind: Literal["constant"] = "constant"
    ms: float = Field(ge=0)

    def draw(self, _rng: random.Random) -> float:
        """Return milliseconds."""
        return self.ms


class Uniform(_Data):
    """Between two bounds, each value equally likely."""

    kind: Literal["uniform"]
    low_ms: float = Field(ge=0)
    high_ms: float = Field(ge=0)

    def draw(self, rng: random.Random) -> float:
        """Return milliseconds."""
        return rng.uniform(self.low_ms, self.high_ms)


class Normal(_Data):
    """Normal, cut off at zero."""

    kind: Literal["normal"]
    mean_ms: float = Field(ge=0)
    sd_ms: float = Field(ge=0)

    def draw(self, rng: random.Random) -> float:
        """Return milliseconds."""
        return max(0.0, rng.gauss(self.mean_ms, self.sd_ms))


class Lognormal(_Data):
    """Log-normal: most answers near the median, a long tail of slow ones."""

    kind: Literal["lognormal"]
    median_ms: float = Field(ge=0)
    sigma: float = Field(ge=0)

    def draw(self, rng: random.Random) -> float:
        """Return milliseconds."""
        return self.median_ms * rng.lognormvariate(0.0, self.sigma)


class Exponential(_Data):
    """Exponential: the waiting time of a random arrival."""

    kind: Literal["exponential"]
    mean_ms: float = Field(gt=0)

    def draw(self, rng: random.Random) -> float:
        """Return milliseconds."""
        return rng.expovariate(1.0 / self.mean_ms)


Distribution = Annotated[Constant | Uniform | Normal | Lognormal | Exponential, Field(discriminator="kind")]
_NO_WAIT = Constant(ms=0.0)


class Latency(_Data):
    """Time to the first byte and between tokens; an answer that is not streamed waits for the sum."""

    first_byte: Distribution = _NO_WAIT
    per_token: Distribution = _NO_WAIT


class FaultRule(_Data):
    """A fault with its probability.

    Attributes:
        fault: What goes wrong.
        probability: Share of the matching requests that it happens to.
        retry_after_s: The `retry-after` header of a 429 or 503.
        hang_s: How long `timeout` holds the connection before it drops it.
        megabytes: Size of `huge_answer`.
    """

    fault: Fault
    probability: float = Field(default=1.0, ge=0, le=1)
    retry_after_s: float | None = Field(default=None, ge=0)
    hang_s: float = Field(default=600.0, ge=0)
    megabytes: float = Field(default=10.0, ge=0)


class ToolCallRule(_Data):
    """A tool call in place of text; it happens only when the request offers the tool.

    Attributes:
        name: Name of the tool; None takes the first one offered.
        arguments: The raw arguments, valid JSON or not; None makes valid ones from the tool's schema.
    """

    name: str | None = None
    arguments: str | None = None


Level = Literal["confident", "hesitant", "weak"]


class ModelProfile(_Data):
    """What holds for a model whatever it is asked.

    Attributes:
        match: Shell pattern on the model name.
        listed: Names that `GET /v1/models` shows for this entry.
        logprobs: `given` when asked for; `ignored`: the answer comes without them; `rejected`: a 400.
        certainty: Level of the log-probabilities unless a rule says otherwise.
        latency: Waiting times unless a rule says otherwise.
    """

    match: str = "*"
    listed: tuple[str, ...] = ()
    logprobs: Literal["given", "ignored", "rejected"] = "given"
    certainty: Level = "confident"
    latency: Latency = Latency()


class Rule(_Data):
    """One behaviour, and when it applies. All given conditions must hold.

    Attributes:
        name: Shown in `GET /control/requests`.
        models: Shell patterns on the model name; one must match.
        words: Whole words, any case; one must be in the last user message.
        pattern: Regular expression searched in the last user message, any case.
        answer: Text; `{question}` and `{model}` are filled in. None makes a plausible one.
        certainty: A level, or log-probabilities that are repeated along the answer.
        finish_reason: Overrides stop / length / tool_calls.
        refusal: The answer is this refusal, marked as one where the wire format can.
        tool_call: Call a tool.
        latency: Waiting times.
        faults: Tried in order; the first one drawn happens.
    """

    name: str
    models: tuple[str, ...] = ("*",)
    words: tuple[str, ...] = ()
    pattern: str | None = None
    answer: str | None = None
    certainty: Level | tuple[Annotated[float, Field(le=0)], ...] | None = None
    finish_reason: Literal["stop", "length", "content_filter"] | None = None
    refusal: str | None = None
    tool_call: ToolCallRule | None = None
    latency: Latency | None = None
    faults: tuple[FaultRule, ...] = ()

    @field_validator("pattern")
    @classmethod
    def _check_pattern(cls, pattern: str | None) -> str | None:
        try:
            re.compile(pattern or "")
        except re.error as exc:
            raise ValueError(f"is no regular expression: {exc}") from exc
        return pattern

    @cached_property
    def _conditions(self) -> tuple[re.Pattern[str], ...]:
        sources = [rf"\b(?:{'|'.join(map(re.escape, self.words))})\b"] if self.words else []
        sources += [self.pattern] if self.pattern is not None else []
        return tuple(re.compile(source, re.IGNORECASE) for source in sources)

    def matches(self, model: str, question: str) -> bool:
        """Whether the rule applies to this model and last user message."""
        return any(fnmatchcase(model, pattern) for pattern in self.models) and all(
            condition.search(question) for condition in self._conditions
        )


class Scenario(_Data):
    """How a stand-in provider behaves.

    Attributes:
        name: Name of the scenario.
        seed: Seed of every draw. A draw depends on the seed, the model, the question and how often it came.
        models: What holds for a model; the first match counts.
        rules: Behaviours; the first match counts.
    """

    name: str = "unnamed"
    seed: int = 0
    models: tuple[ModelProfile, ...] = ()
    rules: tuple[Rule, ...] = ()

    def find_profile(self, model: str) -> ModelProfile:
        """Return the first profile that matches, or the default one."""
        return next((entry for entry in self.models if fnmatchcase(model, entry.match)), ModelProfile())

    def find_rule(self, model: str, question: str) -> Rule | None:
        """Return the first rule that matches, or None."""
        return next((rule for rule in self.rules if rule.matches(model, question)), None)


def load_scenario(source: str | Path) -> Scenario:
    """Read a scenario: a file, or the name of one that ships with the package.

    Raises:
        ConfigurationError: The file is missing, is no YAML, or does not describe a scenario.
    """
    packaged = files("tiergate.demo") / "scenarios" / f"{source}.yaml"
    try:
        text = packaged.read_text() if packaged.is_file() else Path(source).read_text(encoding="utf-8")
    except OSError as exc:
        raise ConfigurationError(
            source, "", "no such scenario", "give a YAML file or the name of a shipped scenario"
        ) from exc
    try:
        data: Any = yaml.safe_load(text)
        return Scenario.model_validate(data)
    except yaml.YAMLError as exc:
        raise ConfigurationError(source, "", f"is no valid YAML ({exc})", "correct the syntax") from exc
    except ValidationError as exc:
        first = exc.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigurationError(source, key, first["msg"], "see tiergate.demo.scenario for the fields") from exc
