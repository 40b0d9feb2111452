"""P95, cost and quality with a latency budget beside none: production traffic on stand-in latencies that were measured.

    python benchmarks/latency_budget.py [--requests N]       # writes benchmarks/results/latency_budget.json
    python benchmarks/latency_budget.py --later              # adds requests that nothing was developed on

Arrivals and token counts are those of the Azure LLM inference trace 2023 (CC-BY-4.0). Times to first token, end to end
and between tokens are medians and 95th percentiles of the LLMPerf leaderboard (ray-project/llmperf-leaderboard,
raw_data/summary, December 2023, 550 prompt and 151 answer tokens, 5 at a time): Llama 2 chat 7B and 13B on Fireworks
for the small and the medium tier, 70B on Bedrock for the frontier. Confidences and right answers are those of
Mistral 7B, Mixtral 8x7B (13B parameters active) and gpt-4-turbo on ARC (bplaut/llm-calibration-and-correctness-
prediction, MIT); 500 rows calibrate the gate, the others are drawn for the requests. Prices are those of LiteLLM's map
for these three.

Assumed: these models take the times of those; times are log-normal; a provider's queue does not grow with our traffic;
100 prompt tokens take as long as one answer token (Kadous et al. 2023, "Reproducible Performance Metrics for LLM
inference"); all models answer a request with as many tokens as the trace has; right or wrong has nothing to do with
the length. The router sends everything to the smallest tier: what is measured is the cascade and its budget alone.
"""

import argparse
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from outcome_tables import SEED, SHARED, multiple_choice, split, versions
from simulated_traffic import Floats, Served, Traffic, serve
from tiergate.policy.gate_calibration import GateCalibration
from tiergate.policy.money import Price
from tiergate.settings import Policy
from tiergate_classifier.gate_groups import calibrate_groups

