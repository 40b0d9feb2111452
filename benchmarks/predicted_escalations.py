"""Share of answers below a cut: predicted from the router's score alone, and as the calibrated confidence found it.

    python benchmarks/predicted_escalations.py        # writes benchmarks/results/predicted_escalations.json

500 calibration rows for router and gate, other rows evaluated. The prediction is that of `strategy: auto`; where the
data has no prompts the score is the base rate.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from outcome_tables import MCQ_PAIRS, MCQ_SETS, SEED, TEXT_PAIRS, free_form, multiple_choice, split, versions
from tiergate.policy.expected_cost import GATE_AUROC, predict_below
from tiergate_classifier.cascade_evaluate import fit_cascade
from tiergate_classifier.outcomes import Outcomes
from tiergate_classifier.prompt_prior import prompt_inputs
from tiergate_classifier.routing_metrics import auroc

OUT = Path("benchmarks/results/predicted_escalations.json")
CUTS = (0.5, 0.6, 0.7, 0.8)


def compare(name: str, table: Outcomes, tiers: tuple[str, str]) -> dict[str, Any]:
    """Return predicted and found shares of the cheap tier of one table."""
    fitted, held = split(table, 500, SEED)
    model = fit_cascade(fitted, prompt_inputs(fitted.prompts), tiers, np.ones((len(fitted), 2)))
    unseen = model.table(held, prompt_inputs(held.prompts), tiers, np.ones((len(held), 2)))
    scores, confidence = unseen.prior[:, 0], unseen.posterior[:, 0]
    shares = {
        str(cut): {
            "predicted": float(np.mean([sum(predict_below(score, cut)) for score in scores.tolist()])),
            "found": float((confidence < cut).mean()),
        }
        for cut in CUTS
    }
    found = {
        "table": name,
        "tier": tiers[0],
        "n": len(held),
        "gate_auroc": auroc(confidence, unseen.good[:, 0]),
        "below": shares,
    }
    print(json.dumps(found), flush=True)
    return found


def main() -> None:
    """Run everything and write the results."""
    results = [
        compare(f"bplaut/{dataset}", multiple_choice(dataset, pair), pair)
        for dataset in MCQ_SETS[:2]
        for pair in MCQ_PAIRS
    ]
    results += [compare("mmlu_pro_texts, free-form", free_form(pair, 3000), pair) for pair in TEXT_PAIRS]
    written = {"seed": SEED, "assumed_gate_auroc": GATE_AUROC, "versions": versions(), "results": results}
    OUT.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
