"""The cache's error bound on pair tables it has not seen: 200 resampled splits, hit ratios, hard negatives by kind.

Usage: python benchmarks/cache_pairs.py --shared ../shared/data [--splits 200] [--only TEXT] [--out FILE]

With --only, sets whose name holds the text are measured and take their place among those of the result file.

Each stand-in set is left out of the fit of the model that is refitted on its calibration half. Label of the intent
sets: two requests of one intent share the desk's canned answer. That rule is coarse, and on purpose no function of the
features. The generated sets hold the label of the rule that made them.
"""

import argparse
import csv
import gzip
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import average_precision_score

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.policy.error_bound import decide_cut, upper_error_bound
from tiergate.policy.pair_model import PairModel
from tiergate_classifier.pair_calibrate import Calibrated
from tiergate_classifier.pair_data import PairInputs, PairTable, read_inputs
from tiergate_classifier.pair_evaluate import figures_of
from tiergate_classifier.pair_sources import Source, generate, group_folds, intent_rows, mine_intents
from tiergate_classifier.pair_splits import CALIBRATION, evaluate_splits, without_repeats
from tiergate_classifier.pair_train import FOLDS, SEED, Memory, build_sources, fit_default, without

BOUNDS = (0.01, 0.02, 0.05)
KIND_FOLDS = 4

LONG_LOW, LONG_HIGH = 200, 500
"""Characters of a long question."""

MANY = 10_000
"""Pairs of the large sets: what a bound of 1 or 2 % asks for."""


@dataclass(frozen=True, slots=True)
class StandIn:
    """A pair table that stands in for unseen traffic, and the sources the model may not have seen."""

    name: str
    pairs: PairTable
    left_out: frozenset[str]


def nearest_pairs(rows: Sequence[tuple[str, str]], memory: Memory, rng: random.Random, *, reach: int) -> PairTable:
    """Pair each request with one of its `reach` nearest, as a cache would meet them; label: the same intent."""
    texts = [text for text, _ in rows]
    vectors = memory.embed_batch(texts)
    a, b, labels = [], [], []
    for place, (text, intent) in enumerate(rows):
        near = vectors @ vectors[place]
        near[place] = -2.0
        ranked = np.argsort(-near)[:reach]
        other = int(ranked[int(reach * rng.random() ** 2)])
        a.append(text)
        b.append(texts[other])
        labels.append(intent == rows[other][1])
    return PairTable(a=tuple(a), b=tuple(b), labels=np.array(labels), kinds=("",) * len(a))


def stand_ins(shared: Path, memory: Memory, sources: Sequence[Source]) -> list[StandIn]:
    """Return the sets: two flavours of either intent data set, generated ones, and the written one."""
    rng = random.Random(SEED + 1)  # noqa: S311 - no secret
    by_name = {source.name: source for source in sources}
    made, large = [], []
    for name in ("banking77", "clinc150"):
        whole = intent_rows(shared, name)
        rows = rng.sample(whole, 3000)
        gone = frozenset({name})
        made.append(StandIn(f"{name}, nearest", nearest_pairs(rows, memory, rng, reach=40), gone))
        made.append(StandIn(f"{name}, wide", nearest_pairs(rows, memory, rng, reach=200), gone))
        made.append(StandIn(f"{name}, hard", mined(name, rows, memory, rng), gone))
        many = rng.sample(whole, MANY)
        large.append(StandIn(f"{name}, nearest, {MANY}", nearest_pairs(many, memory, rng, reach=40), gone))
        large.append(StandIn(f"{name}, hard, {MANY}", mined(name, many, memory, rng), gone))
    requests = [text for text, _ in rng.sample(intent_rows(shared, "clinc150"), 600)]
    fresh = generate("requests", requests, rng, licence="CC-BY-3.0", per_base=3)
    made.append(StandIn("generated on requests", fresh.pairs, frozenset({"clinc150"})))
    made.append(StandIn("generated on questions", by_name["questions"].pairs, frozenset({"questions"})))
    made.append(StandIn("written by hand", by_name["written"].pairs, frozenset({"written"})))
    asked = random.Random(SEED + 2).sample(long_questions(shared), 600)  # noqa: S311 - no secret
    long = generate("long questions", asked, random.Random(SEED + 2), licence="Apache-2.0", per_base=3)  # noqa: S311
    made.append(StandIn("generated on long questions", long.pairs, frozenset()))
    more = [text for text, _ in rng.sample(intent_rows(shared, "clinc150"), 4 * len(requests))]
    wide = generate("requests", more, rng, licence="CC-BY-3.0", per_base=3)
    large.append(StandIn(f"generated on requests, {MANY}", wide.pairs, frozenset({"clinc150"})))
    return [*made, *large]


