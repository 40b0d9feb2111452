"""probes.yaml: requests with the decisions that are expected of them."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from tiergate.decisions import CacheOutcome, GateOutcome
from tiergate.demo.scenario import Fault
from tiergate.errors import ConfigurationError
from tiergate.yaml_file import load_mapping

PROBE_FILE = "probes.yaml"
Endpoint = Literal["chat_completions", "messages", "responses"]
PATHS: Mapping[Endpoint, str] = {
    "chat_completions": "/v1/chat/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
}
Share = Annotated[float, Field(ge=0, le=1)]


class ProbeFileError(ConfigurationError):
    """probes.yaml is wrong; names file, key and fix."""


class Part(BaseModel):
    """A part of probes.yaml: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FaultOrder(Part):
    """What the stand-ins do wrong before the probe is sent; real providers take no orders.

    Attributes:
        model: Shell pattern on the provider's model name.
        fault: What goes wrong.
        times: How many requests it happens to.
    """

    model: str
    fault: Fault
    times: int = Field(default=1, ge=1)


class Expectation(Part):
    """What the answer has to show. A key left out is not looked at; a list allows each of its values.

    Attributes:
        status: HTTP status.
        handled: Whether tiergate decided: false for a request that passes through untouched.
        tier: Value of x-tiergate-tier.
        cache: Value of x-tiergate-cache.
        gate: Value of x-tiergate-gate.
        fallback: Whether LiteLLM answered from another model group than the one asked first.
    """

    status: tuple[int, ...] = (200,)
    handled: bool | None = None
    tier: tuple[str, ...] = ()
    cache: tuple[CacheOutcome, ...] = ()
    gate: tuple[GateOutcome | Literal["pending"], ...] = ()
    fallback: bool | None = None

    @field_validator("status", "tier", "cache", "gate", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else [value]


class Probe(Part):
    """One request and what is expected of it.

    Attributes:
        name: Shown in the table; no two probes share one.
        prompt: What the user asks; `messages` for more than one turn.
        messages: The turns in place of `prompt`.
        system: Instructions beside it.
        endpoint: Which wire format.
        model: What a client puts in "model".
        stream: Ask for a stream.
        headers: Added to the request; a value may be os.environ/NAME.
        body: Further keys of the request's body.
        fault: Makes the probe one for stand-ins only.
        stand_in: Whether the expectation holds on stand-ins only, such as a weak answer.
        expect: What the answer has to show.
    """

    name: str = Field(min_length=1)
    prompt: str | None = Field(default=None, min_length=1)
    messages: tuple[dict[str, Any], ...] = ()
    system: str | None = None
    endpoint: Endpoint = "chat_completions"
    model: str = "auto"
    stream: bool = False
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] = Field(default_factory=dict)
    fault: FaultOrder | None = None
    stand_in: bool = False
    expect: Expectation

    @property
    def stand_in_only(self) -> bool:
        """Whether the probe makes no sense against real providers."""
        return self.stand_in or self.fault is not None

    @model_validator(mode="after")
    def _one_question(self) -> Self:
        if (self.prompt is None) == (not self.messages):
            raise ValueError("needs exactly one of `prompt` and `messages`; keep one of the two")
        return self


class ShareRange(Part):
    """Bounds of the share of handled probes that show a value, both included."""

    at_least: Share = 0.0
    at_most: Share = 1.0

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.at_least > self.at_most:
            raise ValueError("at_least is above at_most; swap the two")
        return self


class Shares(Part):
    """What the run as a whole has to show: by header, the share of each value."""

    tier: dict[str, ShareRange] = Field(default_factory=dict)
    cache: dict[CacheOutcome, ShareRange] = Field(default_factory=dict)
    gate: dict[GateOutcome, ShareRange] = Field(default_factory=dict)

    def listed(self) -> tuple[tuple[str, str, ShareRange], ...]:
        """Return header, value and bounds of each share."""
        sections: Mapping[str, Mapping[Any, ShareRange]] = {"tier": self.tier, "cache": self.cache, "gate": self.gate}
        return tuple(
            (name, str(value), bounds) for name, ranges in sections.items() for value, bounds in ranges.items()
        )


class ProbeFile(Part):
    """The whole of probes.yaml.

    Attributes:
        version: Of the format.
        acceptance: Share of the probes that must show what is expected.
        shares: What the run as a whole has to show.
        probes: Sent one after the other, in this order.
    """

    version: Literal[1] = 1
    acceptance: Share = 1.0
    shares: Shares = Shares()
    probes: tuple[Probe, ...] = Field(min_length=1)


def load_probes(path: Path) -> ProbeFile:
    """Read probes.yaml.

    Args:
        path: The file, or a folder that holds probes.yaml.

    Raises:
        ConfigurationError: The file cannot be read or breaks the schema. Names file, key and fix.
    """
    file = path / PROBE_FILE if path.is_dir() else path
    raw = load_mapping(
        file, absent_fix=f"name a folder with {PROBE_FILE}", empty_fix="write `probes:` and a list under it"
    )
    try:
        probes = ProbeFile.model_validate(raw)
    except ValidationError as exc:
        raise _file_error(file, exc.errors()[0], raw) from exc
    twice = [name for name, count in Counter(probe.name for probe in probes.probes).items() if count > 1]
    if twice:
        raise ProbeFileError(file, "probes", f"{twice[0]!r} names two probes", "give each probe a name of its own")
    return probes


def write_probe_schema() -> str:
    """Return the JSON schema of probes.yaml as text; under `expect` one value may stand in place of a list."""
    schema = ProbeFile.model_json_schema()
    for name in ("status", "tier", "cache", "gate"):
        listed = schema["$defs"]["Expectation"]["properties"][name]
        default = listed.pop("default")
        schema["$defs"]["Expectation"]["properties"][name] = {"anyOf": [listed, listed["items"]], "default": default}
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _file_error(file: Path, details: ErrorDetails, raw: Mapping[str, Any]) -> ProbeFileError:
    """Turn one of pydantic's errors into ours."""
    key = _dotted(details["loc"], raw)
    if details["type"] == "extra_forbidden":
        return ProbeFileError(
            file, key, "is not a known key", "remove it, or correct its spelling (docs/reference/probes.md)"
        )
    if details["type"] == "missing":
        return ProbeFileError(file, key, "is required", f"add `{key.rsplit('.', 1)[-1]}:`")
    message = str(details["msg"]).removeprefix("Value error, ")
    if details["type"] == "value_error" and "; " in message:
        problem, fix = message.split("; ", 1)
        return ProbeFileError(file, key, problem, fix)
    return ProbeFileError(file, key, f"{message}, not {details['input']!r:.80}", "use a value of the kind it names")


def _dotted(loc: tuple[int | str, ...], raw: Mapping[str, Any]) -> str:
    """Write pydantic's location as a key of the file; a probe is called by its name where it has one."""
    text = ""
    node: Any = raw
    for part in loc:
        node = node[part] if _has(node, part) else None
        if isinstance(part, int):
            name = node.get("name") if isinstance(node, dict) else None
            text += f"[{name or part}]"
        elif not part.startswith("literal["):
            text += f".{part}" if text else part
    return text


def _has(node: Any, part: int | str) -> bool:
    if isinstance(node, dict):
        return part in node
    return isinstance(node, list) and isinstance(part, int) and part < len(node)
