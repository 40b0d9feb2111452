"""A scenario through a real proxy: each task once on the frontier alone, once through tiergate.

Both runs of a task follow each other, so that a busy machine slows both. Grades are found by the text of the answer
that the client got, never by what tiergate says of it.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import httpx
import yaml

from tiergate.adapters.decision_database import DecisionDatabase, parse_url, read_decisions
from tiergate.adapters.decision_feedback import FeedbackRow, write_feedback
from tiergate.adapters.decision_search import Cursor
from tiergate.demo.background import run_in_background
from tiergate.demo.proxy_process import ProcessError, ProxyProcess, run_proxy
from tiergate.demo.simulation_draws import SimulatedCall, TrueAnswer, draw_answer, draw_calls
from tiergate.demo.simulation_provider import build_drawn_app
from tiergate.demo.simulation_scenario import TIER_MODELS, SimulationScenario
from tiergate.pack import locate_pack

FRONTIER_GROUP = "tier-frontier"
WRONG_ANSWER_GRADE = 1
"""Grade of an answer to another question, which only a wrong cache hit gives."""
GOOD_GRADE = 4
"""Least grade of a good answer, as the scenarios define it."""
_RECORD_WAIT_S = 15.0
_PAGE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What the client got for one call.

    Attributes:
        cost_usd: What it cost.
        latency_ms: From request to answer at the client, with the proxy and this machine's load in it.
        model_ms: The drawn latency of its calls, one after the other.
        grade: Grade of the answer, 1 to 5.
        wrong_hit: Whether the answer belongs to another question.
        decision_id: Identifier of tiergate's record; empty on the frontier alone.
    """

    cost_usd: float
    latency_ms: float
    model_ms: float
    grade: int
    wrong_hit: bool
    decision_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPair:
    """One call of a task, on the frontier alone and through tiergate, with tiergate's record of it."""

    call: SimulatedCall
    before: Served
    after: Served
    record: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Truth:
    """Every answer that the models can give, by its text."""

    answers: Mapping[str, tuple[str, TrueAnswer]]
    meanings: Mapping[str, str]

    def grade(self, text: str, call: SimulatedCall) -> tuple[int, bool]:
        """Return the grade of an answer to a call, and whether it answers another question."""
        prompt, answer = self.answers[text]
        wrong = self.meanings[prompt] != call.meaning
        return (WRONG_ANSWER_GRADE if wrong else answer.grade), wrong


def run_simulation(
    scenario: SimulationScenario,
    *,
    degrade: float = 0.0,
    speed: float = 1.0,
    concurrency: int = 4,
    folder: Path | None = None,
) -> list[CallPair]:
    """Run a scenario and return every call with what it gave.

    Args:
        scenario: What is asked, and of whom.
        degrade: Share of prompts whose scores the classifier gets flipped.
        speed: How many times faster than drawn the stand-ins answer; reported latencies are as drawn.
        concurrency: Tasks at the same time.
        folder: Where the proxy runs and leaves its decision log, `data/decisions.db`; None leaves nothing.

    Raises:
        ProcessError: The proxy did not come up, or a call failed.
    """
    calls = draw_calls(scenario)
    by_prompt = {call.prompt: call for call in calls}
    truth = _find_truth(scenario, calls)
    tasks = [list(group) for _, group in groupby(calls, key=lambda call: call.task)]
    with (
        nullcontext(folder) if folder else tempfile.TemporaryDirectory(prefix="tiergate-simulate-") as place,
        run_in_background(app=build_drawn_app(scenario, by_prompt, speed=speed)) as provider,
        _run_proxy(scenario, Path(place), provider.url, degrade) as proxy,
        ThreadPoolExecutor(concurrency) as pool,
    ):
        runner = _Runner(proxy=proxy, scenario=scenario, truth=truth, speed=speed)
        served = list(pool.map(runner.run_task, tasks))
        wanted = {pair[2].decision_id for task in served for pair in task}
        records = _read_records(proxy.folder, wanted)
    pairs = []
    for call, before, after in (item for task in served for item in task):
        record = records[after.decision_id]
        pairs.append(
            CallPair(call=call, before=before, after=runner.at_drawn_latency(after, call, record), record=record)
        )
    return pairs


