"""Times the queries behind the dashboard over a generated decision log, on SQLite and on PostgreSQL.

    python benchmarks/decision_queries.py [--rows 1000000] [--postgres URL]

Rows have the size of real ones: the whole record and an embedding of 384 dimensions; one in fifty has feedback.
Each figure is the median of nine runs after a first one, in milliseconds; the first one is given too.
"""

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_rollups import hour_of
from tiergate.adapters.decision_search import Cursor, find_decision, find_decisions
from tiergate.adapters.decision_summary import read_summary
from tiergate.adapters.decision_tables import DECISIONS, FEEDBACK, FEEDBACK_COPIES, build_values

RESULTS = Path(__file__).parent / "results" / "decision_queries.json"
DAYS, RUNS = 30, 9
TIERS = (("simple", 0.70, 4.35e-7), ("medium", 0.25, 5e-6), ("frontier", 0.05, 1.5e-5))


def build_row(number: int, ts: float, random_: random.Random) -> dict[str, Any]:
    """Return a row of the record, shaped like those of the reference case."""
    tier, _, price = random_.choices(TIERS, [share for _, share, _ in TIERS])[0]
    hit = random_.random() < 0.3
    escalated = not hit and random_.random() < 0.03
    confidence = None if hit else min(1.0, max(0.0, random_.gauss(0.55 if escalated else 0.9, 0.06)))
    tokens = random_.randint(50, 900)
    call = {
        "tier": tier, "model_group": f"tier-{tier}", "model": "model-of-the-tier", "provider": f"provider-{tier}",
        "fallback_from": None, "prompt_tokens": tokens, "completion_tokens": tokens // 2, "cached_tokens": 0,
        "cost_usd": 1.5 * tokens * price, "ms": random_.lognormvariate(5, 0.5), "start_ms": 4.0, "status": "ok",
    }  # fmt: skip
    calls = [] if hit else [call]
    if escalated:
        calls.append({**call, "tier": "frontier", "model_group": "tier-frontier", "cost_usd": 1.5 * tokens * 1.5e-5})
    cost, baseline = sum(item["cost_usd"] for item in calls), 1.5 * tokens * 1.5e-5
    domain = random_.choice(("coding", "finance", "general", "legal", "support"))
    return {
        "decision_id": f"{number:032x}", "ts": ts, "call_id": f"call-{number}", "trace_id": f"{number:032x}",
        "tenant": f"{random_.randint(0, 40):032x}", "entry_model": "auto", "strategy": "cascade",
        "experiment": "gate-065-vs-075" if number % 2 else None, "arm": "ab"[number % 4 // 2] if number % 2 else None,
        "session": None,
        "cache": {"outcome": "hit" if hit else "miss", "reason": "similar_enough" if hit else "below_min_similarity",
                  "similarity": random_.uniform(0.92, 1) if hit else random_.uniform(0.1, 0.9),
                  "error_bound": None, "age_s": 60.0 if hit else None, "entry_id": "e" if hit else None},
        "route": {"outcome": "skipped" if hit else "routed", "reason": "cache_hit" if hit else "score_meets_quality",
                  "tier": None if hit else tier, "score": None if hit else random_.uniform(0.9, 1),
                  "scores": {"simple": 0.95, "medium": 0.97, "frontier": 0.99}, "domain": domain,
                  "domain_score": 0.8, "classifier": "embedded", "artifact_digest": "sha256:0123456789ab", "ms": 0.4},
        "gate": {"outcome": "skipped" if hit else "escalated" if escalated else "trusted",
                 "reason": "cache_hit" if hit else "confidence_low" if escalated else "confidence_high",
                 "confidence": confidence, "final_confidence": confidence,
                 "signals": {"mean_logprob": -0.2, "min_logprob": -1.2, "entropy": 0.3},
                 "escalate_below": 0.7, "trust_from": 0.85, "escalate_to": None, "verifier": None},
        "calls": calls, "final_tier": "frontier" if escalated else tier, "cost_usd": cost,
        "baseline_cost_usd": baseline, "saved_usd": baseline - cost,
        "latency_ms": 5.0 if hit else sum(item["ms"] for item in calls) + 5, "overhead_ms": 3.0,
        "stage_ms": {"semantic_cache": 2.0, "intent_router": 0.5}, "stage_start_ms": {"semantic_cache": 0.0},
        "status": "ok" if number % 500 else "failed", "errors": {}, "feedback": None,
    }  # fmt: skip


def build_pieces(rows: int, end: float) -> Iterator[list[dict[str, Any]]]:
    """Yield column values in pieces, spread over the days before `end`."""
    random_ = random.Random(4711)  # noqa: S311  a workload, not a secret
    embedding = random_.randbytes(4 * 384)
    step = DAYS * 86400 / rows
    piece: list[dict[str, Any]] = []
    for number in range(rows):
        row = build_row(number, end - (rows - number) * step, random_)
        piece.append({**build_values(row, number, clean=False), "embedding": embedding})
        if len(piece) == 2000:
            yield piece
            piece = []
    yield piece


def build_feedback(piece: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return feedback on one in fifty."""
    return [
        {
            "decision_id": values["decision_id"], "source": "user", "ts": values["ts"] + 60,
            "score": float(values["recorded_at"] % 7 > 0), "wrong_cache_hit": False, "comment": "",
            "decision_ts": values["ts"], **{name: values[name] for name in FEEDBACK_COPIES},
        }
        for values in piece[::50]
    ]  # fmt: skip


def fill(url: sa.URL, rows: int, end: float) -> dict[str, float]:
    """Write the log and sum it up; return how long both took in seconds."""
    database = DecisionDatabase(url)
    database.open_schema()
    engine = sa.create_engine(url)
    started = time.perf_counter()
    for piece in build_pieces(rows, end):
        if piece:
            with engine.begin() as connection:
                connection.execute(sa.insert(DECISIONS), piece)
                connection.execute(sa.insert(FEEDBACK), build_feedback(piece))
    written = time.perf_counter()
    if url.get_backend_name() != "sqlite":
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("ANALYZE"))
    summed = time.perf_counter()
    while database.tidy(hours=24):
        pass
    done = time.perf_counter()
    database.close()
    engine.dispose()
    return {"write_s": round(written - started, 1), "sum_hours_s": round(done - summed, 1)}


def measure(url: sa.URL, rows: int, end: float) -> dict[str, Any]:
    """Return the time of each query in milliseconds."""
    database = DecisionDatabase(url)
    last = hour_of(end) + 1
    newest = Cursor(ts=end - 86400, decision_id="0")
    queries: dict[str, Callable[[sa.Connection], Any]] = {
        "summary of 30 days": lambda c: read_summary(c, (last - 24 * DAYS, last)),
        "summary of 24 hours": lambda c: read_summary(c, (last - 24, last)),
        "newest 50 decisions": lambda c: find_decisions(c, limit=50, newest_first=True),
        "50 decisions, a day back": lambda c: find_decisions(c, limit=50, newest_first=True, after=newest),
        "50 escalated of finance": lambda c: find_decisions(
            c, limit=50, newest_first=True, where={"gate_outcome": "escalated", "domain": "finance"}
        ),
        "an outcome that never was": lambda c: find_decisions(
            c, limit=50, newest_first=True, where={"gate_outcome": "verified"}
        ),
        "one decision": lambda c: find_decision(c, f"{rows // 2:032x}"),
    }
    figures = {}
    for name, query in queries.items():
        times = []
        for _ in range(RUNS + 1):
            started = time.perf_counter()
            with database.snapshot() as connection:
                query(connection)
            times.append(1000 * (time.perf_counter() - started))
        figures[name] = {"first_ms": round(times[0], 1), "p50_ms": round(statistics.median(times[1:]), 1)}
    database.close()
    return figures


def main() -> None:
    """Fill, measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--postgres", help="URL of an empty PostgreSQL database; left out, it is not measured")
    options = parser.parse_args()
    end = time.time()
    result: dict[str, Any] = {
        "rows": options.rows, "days": DAYS, "runs": RUNS, "cores": os.cpu_count(),
        "python": platform.python_version(), "databases": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        urls = {"sqlite": f"sqlite:///{folder}/decisions.db"}
        if options.postgres:
            urls["postgresql"] = options.postgres
        for name, text in urls.items():
            url = parse_url(text)
            filled = fill(url, options.rows, end)
            result["databases"][name] = {**filled, "queries": measure(url, options.rows, end)}
            print(name, json.dumps(result["databases"][name], indent=2), flush=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