def long_questions(shared: Path) -> list[str]:
    """Questions of several sentences, as in an exam; no source of the model is made of them, and none is of MMLU."""
    with gzip.open(shared / "router" / "mmlu_pro_29models.csv.gz", "rt", encoding="utf-8", newline="") as lines:
        rows = [row["question"].strip() for row in csv.DictReader(lines) if not row["src"].startswith("ori_mmlu-")]
    return [text for text in dict.fromkeys(rows) if LONG_LOW <= len(text) <= LONG_HIGH]


def mined(name: str, rows: Sequence[tuple[str, str]], memory: Memory, rng: random.Random) -> PairTable:
    """Pairs of one intent and nearest pairs of two, in about equal number."""
    return mine_intents(name, rows, memory, rng, positives=0.5, licence="", facts=False).pairs


def by_kind(sources: Sequence[Source], inputs: Sequence[PairInputs]) -> list[dict[str, Any]]:
    """Return per kind of negative, unseen in the fit, the share that passes where half of the paraphrases do."""
    generated = [place for place, source in enumerate(sources) if source.name in {"workload", "questions"}]
    kinds = sorted({kind for place in generated for kind in sources[place].pairs.kinds} - {"paraphrase"})
    folds = [group_folds(source.groups, FOLDS) for source in sources]
    found = []
    for number in range(KIND_FOLDS):
        unseen = kinds[number::KIND_FOLDS]
        keep = [without(source, unseen) & (fold != 0) for source, fold in zip(sources, folds, strict=True)]
        model = fit_default(sources, inputs, keep)
        held = [(sources[place], inputs[place], folds[place] == 0) for place in generated]
        of_kind = np.concatenate([np.array(source.pairs.kinds)[rows] for source, _, rows in held])
        scores = np.concatenate([model.scores(data.features[rows], data.vectors[rows]) for _, data, rows in held])
        cosine = np.concatenate([data.cosine[rows] for _, data, rows in held])
        cuts = [float(np.median(score[of_kind == "paraphrase"])) for score in (scores, cosine)]
        for kind in unseen:
            chosen = of_kind == kind
            passed = [int(np.count_nonzero(s[chosen] >= c)) for s, c in zip((scores, cosine), cuts, strict=True)]
            n = int(np.count_nonzero(chosen))
            found.append(
                {
                    "kind": kind,
                    "n": n,
                    "wrongly_served": passed[0] / n if n else None,
                    "upper_95": upper_error_bound(passed[0], n, 0.95),
                    "wrongly_served_by_cosine": passed[1] / n if n else None,
                }
            )
    return sorted(found, key=lambda row: str(row["kind"]))


def summary(sets: Sequence[dict[str, Any]], bound: float) -> dict[str, Any]:
    """Geometric mean of model over static hits, over the sets where the static cut serves any."""
    rows = [entry["bounds"][f"{bound:g}"] for entry in sets]
    ratios = [row["hits_over_static"] for row in rows if row["hits_over_static"] is not None]
    return {
        "bound": bound,
        "sets": len(rows),
        "sets_where_static_serves": len(ratios),
        "sets_where_only_the_model_serves": sum(
            row["hits_over_static"] is None and row["hit_ratio"]["mean"] > 0 for row in rows
        ),
        "geometric_mean": float(np.exp(np.mean(np.log(np.maximum(ratios, 1e-9))))) if ratios else None,
        "lowest": min(ratios, default=None),
        "bound_kept_lowest": min(row["bound_kept"] for row in rows),
    }


