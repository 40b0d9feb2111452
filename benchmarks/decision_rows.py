"""A generated decision log for the benchmarks: rows shaped like those of the reference case, and their writing."""

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from tiergate.adapters.decision_database import DecisionDatabase
from tiergate.adapters.decision_tables import DECISIONS, FEEDBACK, FEEDBACK_COPIES, build_values
from tiergate.artifact import builtin_artifact_path, load_artifact

DAYS = 30
PIECE = 2000
EXPLORED = 0.02
TIERS = (("simple", 0.70, 4.35e-7), ("medium", 0.25, 5e-6), ("frontier", 0.05, 1.5e-5))
NAMES = tuple(name for name, _, _ in TIERS)
PRICES = {name: price for name, _, price in TIERS}
DOMAINS = ("coding", "finance", "general", "legal", "support")


def build_row(number: int, ts: float, random_: random.Random, digest: str) -> dict[str, Any]:
    """Return a row of the record."""
    tier, propensity = random_.choices(NAMES, [share for _, share, _ in TIERS])[0], 1.0 - EXPLORED * 2 / 3
    bounds = {"simple": random_.uniform(0.0, 0.95), "medium": random_.uniform(0.3, 0.95), "frontier": 1.0}
    if tier != "frontier":
        bounds[tier] = random_.uniform(0.95, 1.0)
    if tier == "simple":
        bounds["medium"] = random_.uniform(bounds["simple"], 1.0)
    if random_.random() < EXPLORED:
        drawn = random_.choice(NAMES)
        tier, propensity = drawn, propensity if drawn == tier else EXPLORED / 3
    hit, escalated = random_.random() < 0.3, tier != "frontier" and random_.random() < 0.03
    escalated = escalated and not hit
    confidence = None if hit else min(1.0, max(0.0, random_.gauss(0.55 if escalated else 0.9, 0.06)))
    if confidence is not None and not escalated:
        confidence = max(0.7, confidence)
    tokens = random_.randint(50, 900)
    call = {
        "tier": tier, "model_group": f"tier-{tier}", "model": "model-of-the-tier", "provider": f"provider-{tier}",
        "fallback_from": None, "prompt_tokens": tokens, "completion_tokens": tokens // 2, "cached_tokens": 0,
        "cost_usd": 1.5 * tokens * PRICES[tier],
        "ms": random_.lognormvariate(5, 0.5), "start_ms": 4.0, "status": "ok",
    }  # fmt: skip
    calls = [] if hit else [call]
    if escalated:
        calls.append({**call, "tier": "frontier", "model_group": "tier-frontier", "cost_usd": 1.5 * tokens * 1.5e-5})
    cost, baseline = sum(item["cost_usd"] for item in calls), 1.5 * tokens * 1.5e-5
    domains = {name: random_.uniform(0.0, 0.1) for name in DOMAINS} | {random_.choice(DOMAINS): random_.uniform(0.5, 1)}
    domain = max(domains, key=lambda name: domains[name])
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
                  "scores": {name: min(1.0, bound + 0.02) for name, bound in bounds.items()},
                  "lower_bounds": {} if hit else bounds, "propensity": None if hit else propensity,
                  "domains": domains, "domain": domain, "domain_score": domains[domain], "classifier": "embedded",
                  "artifact_digest": None if hit else digest, "ms": 0.4},
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
    embedding, digest = random_.randbytes(4 * 384), load_artifact(builtin_artifact_path()).digest
    step = DAYS * 86400 / rows
    piece: list[dict[str, Any]] = []
    for number in range(rows):
        row = build_row(number, end - (rows - number) * step, random_, digest)
        piece.append({**build_values(row, number, clean=False), "embedding": embedding})
        if len(piece) == PIECE:
            yield piece
            piece = []
    if piece:
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
    """Write the log, sum it up and pack it; return how long both took in seconds."""
    database = DecisionDatabase(url)
    database.open_schema()
    engine = sa.create_engine(url)
    started = time.perf_counter()
    for piece in build_pieces(rows, end):
        with engine.begin() as connection:
            _write(connection, piece)
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
    return {"write_s": round(written - started, 1), "sum_and_pack_hours_s": round(done - summed, 1)}


def _write(connection: sa.Connection, piece: list[dict[str, Any]]) -> None:
    """Insert rows; into PostgreSQL by COPY, the way in for many."""
    if connection.dialect.name == "sqlite":
        connection.execute(sa.insert(DECISIONS), piece)
        return
    names = [column.name for column in DECISIONS.c]
    cursor: Any = connection.connection.cursor()
    listed = ", ".join(f'"{name}"' for name in names)
    with cursor.copy(f"COPY {DECISIONS.name} ({listed}) FROM STDIN") as copy:
        for values in piece:
            copy.write_row([json.dumps(values[name]) if name == "record" else values[name] for name in names])
