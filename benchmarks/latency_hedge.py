"""What a hedge of the latency budget gives and costs, beside the same budget without one.

    python benchmarks/latency_hedge.py        # writes benchmarks/results/latency_hedge.json

Traffic, times, prices and answers are those of benchmarks/latency_budget.py; its docstring says what is stand-in. The
requests are 4000 of the chat trace that its `--later` runs over, two tiers. After these runs `after_quantile` lost its
default of .95, which had cost more and given nothing; nothing else was set by them. The router's score of a tier is the
share of its right answers in the rows that calibrate the gate, the same for each request, so every request is equally
likely to be escalated. A hedge by that likelihood is run with a low bar for that reason: it then begins wherever the
cheap call still runs at the last moment.
"""

import json
from pathlib import Path
from typing import Any

from latency_budget import LADDERS, LATER, build_policy, build_traffic, describe
from outcome_tables import SEED, versions
from simulated_traffic import serve
from tiergate.settings import Policy

OUT = Path("benchmarks/results/latency_hedge.json")
BUDGETS_MS = (None, 7000, 11_000, 16_000, 22_000)
HEDGES: dict[str, dict[str, float | None] | None] = {
    "none": None,
    "slow call": {"after_quantile": 0.95, "min_escalation_probability": None},
    "slower half": {"after_quantile": 0.5, "min_escalation_probability": None},
    "likely": {"after_quantile": None, "min_escalation_probability": 0.1},
}


def with_hedge(policy: Policy, hedge: dict[str, float | None] | None) -> Policy:
    """Return the policy with a hedge, and without the router's bar: the scores are of the prompts as a whole."""
    written = policy.model_dump(mode="json")
    written["latency"]["hedge"] = hedge
    written["intent_router"]["min_quality"] = 0.0
    return Policy.model_validate(written)


def main() -> None:
    """Run everything and write the results."""
    tiers = LADDERS["two tiers"]
    traffic, calibration, scores = build_traffic("azure_conv", tiers, LATER[1], first=LATER[0])
    results: list[dict[str, Any]] = []
    for budget_ms in BUDGETS_MS:
        for name, hedge in HEDGES.items():
            if name == "likely" and budget_ms is None:
                continue  # it needs a budget
            served = serve(traffic, with_hedge(build_policy(tiers, budget_ms), hedge), scores, calibration)
            found = {"budget_ms": budget_ms, "hedge": name, **describe(served), "hedges": dict(served.hedges)}
            print(json.dumps(found), flush=True)
            results.append(found)
    written = {"seed": SEED, "versions": versions(), "hedges": HEDGES, "scores": scores, "results": results}
    OUT.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
