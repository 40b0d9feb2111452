from pathlib import Path
from typing import Any

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_rollups import HOUR_S
from tiergate.adapters.decision_summary import read_summary
from tiergate.adapters.decision_tables import build_values

HOUR = 500_000


def summarise(tmp_path: Path, rows: list[dict[str, Any]], hours: int) -> dict[str, Any]:
    database = DecisionDatabase(parse_url(f"sqlite:///{tmp_path}/decisions.db"))
    database.open_schema()
    database.upsert([build_values(row, 1) for row in rows])
    with database.snapshot() as connection:
        summary = read_summary(connection, (HOUR, HOUR + hours))
    database.close()
    return summary


def test_the_series_has_a_point_for_each_hour_or_day_with_decisions(tmp_path: Path, build_row: Any) -> None:
    rows = [build_row(f"d-{n}", ts=(HOUR + n) * HOUR_S + 1.0) for n in (0, 1, 30)]
    short = summarise(tmp_path, rows, 48)
    assert [point["ts"] for point in short["series"]] == [(HOUR + n) * HOUR_S for n in (0, 1, 30)]
    assert (short["step_s"], short["series"][0]["p95_ms"]) == (3600, short["latency_ms"]["p95"])
    long = summarise(tmp_path, rows, 24 * 10)
    assert long["step_s"] == 86400
    assert sum(point["requests"] for point in long["series"]) == 3
    assert all(point["ts"] % 86400 == 0 for point in long["series"])


def test_drift_compares_the_last_quarter_with_the_rest(tmp_path: Path, build_row: Any) -> None:
    def gate(confidence: float) -> dict[str, Any]:
        return {"outcome": "trusted", "reason": "confidence_high", "confidence": confidence}

    before = [build_row(f"a-{n}", ts=(HOUR + n % 30) * HOUR_S + 1.0, gate=gate(0.95)) for n in range(60)]
    after = [build_row(f"b-{n}", ts=(HOUR + 36 + n % 4) * HOUR_S + 1.0, gate=gate(0.65)) for n in range(20)]
    assert summarise(tmp_path, before, 40)["drift"]["confidence"] is None
    assert summarise(tmp_path, before + after, 40)["drift"]["confidence"] > 0.25
    assert summarise(tmp_path, before + after, 40)["drift"]["route_score"] == 0


def test_arms_of_an_experiment_are_compared(tmp_path: Path, build_row: Any) -> None:
    ts = HOUR * HOUR_S + 1.0
    rows = [
        build_row("a", ts=ts, experiment="e", arm="a", cost_usd=1.0),
        build_row("b", ts=ts, experiment="e", arm="b"),
    ]
    found = summarise(tmp_path, [*rows, build_row("c", ts=ts)], 24)["experiments"]
    assert {(row["experiment"], row["arm"], row["requests"]) for row in found} == {("e", "a", 1), ("e", "b", 1)}


def test_failed_calls_and_fallbacks_are_the_providers(tmp_path: Path, build_row: Any) -> None:
    failed = {"tier": "simple", "model_group": "tier-simple", "provider": "one", "status": "Timeout", "cost_usd": 0.0}
    second = {**failed, "provider": "two", "status": "ok", "fallback_from": "tier-simple", "ms": 10.0}
    row = build_row("a", ts=HOUR * HOUR_S + 1.0, calls=[failed, second])
    providers = {item["provider"]: item for item in summarise(tmp_path, [row], 24)["providers"]}
    assert (providers["one"]["error_ratio"], providers["two"]["error_ratio"]) == (1.0, 0.0)
    assert (providers["one"]["fallbacks"], providers["two"]["fallbacks"]) == (0, 1)
