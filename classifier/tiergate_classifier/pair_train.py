"""Train the pair model that ships: `python -m tiergate_classifier.pair_train --shared DIR --out DIR`.

One ridge logistic regression over surface features, |u - v| and u * v, on several sources at once. Each source has an
offset of its own, since the share of true pairs in a source says how it was made and nothing about traffic; the model
that ships takes the offset of the pairs written for this project. Weakly labelled sources count for less.
"""

import argparse
import random
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.pair_artifact import write_pair_model
from tiergate.policy.error_bound import ErrorCut, decide_cut, upper_error_bound
from tiergate.policy.pair_model import PairModel
from tiergate_classifier.pair_data import PairInputs, TextEncoder, read_inputs
from tiergate_classifier.pair_sources import (
    Source,
    generate,
    group_folds,
    intent_rows,
    load_written,
    mine_intents,
    question_prompts,
    workload_prompts,
    written_bases,
)

SEED = 5
FOLDS = 5
BOUNDS = (0.01, 0.02, 0.05, 0.1)
STRENGTH, VECTOR_SCALE, OFFSET_SCALE = 0.3, 0.07, 3.0
"""Inverse ridge penalty; what the vectors and the offsets are scaled by beside standardised features."""

INTENT_PAIRS, QUESTIONS = 2500, 600
CUT_SOURCES = 3
"""How many of the sources, from the first, have labels strong enough to choose a cut on."""

CHANCE = 0.05


@dataclass(frozen=True, slots=True)
class Broken:
    """A cut that served more wrong hits than its bound on a source that was left out."""

    bound: float
    source: str
    hits: int
    wrong: int


