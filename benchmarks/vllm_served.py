"""Latency of one classification by a real vLLM server on this CPU, one request at a time, beside the embedded head.

    make .venv-vllm/.vllm && python benchmarks/vllm_served.py [--hidden 896 --layers 24]

The model has random weights in the shape of Qwen2.5: the figures are about speed and say nothing about quality.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.vllm.served import make_models, vllm_server

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.vllm_classifier import VllmClassifier
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.classifier_settings import VllmClassifierSettings
from tiergate.policy.features import features_of

RESULT = Path(__file__).parent / "results" / "vllm_served.json"
PROMPT = "My train was cancelled and the next one left without me, what can I ask the company for, and by when? Case "
WARM, TIMED = 20, 200


async def timed(url: str, mode: str) -> dict[str, float | int]:
    """Return latency percentiles in milliseconds of the adapter's whole call, and how often the head stepped in."""
    artifact = load_artifact(builtin_artifact_path())
    settings = VllmClassifierSettings.model_validate(
        {"kind": "vllm", "base_url": url, "model": "intent", "mode": mode, "budget_ms": 10_000}
    )
    classifier = VllmClassifier(settings, EmbeddedClassifier(artifact), artifact)
    vector = np.full(artifact.manifest.encoder.dimensions, 0.05, dtype=np.float32)
    taken, fallbacks = [], 0
    for number in range(WARM + TIMED):
        prompt = f"{PROMPT}{number}"
        started = time.perf_counter()
        said = await classifier.classify(vector, features_of(prompt), prompt)
        taken.append((time.perf_counter() - started) * 1e3)
        fallbacks += said.fallback is not None
    await classifier.aclose()
    p50, p95 = np.percentile(taken[WARM:], [50, 95]).tolist()
    return {"n": TIMED, "p50_ms": round(p50, 2), "p95_ms": round(p95, 2), "fallbacks": fallbacks}


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    options = parser.parse_args()
    figures: dict[str, object] = {}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_models(folder, "--hidden", str(options.hidden), "--layers", str(options.layers))
        for mode, more in (("classify", ("--runner", "pooling")), ("generate", ())):
            started = time.perf_counter()
            with vllm_server(folder / mode, folder / f"{mode}.log", *more) as url:
                ready = time.perf_counter() - started
                figures[mode] = {"ready_s": round(ready), **asyncio.run(timed(url, mode))}
            print(mode, figures[mode], flush=True)
    result = {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1)},
        "model": {"shape": "Qwen2.5, random weights", "hidden": options.hidden, "layers": options.layers},
        "prompt_characters": len(PROMPT) + 3,
        **figures,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
