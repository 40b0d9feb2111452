"""The sources: labels that follow from how a pair was made, and nothing that gives a label away."""

import json
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tiergate.errors import ConfigurationError
from tiergate_classifier.pair_negatives import kinds
from tiergate_classifier.pair_sources import (
    WRITTEN,
    generate,
    group_folds,
    intent_rows,
    load_written,
    mine_intents,
    question_prompts,
    workload_prompts,
    written_bases,
)


class OneHot:
    """An encoder that tells prompts by their first letter."""

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = np.array([[float(text[:1].lower() == letter) + 0.1 for letter in "abcdefgh"] for text in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_written_groups_hold_what_the_format_asks() -> None:
    groups = [json.loads(line) for line in WRITTEN.read_text(encoding="utf-8").splitlines()]
    assert len(groups) > 100
    for group in groups:
        texts = [group["base"], *group["same"], *(other["text"] for other in group["other"])]
        assert len(set(texts)) == len(texts), group["base"]
        assert group["register"]
        assert len(group["same"]) >= 2
    assert len({group["base"] for group in groups}) == len(groups)


def test_written_pairs_carry_both_labels() -> None:
    source = load_written()
    assert len(source.pairs) > 800
    assert 0.3 < source.pairs.labels.mean() < 0.6
    assert len(source.groups) == len(source.pairs)


def test_generated_labels_are_balanced_and_follow_the_kind() -> None:
    source = generate("t", written_bases(), random.Random(1), licence="Apache-2.0", per_base=6)
    assert 0.45 < source.pairs.labels.mean() < 0.55
    assert {kind for kind in source.pairs.kinds if kind != "paraphrase"} <= set(kinds())
    for a, b, label, kind in zip(source.pairs.a, source.pairs.b, source.pairs.labels, source.pairs.kinds, strict=True):
        assert a != b
        assert label == (kind == "paraphrase")


def test_the_same_seed_generates_the_same_pairs() -> None:
    one, other = (generate("t", workload_prompts()[:20], random.Random(1), licence="x") for _ in range(2))
    assert one.pairs.a == other.pairs.a
    assert one.digest == other.digest


def test_intent_pairs_leave_out_those_whose_facts_differ() -> None:
    rows = [("a 10", "x"), ("a 20", "x"), ("a card", "y"), ("a card lost", "y"), ("b", "z")]
    strict = mine_intents("t", rows, OneHot(), random.Random(1), positives=1.0, licence="x")
    coarse = mine_intents("t", rows, OneHot(), random.Random(1), positives=1.0, licence="x", facts=False)
    assert set(strict.groups) == {"y"}
    assert set(coarse.groups) == {"x", "y"}
    assert strict.pairs.labels.all()
    others = mine_intents("t", rows, OneHot(), random.Random(1), positives=0.0, licence="x")
    assert len(others.pairs) == 5
    assert not others.pairs.labels.any()


def test_a_group_is_in_one_fold() -> None:
    folds = group_folds(["a", "b", "a", "c", "b"], 3)
    assert folds[0] == folds[2]
    assert folds[1] == folds[4]
    assert set(folds) <= {0, 1, 2}


@pytest.mark.parametrize("name", ["banking77", "clinc150"])
def test_missing_shared_data_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigurationError, match="--shared"):
        intent_rows(tmp_path, name)
    with pytest.raises(ConfigurationError, match="--shared"):
        question_prompts(tmp_path)
