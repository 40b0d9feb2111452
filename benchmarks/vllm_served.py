"""Latency of classifications by a real vLLM server on this CPU, one at a time and sixteen at a time.

    make .venv-vllm/.vllm && python benchmarks/vllm_served.py [--only 0.5B] [--modes classify]

The models have random weights in the shape of Qwen2.5: the figures are about speed and say nothing about quality. What
is not measured again keeps its figures.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
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
SHAPES: Mapping[str, Mapping[str, int]] = {
    "12M": {"hidden": 256, "layers": 6, "intermediate": 704, "vocabulary": 30_522},
    "0.5B": {"hidden": 896, "layers": 24, "intermediate": 4864, "vocabulary": 151_936},
}
"""The second is that of Qwen2.5-0.5B; its words are the shipped encoder's, so most of its word table is unused."""
MODES: Mapping[str, tuple[str, ...]] = {"classify": ("--runner", "pooling"), "generate": ()}
WARM, TIMED = 16, 80
CONCURRENCY = (1, 16)


async def timed(url: str, mode: str, concurrency: int) -> dict[str, float | int]:
    """Return latency percentiles in milliseconds of the adapter's whole call, and how often the head stepped in."""
    artifact = load_artifact(builtin_artifact_path())
    settings = VllmClassifierSettings.model_validate(
        {"kind": "vllm", "base_url": url, "model": "intent", "mode": mode, "budget_ms": 60_000}
    )
    classifier = VllmClassifier(settings, EmbeddedClassifier(artifact), artifact)
    vector = np.full(artifact.manifest.encoder.dimensions, 0.05, dtype=np.float32)
    fallbacks = 0

    async def one(number: int) -> float:
        nonlocal fallbacks
        prompt = f"{PROMPT}{concurrency}-{number}"
        started = time.perf_counter()
        said = await classifier.classify(vector, features_of(prompt), prompt)
        fallbacks += said.fallback is not None
        return (time.perf_counter() - started) * 1e3

    taken: list[float] = []
    for first in range(0, WARM + TIMED, concurrency):
        taken += await asyncio.gather(*(one(number) for number in range(first, first + concurrency)))
    await classifier.aclose()
    p50, p95 = np.percentile(taken[WARM:], [50, 95]).tolist()
    return {"n": TIMED, "p50_ms": round(p50, 2), "p95_ms": round(p95, 2), "fallbacks": fallbacks}


def measure(folder: Path, shape: Mapping[str, int], modes: Sequence[str]) -> dict[str, object]:
    """Make the models of a shape, serve them and return the figures by mode."""
    figures: dict[str, object] = {"shape": "Qwen2.5, random weights", **shape}
    make_models(folder, *(text for name, value in shape.items() for text in (f"--{name}", str(value))))
    for mode in modes:
        started = time.perf_counter()
        with vllm_server(folder / mode, folder / f"{mode}.log", *MODES[mode]) as url:
            ready = time.perf_counter() - started
            at_once = {f"at_once_{width}": asyncio.run(timed(url, mode, width)) for width in CONCURRENCY}
        figures[mode] = {"ready_s": round(ready), **at_once, "load": round(os.getloadavg()[0], 1)}
        print(mode, figures[mode], flush=True)
    return figures


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--only", choices=SHAPES, help="measure this shape; default: all")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    options = parser.parse_args()
    before = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    models = dict(before.get("models", {}))
    for name in [options.only] if options.only else SHAPES:
        with tempfile.TemporaryDirectory() as scratch:
            models[name] = measure(Path(scratch), SHAPES[name], options.modes)
    result = {
        "machine": {"processor": platform.machine(), "cores": os.cpu_count()},
        "prompt_characters": len(PROMPT) + 4,
        "models": models,
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