@dataclass(frozen=True, slots=True, kw_only=True)
class _Runner:
    proxy: ProxyProcess
    scenario: SimulationScenario
    truth: _Truth
    speed: float

    def run_task(self, calls: Sequence[SimulatedCall]) -> list[tuple[SimulatedCall, Served, Served]]:
        """Send a task's calls to the frontier alone, then through tiergate."""
        with self.proxy.client() as client:
            before = [self._send(client, call, FRONTIER_GROUP) for call in calls]
            after = [self._send(client, call, "auto") for call in calls]
        return list(zip(calls, before, after, strict=True))

    def at_drawn_latency(self, served: Served, call: SimulatedCall, record: Mapping[str, Any]) -> Served:
        """Return what was served with the latency that its calls would have had without a speed-up, and its cost."""
        models = [str(made["model"] or "").rsplit("/", 1)[-1] for made in record["calls"]]
        return Served(
            cost_usd=float(record["cost_usd"]),
            latency_ms=served.latency_ms + sum(self._saved_ms(model, call) for model in models),
            model_ms=sum(self._drawn_ms(model, call) for model in models),
            grade=served.grade,
            wrong_hit=served.wrong_hit,
            decision_id=served.decision_id,
        )

    def _saved_ms(self, model: str, call: SimulatedCall) -> float:
        return self._drawn_ms(model, call) * (1.0 - 1.0 / self.speed)

    def _drawn_ms(self, model: str, call: SimulatedCall) -> float:
        if model not in self.scenario.models:
            return 0.0
        return draw_answer(self.scenario, model, call.prompt, call.difficulty).latency_ms

    def _send(self, client: httpx.Client, call: SimulatedCall, model: str) -> Served:
        body = {"model": model, "messages": [{"role": "user", "content": call.prompt}]}
        started = time.perf_counter()
        response = client.post("/v1/chat/completions", json=body)
        latency_ms = 1000 * (time.perf_counter() - started)
        if not response.is_success:
            raise ProcessError(f"a call failed with {response.status_code}: {response.text[:300]}")
        grade, wrong_hit = self.truth.grade(response.json()["choices"][0]["message"]["content"], call)
        alone = model == FRONTIER_GROUP
        return Served(
            cost_usd=float(response.headers["x-litellm-response-cost"]) if alone else 0.0,
            latency_ms=latency_ms + (self._saved_ms(TIER_MODELS["frontier"], call) if alone else 0.0),
            model_ms=self._drawn_ms(TIER_MODELS["frontier"], call) if alone else 0.0,
            grade=grade,
            wrong_hit=wrong_hit,
            decision_id="" if alone else response.headers["x-tiergate-decision-id"],
        )


def keep_grades(pairs: Sequence[CallPair], folder: Path) -> None:
    """Write what each answer was worth into the decision log that a run left: feedback 1 for grade 4 or 5, else 0.

    Raises:
        DecisionLogError: The log cannot be written.
    """
    database = DecisionDatabase(parse_url(f"sqlite:///{folder / 'data' / 'decisions.db'}"))
    with database.transaction() as connection:
        for pair in pairs:
            feedback = FeedbackRow(
                decision_id=pair.after.decision_id,
                source="user",
                ts=float(pair.record["ts"]) + pair.after.latency_ms / 1000,
                score=float(pair.after.grade >= GOOD_GRADE),
                wrong_cache_hit=pair.after.wrong_hit,
            )
            write_feedback(connection, feedback)
    database.close()


def write_policy(scenario: SimulationScenario, path: Path) -> None:
    """Write the policy that a scenario runs with: the quickstart's tiers and the scenario's own sections."""
    policy = yaml.safe_load((locate_pack("quickstart") / "policy.yaml").read_text(encoding="utf-8"))
    kept = {key: policy[key] for key in ("version", "entry_models", "tiers", "baseline_tier")}
    path.write_text(yaml.safe_dump({**kept, **scenario.policy}, sort_keys=False), encoding="utf-8")


@contextmanager
def _run_proxy(scenario: SimulationScenario, folder: Path, provider_url: str, degrade: float) -> Iterator[ProxyProcess]:
    """Run the quickstart's proxy with the scenario's policy and its stand-in behind every deployment."""
    config = folder / "config.yaml"
    config.write_bytes((locate_pack("quickstart") / "config.yaml").read_bytes())
    write_policy(scenario, folder / "policy.yaml")
    environ = {
        "STANDIN_OPENAI_BASE": f"{provider_url}/v1",
        "STANDIN_ANTHROPIC_BASE": provider_url,
        "STANDIN_SECOND_BASE": f"{provider_url}/v1",
        "STANDIN_KEY": "stand-in",
        "TIERGATE_POLICY": str(folder / "policy.yaml"),
    }
    prelude = f"from tiergate.demo.degraded_classifier import install; install({degrade!r}); " if degrade else ""
    with run_proxy(config, folder, environ=environ, prelude=prelude) as proxy:
        with proxy.client() as client:  # the first calls of a process load what later ones find loaded
            messages = [{"role": "user", "content": "Warm up."}]
            for model in ("auto", FRONTIER_GROUP, "auto"):
                client.post("/v1/chat/completions", json={"model": model, "messages": messages})
        yield proxy


def _find_truth(scenario: SimulationScenario, calls: Sequence[SimulatedCall]) -> _Truth:
    answers = {}
    for call in calls:
        for model in scenario.models:
            answer = draw_answer(scenario, model, call.prompt, call.difficulty)
            answers[answer.text] = (call.prompt, answer)
    return _Truth(answers, {call.prompt: call.meaning for call in calls})


def _read_records(folder: Path, wanted: set[str]) -> dict[str, Mapping[str, Any]]:
    """Return the rows of the decision log by id, once all that are wanted are written.

    Raises:
        ProcessError: Some are missing after the wait.
    """
    url = f"sqlite:///{folder / 'data' / 'decisions.db'}"
    deadline = time.monotonic() + _RECORD_WAIT_S
    while True:
        found: dict[str, Mapping[str, Any]] = {}
        cursor: Cursor | None = None
        while rows := read_decisions(url, limit=_PAGE, after=cursor):
            found |= {row["decision_id"]: row for row in rows}
            cursor = Cursor(ts=rows[-1]["ts"], decision_id=rows[-1]["decision_id"])
        if wanted <= set(found):
            return found
        if time.monotonic() > deadline:
            raise ProcessError(f"{len(wanted - set(found))} decisions are not in the decision log")
        time.sleep(0.3)
