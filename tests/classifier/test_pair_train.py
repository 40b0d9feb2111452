"""Training: sources with offsets of their own, and a written artifact whose figures are on rows left out."""

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.pair_artifact import load_pair_manifest, load_pair_model
from tiergate_classifier import pair_train
from tiergate_classifier.pair_data import read_inputs
from tiergate_classifier.pair_sources import Source, generate, group_folds, load_written, written_bases
from tiergate_classifier.pair_train import Memory, fit_default, train, without


def small_sources(_shared: Path, _encoder: object, _seed: int) -> tuple[Source, ...]:
    bases = written_bases()
    return (
        load_written(),
        generate("workload", bases[:40], random.Random(1), licence="Apache-2.0", per_base=3),
        generate("questions", bases[40:70], random.Random(2), licence="Apache-2.0", per_base=3),
    )


@pytest.fixture(scope="module")
def memory() -> Memory:
    return Memory(OnnxEmbedder(pool=InferencePool()))


def test_nothing_is_embedded_twice() -> None:
    calls: list[Sequence[str]] = []

    class Encoder:
        def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
            calls.append(list(texts))
            return np.ones((len(texts), 2), dtype=np.float32)

    remembering = Memory(Encoder())
    remembering.embed_batch(["a", "b", "a"])
    assert remembering.embed_batch(["b", "c"]).shape == (2, 2)
    assert calls == [["a", "b"], ["c"]]


def test_the_model_tells_pairs_of_unseen_groups_better_than_cosine(memory: Memory) -> None:
    sources = small_sources(Path(), None, 0)
    inputs = [read_inputs(source.pairs, memory) for source in sources]
    folds = [group_folds(source.groups, 5) for source in sources]
    model = fit_default(sources, inputs, [fold != 0 for fold in folds])
    held = [data.take(np.flatnonzero(fold == 0)) for data, fold in zip(inputs, folds, strict=True)]
    labels = np.concatenate([data.labels for data in held])
    scores = np.concatenate([model.scores(data.features, data.vectors) for data in held])
    cosine = np.concatenate([data.cosine for data in held])
    assert average_precision_score(labels, scores) > average_precision_score(labels, cosine) + 0.1


def test_kinds_can_be_left_out() -> None:
    source = small_sources(Path(), None, 0)[1]
    kept = without(source, {"number"})
    assert not {kind for kind, keep in zip(source.pairs.kinds, kept, strict=True) if keep} & {"number"}
    assert 0 < kept.sum() <= len(kept)


def test_training_writes_a_whole_artifact(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pair_train, "build_sources", small_sources)
    trained = train(tmp_path, tmp_path / "pairs")
    assert load_pair_model(tmp_path / "pairs").digest == trained.digest
    _, manifest = load_pair_manifest(tmp_path / "pairs")
    assert [data.name for data in manifest.training_data] == ["written", "workload", "questions"]
    assert {metric.name for metric in manifest.metrics} >= {"average_precision/pair_model/written"}
    assert set(trained.cuts) == set(pair_train.BOUNDS)
