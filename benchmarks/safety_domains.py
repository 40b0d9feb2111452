"""Recall and false alarms of the safety domains on prompts in styles and from sources that training has not seen.

python benchmarks/safety_domains.py [--data ../shared/data]
"""

import argparse
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import Artifact, builtin_artifact_path, load_artifact
from tiergate.artifact_format import Metric
from tiergate.policy.features import features_of
from tiergate_classifier.data import WORKLOAD_DOMAINS, build_table, builtin_workload_path, load_workload
from tiergate_classifier.domain_flags import (
    FEATURE_GAIN,
    FEATURES_READ,
    WIDTH,
    builtin_calibration_path,
    builtin_domains_path,
    fit_flags,
    load_calibration_prompts,
    load_domain_prompts,
)
from tiergate_classifier.evaluate import proportion
from tiergate_classifier.public_domains import FLAGS, builtin_public_domains_path, load_public_domains
from tiergate_classifier.shared_tables import load_question_sets
from tiergate_classifier.splits import split_rows

ROOT = Path(__file__).parent
HELD_OUT = ROOT.parent / "tests" / "classifier" / "data" / "safety_fifth.jsonl"
"""Written by somebody who had seen none of the other prompts, and first measured when method and cuts were frozen."""
RESULT = ROOT / "results" / "safety_domains.json"
DOMAINS = ("finance", "legal")
ROWS = 300
_SEED = 20_261_124


def claims_of(prompts: Sequence[str], classifier: EmbeddedClassifier, embedder: OnnxEmbedder) -> list[frozenset[str]]:
    """Return, for each prompt, which of the domains claim it."""
    claims = []
    for prompt, vector in zip(prompts, embedder.embed_batch(prompts), strict=True):
        said = classifier.score(vector, features_of(prompt))
        claims.append(frozenset(name for name in DOMAINS if said.domains[name] >= said.domain_cuts[name]))
    return claims


def held_out_figures(classifier: EmbeddedClassifier, embedder: OnnxEmbedder) -> list[Metric]:
    """Return recall and false alarms on the held-out prompts."""
    rows = [json.loads(line) for line in HELD_OUT.read_text(encoding="utf-8").splitlines()]
    both = list(zip(rows, claims_of([row["prompt"] for row in rows], classifier, embedder), strict=True))
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


def table_figures(shared: Path, classifier: EmbeddedClassifier, embedder: OnnxEmbedder) -> list[Metric]:
    """Return how often each domain claims rows that may only be tested on: MMLU's by category, and GSM8K's."""
    groups: defaultdict[str, list[str]] = defaultdict(list)
    for one in load_question_sets(shared / "router", options=False):
        if one.held_out:
            for prompt, category in zip(one.prompts, one.categories, strict=True):
                groups[f"{one.name}/{category}" if one.name != category else one.name].append(prompt)
    rng, figures = np.random.default_rng(_SEED), []
    for name, prompts in sorted(groups.items()):
        drawn = [prompts[place] for place in rng.permutation(len(prompts))[:ROWS].tolist()]
        claims = claims_of(drawn, classifier, embedder)
        figures += [proportion(f"claimed/{domain}/{name}", [domain in claim for claim in claims]) for domain in DOMAINS]
    return figures


def left_out_figures(artifact: Artifact, embedder: OnnxEmbedder) -> list[Metric]:
    """Return false alarms on intents, categories and tasks when every second one is left out of the fit."""
    rows = load_workload(builtin_workload_path())
    table = build_table(rows, embedder).take(split_rows(rows).development)
    public, _ = load_public_domains(builtin_public_domains_path())
    names = sorted(set(public.groups))
    second = np.array([names.index(group) % 2 == 1 for group in public.groups])
    kept, left = (public.take(np.flatnonzero(mask)) for mask in (~second, second))
    prompts = load_domain_prompts(builtin_domains_path(), embedder)
    unseen = load_calibration_prompts(builtin_calibration_path(), embedder)
    with threadpool_limits(limits=1):
        flags = fit_flags(table, WORKLOAD_DOMAINS, prompts, kept, unseen, artifact.head)
    head = replace(artifact.head, flag_weight=flags.weight, flag_bias=flags.bias, flag_extra=flags.extra)
    reference = np.concatenate([table.vectors, prompts.vectors[flags.prompts], kept.vectors[flags.public]])
    places = [artifact.manifest.features.index(name) for name in FEATURES_READ]
    extra = head.flag_inputs(left.features.astype(np.float32), places, FEATURE_GAIN)
    log_odds = head.flag_log_odds(left.vectors.astype(np.float32), reference.astype(np.float32), WIDTH, extra)
    figures = []
    for place, name in enumerate(FLAGS[:2]):
        reached = 1 / (1 + np.exp(-log_odds[:, place])) >= flags.cuts[name]
        for source in sorted({group.partition("/")[0] for group in left.groups}):
            here = np.array([group.startswith(f"{source}/") for group in left.groups])
            for said, wanted in (("false_alarms", 0), ("recall", 1)):
                chosen = here & (left.claims[:, place] == wanted)
                if chosen.any():
                    figures.append(proportion(f"{said}/{name}/{source}", reached[chosen].tolist()))
    return figures


def main() -> None:
    """Measure and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=ROOT.parent.parent / "shared" / "data")
    shared = parser.parse_args().data
    artifact = load_artifact(builtin_artifact_path())
    embedder, classifier = OnnxEmbedder(pool=InferencePool()), EmbeddedClassifier(artifact)
    result = {
        "artifact": artifact.digest,
        "held_out": [figure.model_dump() for figure in held_out_figures(classifier, embedder)],
        "tables": [figure.model_dump() for figure in table_figures(shared, classifier, embedder)],
        "left_out": [figure.model_dump() for figure in left_out_figures(artifact, embedder)],
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
