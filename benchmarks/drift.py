"""Drift tests on the project's own workload: false alarms on unchanged traffic, delay to detection of shifts.

python benchmarks/drift.py
"""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.policy.drift import Observation, find_drift
from tiergate.policy.features import features_of
from tiergate_classifier.data import builtin_workload_path, load_workload

RESULT = Path(__file__).parent / "results" / "drift.json"
REFERENCE, WINDOW, ALPHA, PERMUTATIONS = 200, 100, 0.01, 1999
QUIET_CHECKS, SHIFT_RUNS, STEP = 400, 20, 10
SHIFTED_DOMAIN = "medical"
SHARES = (0.1, 0.25, 0.5, 1.0)


def observations() -> list[tuple[str, Observation]]:
    """Return every workload prompt with its labelled domain, embedded and scored as the proxy would."""
    rows = load_workload(builtin_workload_path())
    classifier = EmbeddedClassifier(load_artifact(builtin_artifact_path()))
    vectors = OnnxEmbedder(pool=InferencePool()).embed_batch([row.prompt for row in rows])
    found = []
    for row, vector in zip(rows, vectors, strict=True):
        said = classifier.score(vector, features_of(row.prompt))
        domain = max(said.domains, key=lambda name: said.domains[name])
        score = said.scores[classifier.tiers[0]]
        found.append((row.domain, Observation(decision_id=row.id, vector=vector, score=score, domain=domain)))
    return found


def alarmed(reference: Sequence[Observation], window: Sequence[Observation], seed: int) -> bool:
    """Tell whether a check raises any alarm."""
    found = find_drift(reference, window, alpha=ALPHA, permutations=PERMUTATIONS, seed=seed)
    return any(finding.alarm for finding in found)


def false_alarms(usual: Sequence[Observation], random: np.random.Generator) -> dict[str, Any]:
    """Check windows of unchanged traffic; each check draws its own reference and window."""
    raised = 0
    for check in range(QUIET_CHECKS):
        order = random.permutation(len(usual))[: REFERENCE + WINDOW]
        picked = [usual[place] for place in order.tolist()]
        raised += alarmed(picked[:REFERENCE], picked[REFERENCE:], check)
    return {"checks": QUIET_CHECKS, "alarms": raised, "rate": raised / QUIET_CHECKS, "stated_at_most": ALPHA}


def delays(
    usual: Sequence[Observation], strange: Sequence[Observation], random: np.random.Generator
) -> list[dict[str, Any]]:
    """Let a share of traffic become another domain's; count requests from the shift to the first alarm."""
    results = []
    for share in SHARES:
        found: list[int] = []
        for run in range(SHIFT_RUNS):
            order = random.permutation(len(usual)).tolist()
            reference = [usual[place] for place in order[:REFERENCE]]
            rest = [usual[place] for place in order[REFERENCE:]]
            window = [rest[place] for place in random.integers(len(rest), size=WINDOW).tolist()]
            for sent in range(STEP, 3 * WINDOW + 1, STEP):
                fresh = [
                    strange[random.integers(len(strange))]
                    if random.random() < share
                    else rest[random.integers(len(rest))]
                    for _ in range(STEP)
                ]
                window = [*window[STEP:], *fresh]
                if alarmed(reference, window, run):
                    found.append(sent)
                    break
        results.append(
            {
                "shifted_share": share,
                "runs": SHIFT_RUNS,
                "detected": len(found),
                "median_delay_requests": float(np.median(found)) if found else None,
                "p90_delay_requests": float(np.quantile(found, 0.9)) if found else None,
            }
        )
    return results


def main() -> None:
    """Measure, print and write."""
    began, random = time.perf_counter(), np.random.default_rng(0)
    rows = observations()
    usual = [one for domain, one in rows if domain != SHIFTED_DOMAIN]
    strange = [one for domain, one in rows if domain == SHIFTED_DOMAIN]
    result = {
        "what": "drift tests on the project's own workload; a check is all tests together, with Holm's correction",
        "settings": {
            "reference_rows": REFERENCE,
            "window_rows": WINDOW,
            "alpha": ALPHA,
            "permutations": PERMUTATIONS,
            "check_every_requests": STEP,
        },
        "false_alarms": false_alarms(usual, random),
        "shift": f"traffic without {SHIFTED_DOMAIN} prompts, then a share of them, for {3 * WINDOW} requests",
        "delays": delays(usual, strange, random),
        "cpus": os.cpu_count(),
        "seconds": round(time.perf_counter() - began, 1),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
