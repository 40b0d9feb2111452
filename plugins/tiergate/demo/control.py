"""What can be changed and read while a stand-in runs: armed faults, latencies, and what arrived."""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from pydantic import Field

from tiergate.demo.answers import Asked, build_rng
from tiergate.demo.scenario import FaultRule, Latency, ModelProfile, Rule, Scenario

_KEPT_REQUESTS = 20_000
_KEPT_QUESTIONS = 100_000
_HEADERS = frozenset({"traceparent", "tracestate", "user-agent", "x-request-id", "anthropic-version", "anthropic-beta"})
_PROMPT_FIELDS = frozenset({"messages", "prompt", "input", "system", "instructions"})


class FaultOrder(FaultRule):
    """`POST /control/fault`: a fault for the next requests to a model, whatever the scenario says.

    Attributes:
        model: Shell pattern on the model name.
        times: How many requests it happens to; None until reset.
    """

    model: str = "*"
    times: int | None = Field(default=1, ge=1)


class LatencyOrder(Latency):
    """`POST /control/latency`: waiting times for a model, whatever the scenario says.

    Attributes:
        model: Shell pattern on the model name.
    """

    model: str = "*"


@dataclass(slots=True)
class _Armed:
    order: FaultOrder
    left: int | None


@dataclass(slots=True)
class Arrival:
    """One request that arrived; `outcome` is filled in when it is over.

    Attributes:
        number: Its place in the order of arrival, from 1.
        endpoint: Path.
        model: Model that was asked for.
        stream: Whether a stream was asked for.
        headers: Headers that are of interest to a test; of the authorization, only that there was one.
        body: The request.
        rule: Name of the rule that applied.
        outcome: `pending`, `answered`, `client_gone`, `bad_request`, or the name of the fault.
    """

    number: int
    endpoint: str
    model: str
    stream: bool
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    rule: str | None = None
    outcome: str = "pending"

    def render(self, *, prompts: bool) -> dict[str, Any]:
        """Return it as JSON-ready data, the prompt only if asked for."""
        return {
            "number": self.number,
            "endpoint": self.endpoint,
            "model": self.model,
            "stream": self.stream,
            "headers": self.headers,
            "body": {key: value for key, value in self.body.items() if prompts or key not in _PROMPT_FIELDS},
            "rule": self.rule,
            "outcome": self.outcome,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Conduct:
    """How one request is treated.

    Attributes:
        profile: What holds for the model.
        rule: The rule that applies; None for the default behaviour.
        fault: What goes wrong; None when nothing does.
        first_byte_s: Wait before the first byte.
        per_token_s: Wait before each token.
    """

    profile: ModelProfile
    rule: Rule | None
    fault: FaultRule | None
    first_byte_s: float
    per_token_s: float


class Control:
    """The running state of one stand-in.

    Args:
        scenario: How it behaves unless told otherwise.
    """

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self.reset()

    def reset(self) -> None:
        """Forget armed faults, latencies and arrivals; start the draws anew."""
        self._faults: list[_Armed] = []
        self._latencies: list[LatencyOrder] = []
        self._arrivals: deque[Arrival] = deque(maxlen=_KEPT_REQUESTS)
        self._asked: Counter[int] = Counter()
        self._number = 0

    def arm(self, order: FaultOrder) -> None:
        """Let a fault happen to the next matching requests, after those armed before it."""
        self._faults.append(_Armed(order, order.times))

    def slow_down(self, order: LatencyOrder) -> None:
        """Set the waiting times of a model; the latest order counts."""
        self._latencies.insert(0, order)

    def record(self, endpoint: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Arrival:
        """Note a request that arrived."""
        self._number += 1
        kept = {key: value for key, value in headers.items() if key in _HEADERS or key.startswith("x-tiergate")}
        if "authorization" in headers or "x-api-key" in headers:
            kept["authorization"] = "given"
        arrival = Arrival(
            number=self._number,
            endpoint=endpoint,
            model=str(body.get("model")),
            stream=bool(body.get("stream")),
            headers=kept,
            body=body,
        )
        self._arrivals.append(arrival)
        return arrival

    def decide_conduct(self, asked: Asked) -> Conduct:
        """Say how a request is treated: rule, fault and latency."""
        scenario, model = self._scenario, asked.model
        profile, rule = scenario.find_profile(model), scenario.find_rule(model, asked.question)
        rng = build_rng(scenario.seed, model, asked.question, "conduct", self._count(model, asked.question))
        fault: FaultRule | None = self._take_fault(model)
        if fault is None and rule is not None:
            fault = next((entry for entry in rule.faults if rng.random() < entry.probability), None)
        latency: Latency | None = next(
            (order for order in self._latencies if fnmatchcase(model, order.model)),
            rule.latency if rule else None,
        )
        latency = latency or profile.latency
        return Conduct(
            profile=profile,
            rule=rule,
            fault=fault,
            first_byte_s=latency.first_byte.draw(rng) / 1000,
            per_token_s=latency.per_token.draw(rng) / 1000,
        )

    def render(self, *, prompts: bool) -> dict[str, Any]:
        """Return what arrived, oldest first, with counts by model and by endpoint over the kept requests."""
        return {
            "count": self._number,
            "by_model": Counter(arrival.model for arrival in self._arrivals),
            "by_endpoint": Counter(arrival.endpoint for arrival in self._arrivals),
            "requests": [arrival.render(prompts=prompts) for arrival in self._arrivals],
        }

    def _count(self, model: str, question: str) -> int:
        if len(self._asked) >= _KEPT_QUESTIONS:
            self._asked.clear()
        key = hash((model, question))
        self._asked[key] += 1
        return self._asked[key]

    def _take_fault(self, model: str) -> FaultRule | None:
        for armed in self._faults:
            if fnmatchcase(model, armed.order.model):
                if armed.left is not None:
                    armed.left -= 1
                    if armed.left == 0:
                        self._faults.remove(armed)
                return armed.order
        return None
