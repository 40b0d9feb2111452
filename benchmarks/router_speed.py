"""Time of a routing decision in this process: embedding, features and score, one thread.

    python benchmarks/router_speed.py

Wall time and the thread's own CPU time: on a busy machine the first says how long it waited for a core.
"""

import json
import os
import platform
import time
from pathlib import Path

import numpy as np

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.policy.features import features_of

RESULT = Path(__file__).parent / "results" / "router_speed.json"
RUNS = 300
SHORT = "What is the capital of France?"
LONG = (
    "A bakery sells 48 rolls in the morning and half as many in the afternoon; each roll costs 60 cents and the flour "
    "for all of them costs 9 dollars. How much money does the bakery keep at the end of the day?"
)


def main() -> None:
    """Measure and write the figures."""
    embedder = OnnxEmbedder(pool=InferencePool())
    classifier = EmbeddedClassifier(load_artifact(builtin_artifact_path()))
    figures: dict[str, object] = {
        "runs": RUNS,
        "machine": platform.machine(),
        "python": platform.python_version(),
        "load": round(os.getloadavg()[0], 1),
    }
    for name, prompt in (("short", SHORT), ("45_tokens", LONG)):
        parts, busy = np.zeros((RUNS, 3)), np.zeros(RUNS)
        for run in range(RUNS + 20):
            started, marks = time.thread_time(), [time.perf_counter()]
            vector = embedder.embed_batch([prompt])[0]
            marks.append(time.perf_counter())
            features = features_of(prompt)
            marks.append(time.perf_counter())
            classifier.score(vector, features)
            marks.append(time.perf_counter())
            if run >= 20:
                parts[run - 20] = np.diff(marks) * 1e3
                busy[run - 20] = (time.thread_time() - started) * 1e3
        total = parts.sum(axis=1)
        embed, read, score = np.median(parts, axis=0).round(3).tolist()
        figures[name] = {
            "p50_ms": round(float(np.median(total)), 3),
            "p95_ms": round(float(np.quantile(total, 0.95)), 3),
            "cpu_p50_ms": round(float(np.median(busy)), 3),
            "cpu_p95_ms": round(float(np.quantile(busy, 0.95)), 3),
            "embed_p50_ms": embed,
            "features_p50_ms": read,
            "score_p50_ms": score,
        }
    RESULT.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
