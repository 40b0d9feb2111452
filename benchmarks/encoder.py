"""How long the default encoder takes for one text, in this process, on one thread.

python benchmarks/encoder.py
"""

import asyncio
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder

RESULTS = Path(__file__).parent / "results" / "encoder.json"
N = 1_000
WARM_UP = 50

# [CLS] and [SEP] are counted: "word" is one token, the first text is ten.
TEXTS = {
    "10 tokens": "How do I reset my password today?",
    "45 tokens": "word " * 43,
    "128 tokens, the whole window": "word " * 126,
    "50 000 characters": "word " * 10_000,
}


def processor() -> str:
    """The processor's name, as the system gives it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


def spread(seconds: list[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
    p50, p95, p99 = np.percentile(seconds, [50, 95, 99]) * 1000.0
    return {"p50_ms": round(p50, 3), "p95_ms": round(p95, 3), "p99_ms": round(p99, 3)}


def measure_inference(embedder: OnnxEmbedder, text: str) -> list[float]:
    """Seconds of each of `N` calls on this thread: tokenizing, inference, pooling."""
    seconds = []
    for number in range(WARM_UP + N):
        begin = time.perf_counter()
        embedder.embed_batch([text])
        if number >= WARM_UP:
            seconds.append(time.perf_counter() - begin)
    return seconds


async def measure_embed(embedder: OnnxEmbedder, text: str) -> list[float]:
    """Seconds of each of `N` calls through the pool, as the proxy makes them."""
    seconds = []
    for number in range(WARM_UP + N):
        begin = time.perf_counter()
        await embedder.embed(text)
        if number >= WARM_UP:
            seconds.append(time.perf_counter() - begin)
    return seconds


async def main() -> None:
    """Measure, print a table, write the results."""
    pool = InferencePool()
    embedder = OnnxEmbedder(pool=pool)
    begin = time.perf_counter()
    embedder.load()
    load_ms = round((time.perf_counter() - begin) * 1000.0, 1)
    rows: list[dict[str, Any]] = []
    for name, text in TEXTS.items():
        direct = spread(measure_inference(embedder, text))
        pooled = spread(await measure_embed(embedder, text))
        rows.append({"text": name, "n": N, "in_process": direct, "through_the_pool": pooled})
        print(f"{name:30} p50 {direct['p50_ms']:7.2f} ms  p95 {direct['p95_ms']:7.2f} ms")
    report = {
        "rows": rows,
        "load_ms": load_ms,
        "threads": 1,
        "cpu": processor(),
        "cpus": os.cpu_count(),
        "load_average": os.getloadavg(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("onnxruntime", "tokenizers", "numpy")},
        "encoder_digest": embedder.digest,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    await pool.aclose()


if __name__ == "__main__":
    asyncio.run(main())