class Memory:
    """An encoder that embeds no text twice.

    Args:
        encoder: The encoder behind it.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._known: dict[str, NDArray[np.float32]] = {}

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 unit vectors of shape (len(texts), D)."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        self._known.update(zip(new, self._encoder.embed_batch(new), strict=True))
        return np.stack([self._known[text] for text in texts])


def build_sources(shared: Path, encoder: TextEncoder, seed: int = SEED) -> tuple[Source, ...]:
    """Return the sources of the pair model that ships.

    Args:
        shared: Folder of the shared data.
        encoder: Finds neighbours among the prompts of an intent data set.
        seed: Decides what is drawn and generated.

    Raises:
        ConfigurationError: A file of `shared` is missing.
    """
    rng = random.Random(seed)  # noqa: S311 - no secret
    intents = []
    for name, licence in (("banking77", "CC-BY-4.0"), ("clinc150", "CC-BY-3.0")):
        rows = intent_rows(shared, name)
        drawn = rng.sample(rows, INTENT_PAIRS)
        intents.append(mine_intents(name, drawn, encoder, rng, positives=0.45, licence=licence))
    questions = question_prompts(shared)
    return (
        load_written(),
        generate("workload", [*written_bases(), *workload_prompts()], rng, licence="Apache-2.0", per_base=4),
        generate("questions", rng.sample(questions, QUESTIONS), rng, licence="MIT", per_base=3),
        *intents,
    )


def fit_default(
    sources: Sequence[Source], inputs: Sequence[PairInputs], keep: Sequence[NDArray[np.bool_]]
) -> PairModel:
    """Fit the model on the kept rows of every source; the first source's offset is the model's.

    Args:
        sources: The sources.
        inputs: What the model reads of each.
        keep: Which rows of each take part.
    """
    features = np.vstack([data.features[rows] for data, rows in zip(inputs, keep, strict=True)])
    vectors = np.vstack([data.vectors[rows] for data, rows in zip(inputs, keep, strict=True)])
    labels = np.concatenate([data.labels[rows] for data, rows in zip(inputs, keep, strict=True)])
    counts = [int(np.count_nonzero(rows)) for rows in keep]
    origin = np.repeat(np.arange(len(sources)), counts)
    weights = np.repeat([source.weight for source in sources], counts)
    mean, scale = features.mean(axis=0), features.std(axis=0) + np.float32(0.05)
    offsets = np.eye(len(sources), dtype=np.float32)[origin] * np.float32(OFFSET_SCALE)
    rows = np.hstack([(features - mean) / scale, vectors * np.float32(VECTOR_SCALE), offsets])
    fitted = LogisticRegression(C=STRENGTH, max_iter=1000)
    fitted.fit(rows, labels, sample_weight=weights)
    weight = fitted.coef_[0].astype(np.float64)
    width = features.shape[1]
    offset = float(weight[width + vectors.shape[1]]) * OFFSET_SCALE
    return PairModel(
        feature_weight=(weight[:width] / scale).astype(np.float32),
        vector_weight=(weight[width : width + vectors.shape[1]] * VECTOR_SCALE).astype(np.float32),
        bias=float(fitted.intercept_[0]) + offset - float(weight[:width] @ (mean / scale)),
        cuts={},
    )


def without(source: Source, kinds: Collection[str]) -> NDArray[np.bool_]:
    """Return which rows are of none of the kinds, shape (N,)."""
    return np.array([kind not in kinds for kind in source.pairs.kinds], dtype=np.bool_)


def train(shared: Path, out: Path, seed: int = SEED) -> PairModel:
    """Train, calibrate on groups that took no part, and write the artifact.

    Args:
        shared: Folder of the shared data.
        out: Folder to write to.
        seed: Decides everything random.

    Raises:
        ConfigurationError: A file of `shared` is missing.
        ArtifactError: The folder cannot be written.
    """
    encoder = OnnxEmbedder(pool=InferencePool())
    memory = Memory(encoder)
    sources = build_sources(shared, memory, seed)
    inputs = [read_inputs(source.pairs, memory) for source in sources]
    folds = [group_folds(source.groups, FOLDS) for source in sources]
    model = fit_default(sources, inputs, [fold != 0 for fold in folds])
    held = [data.take(np.flatnonzero(fold == 0)) for data, fold in zip(inputs, folds, strict=True)]
    broken = _broken_elsewhere(sources, inputs, folds)
    model = replace(model, cuts=_withhold(_cuts(model, held[:CUT_SOURCES]), broken))
    manifest = {
        "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "method": "Ridge logistic regression over surface features, |u - v| and u * v on several sources with an "
        "offset each; cuts by learn then test on groups of the written and generated sources left out of the fit.",
        "encoder": {"digest": encoder.digest, "dimensions": encoder.dimensions},
        "training_data": tuple(
            {"name": source.name, "digest": source.digest, "licence": source.licence, "rows": len(source.pairs)}
            for source in sources
        ),
        "metrics": tuple(
            metric
            for source, data in zip(sources, held, strict=True)
            for metric in _metrics(source.name, data, model, seed)
        ),
    }
    return write_pair_model(out, model=model, manifest=manifest, card=_card(sources, held, model, broken))


def _broken_elsewhere(
    sources: Sequence[Source], inputs: Sequence[PairInputs], folds: Sequence[NDArray[np.int_]]
) -> list[Broken]:
    """Return which cuts break their bound on a source that had no part in model and cut.

    Each source in turn is left out, model and cuts are made from the others, and the left-out source is served. A cut
    is broken where the share of wrong hits is above the bound beyond chance (exact binomial test, 5 %).
    """
    broken: list[Broken] = []
    for place, left_out in enumerate(sources):
        others = [number for number in range(len(sources)) if number != place]
        model = fit_default(
            [sources[number] for number in others],
            [inputs[number] for number in others],
            [folds[number] != 0 for number in others],
        )
        held = [inputs[number].take(np.flatnonzero(folds[number] == 0)) for number in others if number < CUT_SOURCES]
        scores = model.scores(inputs[place].features, inputs[place].vectors)
        for bound, cut in _cuts(model, held).items():
            served = scores >= (np.inf if cut.min_score is None else cut.min_score)
            hits, wrong = int(served.sum()), int((inputs[place].labels[served] == 0).sum())
            if hits and binomtest(wrong, hits, bound, alternative="greater").pvalue < CHANCE:
                broken.append(Broken(bound, left_out.name, hits, wrong))
    return broken


def _withhold(cuts: Mapping[float, ErrorCut], broken: Sequence[Broken]) -> dict[float, ErrorCut]:
    """Return the cuts without those that break their bound elsewhere: then only exact matches are served."""
    withheld = {each.bound for each in broken}
    return {
        bound: replace(cut, min_score=None, hits=0, errors=0, error_bound=1.0) if bound in withheld else cut
        for bound, cut in cuts.items()
    }


def _cuts(model: PairModel, held: Sequence[PairInputs]) -> dict[float, ErrorCut]:
    scores = np.concatenate([model.scores(data.features, data.vectors) for data in held])
    labels = np.concatenate([data.labels for data in held])
    return {bound: decide_cut(scores, labels, max_error=bound) for bound in BOUNDS}


def _metrics(name: str, data: PairInputs, model: PairModel, seed: int) -> list[dict[str, object]]:
    rng = np.random.default_rng(seed)
    scores = {"pair_model": model.scores(data.features, data.vectors), "cosine": data.cosine}
    found: list[dict[str, object]] = []
    for kind, score in scores.items():
        drawn = [rng.integers(0, len(data), len(data)) for _ in range(200)]
        values = [average_precision_score(data.labels[rows], score[rows]) for rows in drawn]
        found.append(
            {
                "name": f"average_precision/{kind}/{name}",
                "value": float(average_precision_score(data.labels, score)),
                "n": len(data),
                "low": float(np.percentile(values, 2.5)),
                "high": float(np.percentile(values, 97.5)),
            }
        )
    return found


def _card(sources: Sequence[Source], held: Sequence[PairInputs], model: PairModel, broken: Sequence[Broken]) -> str:
    data = "\n".join(
        f"| {source.name} | {len(source.pairs)} | {source.pairs.labels.mean():.2f} | {source.licence} "
        f"| `{source.digest}` |"
        for source in sources
    )
    precision = "\n".join(
        f"| {source.name} | {len(rows)} | {average_precision_score(rows.labels, rows.cosine):.3f} "
        f"| {average_precision_score(rows.labels, model.scores(rows.features, rows.vectors)):.3f} |"
        for source, rows in zip(sources, held, strict=True)
    )
    cuts = "\n".join(
        f"| {bound:g} | {'none' if cut.min_score is None else f'{cut.min_score:.3f}'} | {cut.hits} of {cut.labelled} "
        f"| {cut.errors} | {upper_error_bound(cut.errors, cut.hits, cut.confidence):.4f} |"
        for bound, cut in sorted(model.cuts.items())
    )
    withheld = "\n".join(
        f"| {each.bound:g} | {each.source} | {each.hits} | {each.wrong / each.hits:.1%} |" for each in broken
    )
    return f"""# Pair model: does the same answer serve both prompts?

