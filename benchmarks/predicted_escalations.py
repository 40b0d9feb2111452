"""Share of answers below a cut: predicted from the router's score alone, and as the calibrated confidence found it.

    python benchmarks/predicted_escalations.py        # writes benchmarks/results/predicted_escalations.json

500 calibration rows for router and gate, other rows evaluated. The prediction is that of `strategy: auto`, once with
the documented prior of how well the gate sees and once with what the calibration rows say of it; where the data has no
prompts the score is the base rate.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from outcome_tables import MCQ_PAIRS, MCQ_SETS, SEED, TEXT_PAIRS, free_form, multiple_choice, split, versions
from tiergate.policy.expected_cost import GATE_AUROC, predict_below
from tiergate.policy.tier_facts import find_gate_auroc
from tiergate.settings import Policy
from tiergate_classifier.cascade_evaluate import fit_cascade
from tiergate_classifier.gate_groups import calibrate_groups
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
    scores, confidence = unseen.prior[:, 0].tolist(), unseen.posterior[:, 0]
    learned = learn_auroc(fitted, tiers)

    def predict(cut: float, sees: float) -> float:
        return float(np.mean([sum(predict_below(score, cut, sees)) for score in scores]))

    shares = {
        str(cut): {
            "by_prior": predict(cut, GATE_AUROC),
            "by_outcomes": predict(cut, learned),
            "found": float((confidence < cut).mean()),
        }
        for cut in CUTS
    }
    found = {
        "table": name,
        "tier": tiers[0],
        "n": len(held),
        "gate_auroc": auroc(confidence, unseen.good[:, 0]),
        "learned_auroc": learned,
        "below": shares,
    }
    print(json.dumps(found), flush=True)
    return found


def learn_auroc(fitted: Outcomes, tiers: tuple[str, str]) -> float:
    """Return what the calibration rows alone say of the gate, as `tiergate calibrate gate` writes it."""
    policy = Policy.model_validate(
        {"tiers": [{"name": f"tier{at}", "model_group": one} for at, one in enumerate(tiers)]}
    )
    table = replace(
        fitted,
        tiers=policy.tier_names,
        answers={
            name: fitted.answers[one] for name, one in zip(policy.tier_names, tiers, strict=True) if fitted.answers
        },
        numbers={
            (column, name): fitted.measure(column, one)
            for column in ("correct", "confidence")
            for name, one in zip(policy.tier_names, tiers, strict=True)
        },
    )
    return find_gate_auroc(calibrate_groups(table, policy, None, b"").calibration, tiers[0])


def summarise(results: list[dict[str, Any]]) -> dict[str, float]:
    """Return the mean and the largest distance from what was found, over tables and cuts."""
    found = {}
    for name in ("by_prior", "by_outcomes"):
        off = [abs(cut[name] - cut["found"]) for one in results for cut in one["below"].values()]
        found[name], found[f"{name}_worst"] = float(np.mean(off)), float(np.max(off))
    return found


def main() -> None:
    """Run everything and write the results."""
    results = [
        compare(f"bplaut/{dataset}", multiple_choice(dataset, pair), pair)
        for dataset in MCQ_SETS[:2]
        for pair in MCQ_PAIRS
    ]
    results += [compare("mmlu_pro_texts, free-form", free_form(pair, 3000), pair) for pair in TEXT_PAIRS]
    written = {
        "seed": SEED,
        "assumed_gate_auroc": GATE_AUROC,
        "versions": versions(),
        "off": {
            "with answer probabilities": summarise([one for one in results if one["table"].startswith("bplaut")]),
            "free-form": summarise([one for one in results if not one["table"].startswith("bplaut")]),
        },
        "results": results,
    }
    print(json.dumps(written["off"]))
    OUT.write_text(json.dumps(written, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
