"""Does replay's interval cover the truth? 500 simulated logs with exploration, each replayed under another policy.

python benchmarks/replay_coverage.py [--logs 500] [--rows 6000]

A log's truth is the mean of what its own requests would have given under the policy; every request's outcome on every
tier is drawn first and the log shows one of them.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from tiergate.adapters.decision_columns import DecisionColumns, read_columns
from tiergate.policy.exploration import decide_exploration
from tiergate.policy.intent_router import decide_route
from tiergate.ports import Classification
from tiergate.settings import Policy
from tiergate_classifier.replay_estimate import replay
from tiergate_classifier.replay_log import ReplayError

TIERS = ("simple", "medium", "frontier")
PRICES = {"simple": 0.435e-6, "medium": 5e-6, "frontier": 15e-6}
LATENCY_MS = {"simple": 80.0, "medium": 105.0, "frontier": 145.0}
OUT = Path(__file__).parent / "results" / "replay_coverage.json"


def build_policy(min_quality: float, share: float) -> Policy:
    """Return the policy of the log, or the one that is asked about."""
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in TIERS]
    return Policy.model_validate(
        {
            "tiers": tiers,
            "intent_router": {"min_quality": min_quality},
            "confidence_gate": {"escalate_below": 0.0},
            "exploration": {"share": share},
        }
    )


def draw_log(
    rng: np.random.Generator, rows: int, logging: Policy, asked: Policy, seed: int
) -> tuple[DecisionColumns, dict[str, float]]:
    """Return a log and the truth about the asked policy."""
    logged, truth = [], {"cost_usd": 0.0, "latency_ms": 0.0}
    for row in range(rows):
        ease = rng.beta(2.0, 1.2)
        bounds = {"simple": ease**2, "medium": ease**0.5, "frontier": 1.0}
        found = Classification(scores=bounds, lower_bounds=bounds, domains={})
        tokens = int(rng.lognormal(7.0, 0.7) * (2.0 - ease))
        cost = {tier: PRICES[tier] * tokens * float(rng.lognormal(0.0, 0.3)) for tier in TIERS}
        latency = {tier: LATENCY_MS[tier] * float(rng.lognormal(0.0, 0.4)) * (1.5 - ease / 2) for tier in TIERS}
        route = decide_route(found, logging, controls={}, kind="", digest="")
        drawn = decide_exploration(route, logging, f"{seed}-{row}")
        wanted = str(decide_route(found, asked, controls={}, kind="", digest="").tier)
        tier = str(drawn.tier)
        truth["cost_usd"] += cost[wanted] / rows
        truth["latency_ms"] += latency[wanted] / rows
        call = {
            "tier": tier, "status": "ok", "prompt_tokens": tokens, "completion_tokens": 0, "cost_usd": cost[tier],
            "ms": latency[tier],
        }  # fmt: skip
        logged.append(
            {
                "route": {"tier": tier, "reason": route.reason, "lower_bounds": bounds,
                          "propensity": drawn.propensity or 1.0},
                "gate": {"outcome": "trusted", "reason": "confidence_high", "confidence": 0.9},
                "calls": [call], "cost_usd": cost[tier], "latency_ms": latency[tier],
            }
        )  # fmt: skip
    return read_columns(logged), truth


def main() -> None:
    """Run the logs and write the coverage."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--logs", type=int, default=500)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--first-seed", type=int, default=10_000)
    options = parser.parse_args()
    logging, asked = build_policy(0.8, options.share), build_policy(0.6, 0.0)
    refused = 0
    covered: dict[str, list[bool]] = {}
    width: dict[str, list[float]] = {}
    error: dict[str, list[float]] = {}
    for seed in range(options.first_seed, options.first_seed + options.logs):
        log, truth = draw_log(np.random.default_rng(seed), options.rows, logging, asked, seed)
        try:
            found = replay(log, asked)
        except ReplayError:
            refused += 1
            continue
        for kind, estimates in (("doubly_robust", found.estimates), ("ips", found.ips)):
            for item in estimates:
                if item.metric in truth and item.value is not None and item.low is not None and item.high is not None:
                    name = f"{kind}/{item.metric}"
                    real = truth[item.metric]
                    covered.setdefault(name, []).append(item.low <= real <= item.high)
                    width.setdefault(name, []).append((item.high - item.low) / 2 / real)
                    error.setdefault(name, []).append(item.value / real - 1.0)
    report = {
        "logs": options.logs,
        "first_seed": options.first_seed,
        "refused": refused,
        "rows": options.rows,
        "exploration_share": options.share,
        "coverage": {name: float(np.mean(hits)) for name, hits in covered.items()},
        "relative_half_width": {name: float(np.mean(widths)) for name, widths in width.items()},
        "relative_bias": {name: float(np.mean(errors)) for name, errors in error.items()},
    }
    OUT.write_text(json.dumps(report, indent=2) + "\n")
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
