"""What recording a decision costs on the request path, at a steady rate, while the writer thread writes to SQLite.

python benchmarks/decision_log.py [--rates 200 2000] [--seconds 16] [--url sqlite:///FILE]

Prints a table and writes benchmarks/results/decision_log.json. `to_row` and `record` are timed apart, on the event
loop, with a 384-dimensional embedding and a 200-character prompt in each row. `loop_lag` is how late the loop woke for
a record: it contains the writer thread's hold on the interpreter lock, which the calls themselves do not show.
`loop_lag_bare` is the same without a log, in turns with it; a timer of asyncio alone is up to 1 ms late.
"""

import argparse
import asyncio
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiergate.adapters.decision_database import read_decisions
from tiergate.adapters.decision_log import SqlDecisionLog, open_decision_log
from tiergate.decisions import (
    CacheDecision,
    CacheOutcome,
    GateDecision,
    GateOutcome,
    Reason,
    RouteDecision,
    RouteOutcome,
)
from tiergate.exchange import Call
from tiergate.telemetry.names import Stage
from tiergate.telemetry.record import DecisionRecord

RESULT = Path(__file__).parent / "results" / "decision_log.json"
CALL = Call(
    tier="simple",
    model_group="tier-simple",
    model="small",
    provider="a",
    prompt_tokens=60,
    completion_tokens=90,
    ms=40.0,
)


def build_record(number: int, embedding: np.ndarray[Any, np.dtype[np.float32]]) -> DecisionRecord:
    """Return a record of the size that an escalated request has."""
    return DecisionRecord(
        decision_id=f"{number:032x}",
        ts=time.time(),
        call_id=f"call-{number:032x}",
        tenant="0123456789abcdef",
        entry_model="auto",
        strategy="cascade",
        cache=CacheDecision(outcome=CacheOutcome.MISS, reason=Reason.BELOW_MIN_SIMILARITY, similarity=0.41),
        route=RouteDecision(
            outcome=RouteOutcome.ROUTED,
            reason=Reason.SCORE_MEETS_QUALITY,
            tier="simple",
            score=0.93,
            scores={"simple": 0.93, "medium": 0.96, "frontier": 0.99},
            domain="coding",
            domain_score=0.8,
            classifier="embedded",
            artifact_digest="0" * 64,
        ),
        gate=GateDecision(
            outcome=GateOutcome.ESCALATED,
            reason=Reason.CONFIDENCE_LOW,
            confidence=0.5,
            signals={"mean_logprob": -0.7, "min_logprob": -4.1, "length": 90.0},
            escalate_below=0.7,
            trust_from=0.85,
            escalate_to="frontier",
        ),
        calls=(CALL, CALL),
        final_tier="frontier",
        cost_usd=0.0021,
        baseline_cost_usd=0.002,
        saved_usd=-0.0001,
        latency_ms=180.0,
        overhead_ms=4.0,
        stage_ms=dict.fromkeys(Stage, 1.0),
        stage_start_ms=dict.fromkeys(Stage, 0.5),
        embedding=embedding,
        prompt="x" * 200,
    )


async def record_steadily(
    log: SqlDecisionLog | None, rate: int, seconds: float, first: int = 0
) -> dict[str, list[float]]:
    """Record at `rate` per second and return the times in µs; without a log only the loop's lag means anything."""
    times: dict[str, list[float]] = {"to_row": [], "record": [], "loop_lag": []}
    embedding = np.random.default_rng(7).standard_normal(384).astype(np.float32)
    begun = time.perf_counter()
    for number in range(int(rate * seconds)):
        due = begun + number / rate
        record = build_record(first + number, embedding)
        pause = due - time.perf_counter()
        if pause > 0:
            await asyncio.sleep(pause)
            times["loop_lag"].append((time.perf_counter() - due) * 1e6)
        start = time.perf_counter()
        row = record.to_row()
        middle = time.perf_counter()
        if log is not None:
            log.record(row)
        end = time.perf_counter()
        times["to_row"].append((middle - start) * 1e6)
        times["record"].append((end - middle) * 1e6)
    return times | {"elapsed_s": [time.perf_counter() - begun]}


def summarise(values: Sequence[float]) -> Mapping[str, float]:
    """Return the quantiles of times in microseconds."""
    p50, p95, p99 = (float(value) for value in np.quantile(values, (0.5, 0.95, 0.99)))
    return {
        "n": len(values),
        "p50_us": round(p50, 1),
        "p95_us": round(p95, 1),
        "p99_us": round(p99, 1),
        "max_us": round(max(values), 1),
    }


def measure(url: str, folder: Path, rate: int, seconds: float) -> dict[str, Any]:
    """Run in four turns, with and without a log, and return the figures."""
    times: dict[str, list[float]] = {"to_row": [], "record": [], "loop_lag": [], "loop_lag_bare": [], "elapsed_s": []}
    sent = written = dropped = pending = 0
    for turn in range(4):
        bare = asyncio.run(record_steadily(None, rate, seconds / 4))
        times["loop_lag_bare"] += bare["loop_lag"]
        log = open_decision_log(url, policy_file=folder / "policy.yaml", journal_folder=folder / "journal")
        with_log = asyncio.run(record_steadily(log, rate, seconds / 4, first=turn * 1_000_000))
        for name, values in with_log.items():
            times[name] += values
        sent += len(with_log["record"])
        pending = max(pending, log.pending)
        log.close()
        written, dropped = written + log.written, dropped + log.dropped
    elapsed_s = sum(times.pop("elapsed_s"))
    return {
        "database": url.partition(":")[0],
        "asked_per_s": rate,
        "reached_per_s": round(sent / elapsed_s),
        "times": {name: summarise(values) for name, values in times.items()},
        "pending_at_end_of_a_turn": pending,
        "recorded": sent,
        "written": written,
        "dropped": dropped,
        "read_back": len(read_decisions(url, limit=sent + 1)),
    }


def main() -> None:
    """Parse the command line, measure, print and write the result."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rates", type=int, nargs="+", default=[200, 2000], help="records per second")
    parser.add_argument("--seconds", type=float, default=16.0, help="for each rate")
    parser.add_argument("--url", help="default: an SQLite file in a temporary folder")
    arguments = parser.parse_args()
    runs = []
    for rate in arguments.rates:
        with tempfile.TemporaryDirectory(prefix="tiergate-bench-") as name:
            url = arguments.url or f"sqlite:///{name}/decisions.db"
            runs.append(measure(url, Path(name), rate, arguments.seconds))
        runs[-1]["load_average_1_min"] = round(os.getloadavg()[0], 1)
    machine = {"python": platform.python_version(), "system": platform.system(), "cores": os.cpu_count()}
    print("| records/s | step | p50 µs | p95 | p99 | max |\n|---|---|---|---|---|---|")
    for run in runs:
        for step, found in run["times"].items():
            times = " | ".join(str(found[name]) for name in ("p50_us", "p95_us", "p99_us", "max_us"))
            print(f"| {run['asked_per_s']} | {step} | {times} |")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"machine": machine, "runs": runs}, indent=2) + "\n")


if __name__ == "__main__":
    main()
