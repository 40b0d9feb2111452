"""A trace of requests through tiergate's own hooks on a loop whose time leaps: hours of traffic in a minute.

Nothing is decided here. Each request walks through the hooks that LiteLLM calls (`before_call`, `start_hedge`,
`before_attempt`, `after_call`, `headers_for`), so admission, skipping, hedging and the running quantiles are those that
serve. Only models and clock are stand-ins: a call sleeps for the time drawn for it, and sleeping takes no time.
"""

import asyncio
import math
import selectors
import uuid
from collections import Counter
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from litellm import ModelResponse
from litellm.proxy._types import UserAPIKeyAuth
from numpy.typing import NDArray
from typing_extensions import override

from tiergate.hooks.attempts import before_attempt
from tiergate.hooks.hedge import start_hedge
from tiergate.hooks.in_flight import InFlightRegistry
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.post_call import after_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for
from tiergate.policy.constraints import ModelFacts
from tiergate.policy.gate_calibration import GateCalibration
from tiergate.policy.money import Price
from tiergate.settings import Policy
from tiergate.stages.confidence_gate import ConfidenceGate
from tiergate.stages.decision_record import DecisionRecorder
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.testing import FakeClassifier, FakeEmbedder, MemoryStore

Floats = NDArray[np.float64]

EPOCH_S = 1_700_000_000.0
KEY = UserAPIKeyAuth(api_key="a-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """n requests and what each of m tiers would do with them.

    Attributes:
        arrivals_s: Shape (n,), rising.
        prompt_tokens: Shape (n,).
        answer_tokens: Shape (n,).
        times_s: Shape (n, m). Time of a call to each tier.
        confidence: Shape (n, m). Mean token probability of each tier's answer.
        good: Shape (n, m). Whether each tier's answer is right, 0 to 1.
        prices: Price of each tier.
    """

    arrivals_s: Floats
    prompt_tokens: NDArray[np.int64]
    answer_tokens: NDArray[np.int64]
    times_s: Floats
    confidence: Floats
    good: Floats
    prices: Sequence[Price]

    def cost_usd(self, number: int, tier: int) -> float:
        """Return what a call costs."""
        price = self.prices[tier]
        return float(self.prompt_tokens[number] * price.input_usd + self.answer_tokens[number] * price.output_usd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What came of n requests, in the order of their arrival.

    Attributes:
        latency_ms: Shape (n,).
        cost_usd: Shape (n,). Of all calls of the request, as its record says.
        good: Shape (n,). Whether the answer that the client got is right.
        first: Shape (n,). Place of the tier that was asked first.
        calls: Shape (n,). Calls made.
        moved: Share of requests that the budget sent to another tier than planned.
        skipped: Share of requests whose escalation the budget forbade.
        hedges: Share of requests by what became of their hedge; empty without one in policy.
    """

    latency_ms: Floats
    cost_usd: Floats
    good: Floats
    first: NDArray[np.int64]
    calls: NDArray[np.int64]
    moved: float
    skipped: float
    hedges: Mapping[str, float] = field(default_factory=dict)


class LeapingSelector(selectors.SelectSelector):
    """A selector that does not wait: where nothing happens until the next timer, its time has come at once."""

    def __init__(self) -> None:
        super().__init__()
        self.passed_s = 0.0

    @override
    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; add the waiting time to `passed_s` instead of waiting."""
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("nothing is left to wait for")
        if not ready and timeout:
            self.passed_s += timeout
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    """An event loop whose time is that of its selector."""

    def __init__(self) -> None:
        self._leaping = LeapingSelector()
        super().__init__(self._leaping)

    @override
    def time(self) -> float:
        """Return seconds since the loop began."""
        return self._leaping.passed_s


@dataclass(frozen=True, slots=True)
class LoopClock:
    """The clock of the loop."""

    loop: asyncio.AbstractEventLoop

    def now(self) -> float:
        """Return Unix time in seconds."""
        return EPOCH_S + self.loop.time()

    def monotonic(self) -> float:
        """Return seconds."""
        return self.loop.time()


@dataclass(slots=True)
class _Rows:
    """Decision records as they are logged, the last one of each call."""

    rows: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def record(self, row: Mapping[str, Any]) -> None:
        """Keep a row."""
        self.rows[row["call_id"]] = row

    async def aclose(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class StandInModels:
    """LiteLLM's Router and price map, for traffic whose times are known."""

    traffic: Traffic
    policy: Policy
    pipeline: Pipeline | None = None

    def price(self, model_group: str) -> Price | None:
        """Return the price of a tier."""
        return self.traffic.prices[self._place(model_group)]

    def supports_logprobs(self, model: str) -> bool:  # noqa: ARG002  the port's name
        """Return True: every answer has its confidence."""
        return True

    def note_logprobs(self, model: str, *, refused: bool) -> None:
        """Nothing is learned."""

    def retry_without_logprobs(self, model_group: str) -> Mapping[str, Any]:  # noqa: ARG002  the port's name
        """Return nothing: no call is refused."""
        return {}

    def facts(self, model_group: str) -> ModelFacts | None:  # noqa: ARG002  the port's name
        """Return None: nothing is known."""
        return None

    async def ask(
        self,
        body: Mapping[str, Any],
        metadata: dict[str, Any],
        model_group: str,
        call_id: str,
        params: Mapping[str, Any],  # noqa: ARG002  the port's name
        *,
        endpoint: str = "chat_completions",  # noqa: ARG002  the port's name
        stream: bool = False,  # noqa: ARG002  the port's name
    ) -> Any:
        """Ask a stronger tier."""
        return await self.call(int(body["user"]), model_group, call_id, metadata)

    async def call(self, number: int, model_group: str, call_id: str, metadata: Mapping[str, Any]) -> ModelResponse:
        """Take the call's time and return its answer."""
        if self.pipeline is not None:
            attempt = {"litellm_call_id": call_id, "metadata": metadata, "model": model_group}
            start_hedge(self.pipeline, attempt)
            before_attempt(self.pipeline, attempt)
        place = self._place(model_group)
        await asyncio.sleep(float(self.traffic.times_s[number, place]))
        return self._answer(number, place, model_group)

    def _place(self, model_group: str) -> int:
        return [tier.model_group for tier in self.policy.tiers].index(model_group)

    def _answer(self, number: int, place: int, model_group: str) -> ModelResponse:
        traffic = self.traffic
        logprob = math.log(max(float(traffic.confidence[number, place]), 1e-9))
        choice = {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "content": "A"},
            "logprobs": {"content": [{"token": "A", "logprob": logprob, "bytes": None, "top_logprobs": []}]},
        }
        prompt, answer = int(traffic.prompt_tokens[number]), int(traffic.answer_tokens[number])
        usage = {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}
        response = ModelResponse(model=model_group, choices=[choice], usage=usage)
        response._hidden_params = {  # noqa: SLF001  where LiteLLM keeps the cost
            "response_cost": traffic.cost_usd(number, place),
            "litellm_model_name": model_group,
            "custom_llm_provider": "openai",
            "additional_headers": {},
        }
        return response


