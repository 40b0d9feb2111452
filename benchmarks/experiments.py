"""How often experiments stop falsely under continuous peeking, and how soon they find a real difference.

python benchmarks/experiments.py [--runs 1000]

A unit is a session of 1 to 8 requests with a rate of its own (beta-distributed: requests of a unit resemble each
other). After every 10 units one looks, and stops when the confidence sequence of the difference excludes zero.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiergate.policy.confidence_sequence import (
    MIN_UNITS,
    ArmSums,
    bound_difference,
    mismatch_evidence,
    plan_units,
)

OUT = Path(__file__).parent / "results" / "experiments.json"
STEP = 10
BASE = 0.10
SPREAD = 20.0
UNITS_PER_DAY = 2_000
FALSE_HORIZON = 20_000
POWER_HORIZON = 40_000

Floats = NDArray[np.float64]


def draw_units(rng: np.random.Generator, units: int, rate: float) -> tuple[Floats, Floats]:
    """Return requests and escalations of each unit."""
    requests = rng.integers(1, 9, units)
    rates = rng.beta(rate * SPREAD, (1 - rate) * SPREAD, units)
    return requests.astype(float), rng.binomial(requests, rates).astype(float)


def draw_costs(rng: np.random.Generator, units: int, mean: float) -> tuple[Floats, Floats]:
    """Return requests and cost of each unit: log-normal, so the tail is heavy."""
    requests = rng.integers(1, 9, units).astype(float)
    return requests, requests * mean * rng.lognormal(-0.5, 1.0, units)


def find_stop(first: tuple[Floats, Floats], second: tuple[Floats, Floats]) -> int | None:
    """Return the number of units after which the difference is decided; None when it never is."""
    sums = [np.cumsum(np.stack([w, y, w * w, y * y, w * y]), axis=1) for w, y in (first, second)]
    for units in range(MIN_UNITS, sums[0].shape[1] + 1, STEP):
        arms = [
            ArmSums(
                units=units,
                weight=float(total[0, units - 1]),
                total=float(total[1, units - 1]),
                weight_squares=float(total[2, units - 1]),
                total_squares=float(total[3, units - 1]),
                products=float(total[4, units - 1]),
            )
            for total in sums
        ]
        if bound_difference(arms[0], arms[1]).decided:
            return 2 * units
    return None


def run_many(runs: int, horizon: int, draw: str, base: float, other: float) -> list[int | None]:
    """Return where each run stopped."""
    source = {"escalated": draw_units, "cost_usd": draw_costs}[draw]
    stops = []
    for run in range(runs):
        rng = np.random.default_rng(run)
        stops.append(find_stop(source(rng, horizon // 2, base), source(rng, horizon // 2, other)))
    return stops


def describe(stops: list[int | None]) -> dict[str, float | int | None]:
    """Return power and the time it takes."""
    found = sorted(stop for stop in stops if stop is not None)
    return {
        "runs": len(stops),
        "stopped": len(found) / len(stops),
        "median_units": found[len(found) // 2] if found else None,
        "p90_units": found[int(0.9 * len(found))] if found else None,
        "median_days": round(found[len(found) // 2] / UNITS_PER_DAY, 2) if found else None,
        "p90_days": round(found[int(0.9 * len(found))] / UNITS_PER_DAY, 2) if found else None,
    }


def false_mismatches(runs: int, share: float) -> float:
    """Return how often the ratio test alarms within the horizon when arms get this share instead of one half."""
    alarms = 0
    for run in range(runs):
        drawn = np.cumsum(np.random.default_rng(run).random(FALSE_HORIZON) < share)
        looks = range(50, FALSE_HORIZON + 1, 50)
        alarms += any(
            mismatch_evidence({"a": int(drawn[n - 1]), "b": int(n - drawn[n - 1])}, {"a": 0.5, "b": 0.5}) > np.log(20)
            for n in looks
        )
    return alarms / runs


def main() -> None:
    """Run everything and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=1000)
    runs = parser.parse_args().runs
    mean_requests, square = 4.5, float(np.mean(np.arange(1, 9) ** 2))
    between = BASE * (1 - BASE) / (SPREAD + 1)
    within = BASE * (1 - BASE) - between
    variance = 4 * (within / mean_requests + between * square / mean_requests**2)
    report = {
        "peeking": f"after every {STEP} units of each arm, from {MIN_UNITS} on",
        "units_per_day": UNITS_PER_DAY,
        "false_stops": {
            "horizon_units": FALSE_HORIZON,
            "escalated": describe(run_many(runs, FALSE_HORIZON, "escalated", BASE, BASE)),
            "cost_usd": describe(run_many(runs, FALSE_HORIZON, "cost_usd", 1.0, 1.0)),
        },
        "difference_of_20_percent": {
            "horizon_units": POWER_HORIZON,
            "escalated": describe(run_many(runs // 5, POWER_HORIZON, "escalated", BASE, 0.8 * BASE)),
            "cost_usd": describe(run_many(runs // 5, POWER_HORIZON, "cost_usd", 1.0, 0.8)),
            "planned_units": plan_units(variance, 0.2 * BASE),
        },
        "sample_ratio": {
            "false_alarms_at_half": false_mismatches(runs // 2, 0.5),
            "alarms_at_0.53": false_mismatches(runs // 10, 0.53),
        },
    }
    OUT.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