def measure(
    entry: StandIn, memory: Memory, sources: Sequence[Source], inputs: Sequence[PairInputs], splits: int
) -> dict[str, Any]:
    """Return the figures of one set, by a model that has not seen its source."""
    data = read_inputs(without_repeats(entry.pairs), memory)
    taken = [place for place, source in enumerate(sources) if source.name not in entry.left_out]
    whole = [np.ones(len(inputs[place]), dtype=np.bool_) for place in taken]
    model = fit_default([sources[place] for place in taken], [inputs[place] for place in taken], whole)
    found = evaluate_splits(data, model, max_errors=BOUNDS, splits=splits, seed=SEED)
    shipped = as_shipped([sources[place] for place in taken], [inputs[place] for place in taken])
    return {
        "set": entry.name,
        "n": len(data),
        "true_pairs": float(data.labels.mean()),
        "ap_cosine": float(average_precision_score(data.labels, data.cosine)),
        "without_labels": without_labels(data, shipped),
        "ap_without_labels": float(average_precision_score(data.labels, model.scores(data.features, data.vectors))),
        "bounds": {f"{bound:g}": row for bound, row in found.items()},
    }


def as_shipped(sources: Sequence[Source], inputs: Sequence[PairInputs]) -> PairModel:
    """Return the model that would ship if only these sources were there: fitted without a fold, its cuts set on it."""
    folds = [group_folds(source.groups, FOLDS) for source in sources]
    model = fit_default(sources, inputs, [fold != 0 for fold in folds])
    generated = [place for place, source in enumerate(sources) if source.name in {"written", "workload", "questions"}]
    held = [inputs[place].take(np.flatnonzero(folds[place] == 0)) for place in generated]
    scores = np.concatenate([model.scores(data.features, data.vectors) for data in held])
    labels = np.concatenate([data.labels for data in held])
    return replace(model, cuts={bound: decide_cut(scores, labels, max_error=bound) for bound in BOUNDS})


def without_labels(data: PairInputs, model: PairModel) -> dict[str, dict[str, Any]]:
    """Return what the cuts of a model that knows nothing of these pairs serve of them."""
    rows = {}
    for bound in BOUNDS:
        found = figures_of(data, Calibrated(model=model, static={}, refitted=False, labelled=0), bound)
        rows[f"{bound:g}"] = {name: found[name] for name in ("hit_ratio", "error_ratio", "no_cut")}
    return rows


def table_rows(result: dict[str, Any]) -> list[str]:
    """Return the lines of the printed table for one set."""
    lines = []
    for name, row in result["bounds"].items():
        ratio = "-" if row["hits_over_static"] is None else f"{row['hits_over_static']:.2f}"
        lines.append(
            f"{result['set']:32} {name:>5} {row['bound_kept']:6.3f} {row['hit_ratio']['mean']:7.4f} "
            f"{row['hit_ratio_static']['mean']:7.4f} {ratio:>6} {row['no_cut']:6.2f}"
        )
    return lines


def write_report(out: Path, changes: dict[str, Any], measured: Sequence[dict[str, Any]]) -> None:
    """Put what was measured into the result file, beside the sets that are there."""
    report = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {"sets": []}
    fresh = {row["set"]: row for row in measured}
    sets = [fresh.pop(row["set"], row) for row in report["sets"]] + list(fresh.values())
    report |= {**changes, "summary": [summary(sets, bound) for bound in BOUNDS], "sets": sets}
    out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    """Run, write the results after every set, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--only", default="")
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/cache_pairs.json"))
    options = parser.parse_args()
    encoder = OnnxEmbedder(pool=InferencePool())
    memory = Memory(encoder)
    sources = build_sources(options.shared, memory)
    inputs = [read_inputs(source.pairs, memory) for source in sources]
    changes: dict[str, Any] = {
        "seed": SEED,
        "calibration_share": CALIBRATION,
        "confidence": 0.95,
        "encoder_digest": encoder.digest,
        "versions": {name: version(name) for name in ("numpy", "scikit-learn", "onnxruntime", "polars")},
    }
    if not options.only:
        changes["hard_negatives_by_kind"] = by_kind(sources, inputs)
    print(f"{'set':32} {'bound':>5} {'kept':>6} {'model':>7} {'static':>7} {'ratio':>6} {'no cut':>6}", flush=True)
    results: list[dict[str, Any]] = []
    for entry in stand_ins(options.shared, memory, sources):
        if options.only not in entry.name:
            continue
        results.append(measure(entry, memory, sources, inputs, options.splits))
        print("\n".join(table_rows(results[-1])), flush=True)
        write_report(options.out, changes, results)
    report = json.loads(options.out.read_text(encoding="utf-8"))
    print("\n".join(str(row) for row in report["summary"]))


if __name__ == "__main__":
    main()