A logistic model over surface features of two prompts (numbers, dates, units, negation, names, order, overlap), their
cosine, |u - v| and u * v. The semantic cache serves a stored answer only when its score reaches a cut.

- **Licence**: Apache-2.0.
- **Built with**: scikit-learn {version("scikit-learn")}, numpy {version("numpy")}; seed {SEED}.

## Data

| source | pairs | share of true pairs | licence | digest of what it was made from |
|---|---|---|---|---|
{data}

`written` and the bases of `workload` were written for this project. Negatives and paraphrases of `workload` and
`questions` (natural_qa and trivia_qa rows of ulab-uiuc/LLMRouter) are generated by rule. `banking77` (PolyAI) and
`clinc150` are weak labels: two prompts of one intent in which no number, date, unit or name differs; one prompt of each
of two intents. They count for less in the fit. No text of them is in this folder.

## Figures on groups that took no part in the fit

Average precision.

| source | pairs | cosine | pair model |
|---|---|---|---|
{precision}

Kinds of negatives that the fit has not seen, and sources left out as a whole: `benchmarks/results/cache_pairs.json`.

## Cuts that ship

By learn then test at 95 % confidence on the held-out written and generated pairs. A bound whose cut breaks it on a
source that had no part in it has no cut: then only exact matches are served, until pairs of your own traffic are
labelled (`re_ask_share`, `tiergate calibrate cache`).

| bound | cut (log-odds) | served | wrong | upper bound of the error |
|---|---|---|---|---|
{cuts}

What broke its bound beyond chance (5 %) on a source that was left out of model and cut:

| bound | left-out source | served | wrong among served |
|---|---|---|---|
{withheld}

## Rebuild

    make pairs

## Limits

- English. The word lists behind the features are English; for other languages only numbers, codes, overlap and the
  vectors are left.
- It reads prompts, not the world: two prompts about "now" are the same prompt to it.
- The pairs written for this project are few and by few hands.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Train the pair model from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tiergate_classifier.pair_train", description=main.__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="folder of the shared data")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    options = parser.parse_args(arguments)
    train(options.shared, options.out)


if __name__ == "__main__":
    main()