OUT = Path("benchmarks/results/latency_budget.json")
PROMPT_TOKENS, ANSWER_TOKENS = 550, 151
PROMPT_TOKENS_PER_ANSWER_TOKEN = 100
Z95 = 1.6449
RESAMPLES = 500
ESCALATE_BELOW, TRUST_FROM = 0.70, 0.85
BUDGETS_MS = {
    "azure_conv": (4000, 6000, 9000, 12_000, 18_000, 24_000),
    "azure_code": (1000, 2000, 3000, 4000, 6000),
}
LATER, LATER_MS = (12_000, 4000), (7000, 11_000, 16_000)
"""First request and how many, of the chat trace; budgets that the others lie between."""
LADDERS = {"two tiers": ("small", "frontier"), "three tiers": ("small", "medium", "frontier")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model with its published times in seconds: median and 95th percentile."""

    times_of: str
    outcomes: str
    first_s: tuple[float, float]
    whole_s: tuple[float, float]
    token_s: tuple[float, float]
    price: Price


MODELS = {
    "small": Model(
        times_of="Llama 2 7B chat, Fireworks",
        outcomes="Mistral",
        first_s=(0.3307, 0.3719),
        whole_s=(1.9811, 2.0624),
        token_s=(0.01253, 0.01317),
        price=Price(input_usd=2e-7, output_usd=2e-7),
    ),
    "medium": Model(
        times_of="Llama 2 13B chat, Fireworks",
        outcomes="Mixtral",
        first_s=(0.4976, 0.5861),
        whole_s=(3.5906, 3.7981),
        token_s=(0.02328, 0.02458),
        price=Price(input_usd=5e-7, output_usd=5e-7),
    ),
    "frontier": Model(
        times_of="Llama 2 70B chat, Bedrock",
        outcomes="gpt-4-turbo",
        first_s=(0.3877, 0.5421),
        whole_s=(6.9892, 7.8335),
        token_s=(0.04623, 0.05168),
        price=Price(input_usd=1e-5, output_usd=3e-5),
    ),
}


def draw_times(model: Model, prompt: Floats, answer: Floats, rng: np.random.Generator) -> Floats:
    """Draw the time of each call in seconds.

    The time of a token has the median that makes the published end-to-end median, and the published ratio of its own
    95th percentile to its median.
    """
    token = (model.whole_s[0] - model.first_s[0]) / (ANSWER_TOKENS - 1)
    first = _log_normal(model.first_s, len(answer), rng)
    each = _log_normal((token, token * model.token_s[1] / model.token_s[0]), len(answer), rng)
    prefill = (prompt - PROMPT_TOKENS) / PROMPT_TOKENS_PER_ANSWER_TOKEN * each
    return np.asarray(np.maximum(first / 2, first + prefill) + (answer - 1) * each)


def _log_normal(median_p95: tuple[float, float], size: int, rng: np.random.Generator) -> Floats:
    median, p95 = median_p95
    return rng.lognormal(math.log(median), math.log(p95 / median) / Z95, size)


def read_trace(name: str, requests: int, first: int = 0) -> tuple[Floats, Floats, Floats]:
    """Return arrivals in seconds, prompt tokens and answer tokens of so many requests from the `first` on."""
    frame = pl.read_csv(SHARED / f"traces/{name}.csv.gz").slice(first, requests)
    times = [datetime.fromisoformat(one[:26]).timestamp() for one in frame["TIMESTAMP"].to_list()]
    arrivals = np.maximum.accumulate(np.array(times) - times[0])
    return arrivals, frame["ContextTokens"].to_numpy().astype(float), frame["GeneratedTokens"].to_numpy().astype(float)


def build_policy(tiers: Sequence[str], budget_ms: float | None) -> Policy:
    """Return the policy of a cascade over tiers."""
    return Policy.model_validate(
        {
            "tiers": [{"name": one, "model_group": f"tier-{one}"} for one in tiers],
            "semantic_cache": {"enabled": False},
            "confidence_gate": {
                "escalate_below": ESCALATE_BELOW,
                "trust_from": TRUST_FROM,
                "max_escalations": len(tiers) - 1,
                "escalation_budget_ms": 600_000,
            },
            "latency": {"p95_budget_ms": budget_ms},
        }
    )


def interval(values: Floats, quantile: float | None = None) -> dict[str, float]:
    """Return a mean or a quantile with its 95 % bootstrap interval over requests."""

    def measure(sample: Floats) -> float:
        return float(sample.mean() if quantile is None else np.quantile(sample, quantile))

    rng = np.random.default_rng(SEED)
    drawn = [measure(values[rng.integers(0, len(values), len(values))]) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"value": measure(values), "low": float(low), "high": float(high)}


def describe(served: Served) -> dict[str, Any]:
    """Return the figures of one run."""
    return {
        "p95_ms": interval(served.latency_ms, 0.95),
        "usd_per_1000": interval(1000 * served.cost_usd),
        "quality": interval(served.good),
        "escalated": float((served.calls > 1).mean()),
        "moved": served.moved,
        "skipped": served.skipped,
    }


def build_traffic(
    trace: str, tiers: Sequence[str], requests: int, *, first: int = 0
) -> tuple[Traffic, GateCalibration, dict[str, float]]:
    """Return the requests of a trace over some tiers, the gate's calibration, and each tier's share of right ones."""
    rng = np.random.default_rng(SEED + first)
    models = [MODELS[one] for one in tiers]
    arrivals, prompt, answer = read_trace(trace, requests, first)
    table = multiple_choice("arc", [one.outcomes for one in models])
    table = replace(
        table,
        tiers=tuple(tiers),
        numbers={
            (column, tier): table.measure(column, model.outcomes)
            for column in ("correct", "confidence")
            for tier, model in zip(tiers, models, strict=True)
        },
    )
    fitted, held = split(table, 500, SEED)
    drawn = rng.integers(0, len(held), len(arrivals))
    traffic = Traffic(
        arrivals_s=arrivals,
        prompt_tokens=prompt.astype(np.int64),
        answer_tokens=answer.astype(np.int64),
        times_s=np.stack([draw_times(one, prompt, answer, rng) for one in models], axis=1),
        confidence=np.stack([held.measure("confidence", one)[drawn] for one in tiers], axis=1),
        good=np.stack([held.measure("correct", one)[drawn] for one in tiers], axis=1),
        prices=[one.price for one in models],
    )
    calibration = calibrate_groups(fitted, build_policy(tiers, None), None, b"arc").calibration
    return traffic, calibration, {one: float(np.nanmean(fitted.measure("correct", one))) for one in tiers}


def measure(
    trace: str, ladder: str, requests: int, *, first: int = 0, budgets_ms: Sequence[float] = ()
) -> dict[str, Any]:
    """Run one trace over one ladder of tiers, without a budget and with each."""
    tiers = LADDERS[ladder]
    traffic, calibration, _ = build_traffic(trace, tiers, requests, first=first)
    scores = dict.fromkeys(tiers, 1.0)

    def run(budget_ms: float | None) -> dict[str, Any]:
        found = describe(serve(traffic, build_policy(tiers, budget_ms), scores, calibration))
        print(trace, ladder, budget_ms, json.dumps(found), flush=True)
        return found

    off = run(None)
    alone = {one: float(1000 * np.quantile(traffic.times_s[:, at], 0.95)) for at, one in enumerate(tiers)}
    fastest = min([*alone.values(), off["p95_ms"]["value"]])
    budgets = [
        {"budget_ms": budget, "a_plan_meets_it": fastest <= budget, **run(budget)}
        for budget in budgets_ms or BUDGETS_MS[trace]
    ]
    return {
        "trace": trace,
        "ladder": ladder,
        "requests": len(traffic.arrivals_s),
        "tier_alone_p95_ms": alone,
        "budget_off": off,
        "budgets": budgets,
    }


def main() -> None:
    """Run everything and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=8000, help="the first N of each trace")
    parser.add_argument("--later", action="store_true", help="add requests that nothing was developed on")
    asked = parser.parse_args()
    if asked.later:
        written = json.loads(OUT.read_text(encoding="utf-8"))
        written["later"] = [
            measure("azure_conv", ladder, LATER[1], first=LATER[0], budgets_ms=LATER_MS) for ladder in LADDERS
        ]
        OUT.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")
        return
    results = [measure(trace, ladder, asked.requests) for trace in BUDGETS_MS for ladder in LADDERS]
    written = {
        "seed": SEED,
        "versions": versions(),
        "escalate_below": ESCALATE_BELOW,
        "trust_from": TRUST_FROM,
        "results": results,
    }
    OUT.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
