"""The refit in the background: it puts a deployment's cuts in force, at the start and after a reload."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiergate.adapters.pair_label_file import PairLabelFile
from tiergate.cache_parts import build_semantic_cache
from tiergate.cache_refit import CacheRefit, describe_cuts
from tiergate.policy.deployment_cuts import DeploymentCuts, PairLabel
from tiergate.policy.error_bound import ErrorCut
from tiergate.policy.pair_features import FEATURES
from tiergate.policy.pair_model import PairModel
from tiergate.settings import Policy
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.testing import FakeClock, FakeEmbedder, MemoryStore

COSINE = FEATURES.index("cosine")


def model() -> PairModel:
    weight = np.zeros(len(FEATURES), dtype=np.float32)
    weight[COSINE] = 1.0
    return PairModel(feature_weight=weight, vector_weight=np.zeros(4, dtype=np.float32), bias=0.0, cuts={})


def cache_of(pair_model: PairModel | None, **settings: Any) -> SemanticCache:
    tiers = [{"name": name, "model_group": name} for name in ("simple", "frontier")]
    policy = Policy.model_validate({"tiers": tiers, "semantic_cache": {"max_error": 0.05, **settings}})
    return build_semantic_cache(policy, MemoryStore(), FakeEmbedder(), FakeClock(), pair_model=pair_model)


def write(file: PairLabelFile, count: int, *, right_from: float) -> None:
    unit = np.array([1.0, 0.0], dtype=np.float32)
    for score in np.linspace(1.0, 0.0, count):
        features = np.zeros(len(FEATURES), dtype=np.float32)
        features[COSINE] = score
        file.add_label(
            PairLabel(
                ts=1.0, tenant="t", entry_id="e", similarity=score, same=bool(score > right_from), would_hit=False,
                drawn=True, features=features, asked=unit, stored=unit,
            )
        )  # fmt: skip


def wait_for(told: Any) -> None:
    deadline = time.monotonic() + 20
    while not told():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_refit_puts_the_cuts_of_the_labels_in_force(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file, cache = PairLabelFile(tmp_path / "labels.jsonl"), cache_of(model())
    write(file, 500, right_from=0.5)
    with caplog.at_level(logging.WARNING):
        cuts = CacheRefit(lambda: cache, file).refit()
    assert cuts is not None
    assert cuts.overall is not None
    assert cuts.overall.controls
    assert cache.judge is not None
    assert cache.judge.cuts is not None
    assert cache.judge.cuts.in_force is cuts
    assert "500 labels" in caplog.text


@pytest.mark.parametrize("cache", [cache_of(None), cache_of(model(), max_error=None)])
def test_without_a_bound_or_a_model_there_is_nothing_to_refit(tmp_path: Path, cache: SemanticCache) -> None:
    assert CacheRefit(lambda: cache, PairLabelFile(tmp_path / "labels.jsonl")).refit() is None


def test_the_thread_refits_at_the_start_and_after_a_reload(tmp_path: Path) -> None:
    file, caches = PairLabelFile(tmp_path / "labels.jsonl"), [cache_of(model())]
    write(file, 400, right_from=0.5)
    refit = CacheRefit(lambda: caches[-1], file, look_every_s=0.01)
    refit.start()
    try:
        for _ in range(2):
            judge = caches[-1].judge
            assert judge is not None
            wait_for(lambda judge=judge: judge.cuts.in_force.overall is not None)
            caches.append(cache_of(model(), max_error=0.1))
    finally:
        refit.stop()
    assert not refit._thread.is_alive()


def test_it_says_in_words_what_was_decided() -> None:
    none = ErrorCut(
        max_error=0.01, confidence=0.95, min_score=None, labelled=9, hits=0, errors=0, error_bound=1.0, horizon=0
    )
    some = ErrorCut(
        max_error=0.01, confidence=0.95, min_score=2.0, labelled=9, hits=5, errors=0, error_bound=0.009, horizon=0
    )
    assert "none, with 3 labels" in describe_cuts(DeploymentCuts(labelled=3))
    assert "exact matches only" in describe_cuts(DeploymentCuts(overall=none, labelled=9))
    assert "upper bound 0.0090" in describe_cuts(DeploymentCuts(overall=some, labelled=9))
