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
from tiergate.artifact_format import Metric
from tiergate.policy.features import features_of
from tiergate_classifier.evaluate import proportion

ROOT = Path(__file__).parent
DATA = ROOT.parent / "tests" / "classifier" / "data"
HELD_OUT = {"first": DATA / "safety_heldout.jsonl", "second": DATA / "safety_second.jsonl"}
"""The first was looked at when an earlier method was chosen. The second was written once the method was frozen."""
RESULT = ROOT / "results" / "safety_domains.json"
DOMAINS = ("finance", "legal")


def figures_of(file: Path, classifier: EmbeddedClassifier, embedder: OnnxEmbedder) -> list[Metric]:
    """Return recall and false alarms on the prompts of a file."""
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    claims: list[frozenset[str]] = []
    for row in rows:
        said = classifier.score(embedder.embed_batch([row["prompt"]])[0], features_of(row["prompt"]))
        claims.append(frozenset(name for name in DOMAINS if said.domains[name] >= said.domain_cuts[name]))
    both = list(zip(rows, claims, strict=True))
    other = [(row["style"], claim) for row, claim in both if row["domain"] == "other"]
    figures = []
    for name in DOMAINS:
        own = [claim for row, claim in both if row["domain"] == name]
        figures.append(proportion(f"recall/{name}", [name in claim for claim in own]))
        figures.append(proportion(f"recall_by_either/{name}", [bool(claim) for claim in own]))
    figures += [proportion(f"false_alarms/{name}", [name in claim for _, claim in other]) for name in DOMAINS]
    figures.append(proportion("false_alarms/either", [bool(claim) for _, claim in other]))
    for style in Counter(style for style, _ in other):
        hits = [bool(claim) for found, claim in other if found == style]
        figures.append(proportion(f"false_alarms/either/{style}", hits))
    return figures


def main() -> None:
    """Measure and write the figures."""
    artifact = load_artifact(builtin_artifact_path())
    embedder, classifier = OnnxEmbedder(pool=InferencePool()), EmbeddedClassifier(artifact)
    result = {
        "artifact": artifact.digest,
        **{
            name: [figure.model_dump() for figure in figures_of(file, classifier, embedder)]
            for name, file in HELD_OUT.items()
        },
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
