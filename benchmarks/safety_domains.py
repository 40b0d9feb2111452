"""Recall and false alarms of the safety domains on prompts in styles that training has not seen.

python benchmarks/safety_domains.py
"""

import json
from collections import Counter
from pathlib import Path

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.policy.features import features_of
from tiergate_classifier.evaluate import proportion

ROOT = Path(__file__).parent
HELD_OUT = ROOT.parent / "tests" / "classifier" / "data" / "safety_heldout.jsonl"
RESULT = ROOT / "results" / "safety_domains.json"
DOMAINS = ("finance", "legal")


def main() -> None:
    """Measure and write the figures."""
    artifact = load_artifact(builtin_artifact_path())
    embedder, classifier = OnnxEmbedder(pool=InferencePool()), EmbeddedClassifier(artifact)
    rows = [json.loads(line) for line in HELD_OUT.read_text(encoding="utf-8").splitlines()]
    claims: list[frozenset[str]] = []
    for row in rows:
        said = classifier.score(embedder.embed_batch([row["prompt"]])[0], features_of(row["prompt"]))
        claims.append(frozenset(name for name in DOMAINS if said.domains[name] >= said.domain_cuts[name]))
    both = list(zip(rows, claims, strict=True))
    figures = [
        proportion(f"recall/{name}", [name in claim for row, claim in both if row["domain"] == name])
        for name in DOMAINS
    ]
    figures.append(proportion("recall/either", [bool(claim) for row, claim in both if row["domain"] != "other"]))
    figures += [
        proportion(f"false_alarms/{name}", [name in claim for row, claim in both if row["domain"] == "other"])
        for name in DOMAINS
    ]
    for style in Counter(row["style"] for row in rows if row["domain"] == "other"):
        hits = [bool(claim) for row, claim in both if row["domain"] == "other" and row["style"] == style]
        figures.append(proportion(f"false_alarms/either/{style}", hits))
    result = {"artifact": artifact.digest, "figures": [figure.model_dump() for figure in figures]}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