def serve(traffic: Traffic, policy: Policy, scores: Mapping[str, float], calibration: GateCalibration | None) -> Served:
    """Send the traffic through the hooks and return what came of it.

    Args:
        traffic: The requests.
        policy: The policy; the cache is off.
        scores: P(good enough) by tier, the same for each request: its prompts are not in the data.
        calibration: The gate's; None for the documented prior.
    """
    with asyncio.Runner(loop_factory=LeapingLoop) as runner:
        return runner.run(_serve(traffic, policy, scores, calibration))


async def _serve(
    traffic: Traffic, policy: Policy, scores: Mapping[str, float], calibration: GateCalibration | None
) -> Served:
    loop = asyncio.get_running_loop()
    log, models = _Rows(), StandInModels(traffic, policy)
    spawned: set[asyncio.Task[Any]] = set()
    models.pipeline = pipeline = _build(policy, models, log, LoopClock(loop), scores, calibration, spawned)
    began = loop.time()
    tasks = []
    for number, arrival in enumerate((traffic.arrivals_s - traffic.arrivals_s[0]).tolist()):
        await asyncio.sleep(began + arrival - loop.time())
        tasks.append(loop.create_task(_walk(pipeline, models, number)))
    ids = await asyncio.gather(*tasks)
    await asyncio.gather(*spawned)  # hedges that nobody needed
    return _read(traffic, policy, [log.rows[one] for one in ids])


def _build(
    policy: Policy,
    models: StandInModels,
    log: _Rows,
    clock: LoopClock,
    scores: Mapping[str, float],
    calibration: GateCalibration | None,
    spawned: set[asyncio.Task[Any]],
) -> Pipeline:
    def spawn(work: Coroutine[Any, Any, Any]) -> None:
        spawned.add(asyncio.get_running_loop().create_task(work))

    return Pipeline(
        policy=policy,
        semantic_cache=SemanticCache(store=MemoryStore(), settings=policy.semantic_cache, clock=clock),
        intent_router=IntentRouter(classifier=FakeClassifier(scores=scores), policy=policy, facts=models.facts),
        confidence_gate=ConfidenceGate(policy=policy, calibration=calibration),
        decision_record=DecisionRecorder(log=log, listeners=()),
        registry=InFlightRegistry(max_entries=1_000_000),
        embedder=FakeEmbedder(dimensions=4),
        catalogue=models,
        models=models,
        clock=clock,
        cache_group=None,
        spawn=spawn,
    )


async def _walk(pipeline: Pipeline, models: StandInModels, number: int) -> str:
    """Send one request through the hooks in LiteLLM's order and return its call id."""
    body: dict[str, Any] = {
        "model": "auto",
        "user": str(number),
        "messages": [{"role": "user", "content": "A question."}],
    }
    call_id = str(uuid.UUID(int=number + 1))
    data: dict[str, Any] = {
        **body,
        "metadata": {"user_api_key": "a-key"},
        "litellm_call_id": call_id,
        "proxy_server_request": {"body": dict(body), "headers": {}},
    }
    await before_call(pipeline, KEY, data, "acompletion")
    first = await models.call(number, data["model"], call_id, data["metadata"])
    final = await after_call(pipeline, data, first)
    headers_for(pipeline, data, first if final is None else final)
    return call_id


def _read(traffic: Traffic, policy: Policy, rows: Sequence[Mapping[str, Any]]) -> Served:
    names = policy.tier_names
    final = [names.index(row["final_tier"]) for row in rows]
    hedges = Counter(row["hedge"]["outcome"] for row in rows if row["hedge"] is not None)
    return Served(
        latency_ms=np.array([row["latency_ms"] for row in rows]),
        cost_usd=np.array([row["cost_usd"] for row in rows]),
        good=traffic.good[np.arange(len(rows)), final],
        first=np.array([names.index(row["route"]["tier"]) for row in rows]),
        calls=np.array([len(row["calls"]) for row in rows]),
        moved=float(np.mean([row["route"]["reason"] == "latency_budget" for row in rows])),
        skipped=float(np.mean([row["gate"]["reason"] == "latency_budget" for row in rows])),
        hedges={outcome: count / len(rows) for outcome, count in hedges.items()},
    )
