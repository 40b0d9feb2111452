"""The score learns what is harder within a set, not which set is harder; and is read back as written."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra [train]")

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ConfigurationError
from tiergate.policy.features import FEATURES
from tiergate_classifier.difficulty import (
    CARD,
    EncodedSet,
    builtin_difficulty_path,
    encode_question_sets,
    fit_difficulty,
    load_difficulty,
    write_difficulty,
)
from tiergate_classifier.shared_tables import MMLU_PRO, LeakError, QuestionSet


def encoded(seed: int, *, level: float, rows: int = 2000) -> EncodedSet:
    """Questions whose difficulty is their first dimension; the second says which set they are from."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(rows, 6)).astype(np.float32)
    difficulty = vectors[:, 0] + 0.1 * random.normal(size=rows) + level
    vectors[:, 1] = level
    features = random.normal(size=(rows, len(FEATURES)))
    return EncodedSet(name=str(level), vectors=vectors, features=features, difficulty=difficulty, share=1.0)


def test_it_ranks_questions_within_a_set_and_ignores_which_set_is_harder() -> None:
    score = fit_difficulty([encoded(0, level=0.0), encoded(1, level=9.0)])

    fresh = encoded(2, level=4.0)
    found = score.of(fresh.vectors, np.zeros_like(fresh.features))
    assert np.corrcoef(found, fresh.difficulty)[0, 1] > 0.9
    assert abs(score.weight[1]) < 1e-6


def test_without_a_set_there_is_no_score() -> None:
    with pytest.raises(ValueError, match="at least one set"):
        fit_difficulty([])


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    score = fit_difficulty([encoded(0, level=0.0)])
    write_difficulty(tmp_path, score, {"features": list(FEATURES)})

    again, card = load_difficulty(tmp_path)

    np.testing.assert_allclose(again.weight, score.weight, rtol=1e-5, atol=1e-6)
    assert card["features"] == list(FEATURES)


def test_a_score_of_other_features_or_a_missing_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load_difficulty(tmp_path)
    write_difficulty(tmp_path, fit_difficulty([encoded(0, level=0.0)]), {"features": ["moon"]})
    with pytest.raises(ConfigurationError, match="not those of this version"):
        load_difficulty(tmp_path)
    assert (tmp_path / CARD).is_file()


def test_questions_that_others_publish_on_are_never_encoded_for_training() -> None:
    held_out = QuestionSet(
        name="ori_mmlu",
        file=MMLU_PRO,
        prompts=("What is 2 + 2?",),
        categories=("mathematics",),
        models=("m",),
        correct=np.ones((1, 1)),
        held_out=True,
    )
    with pytest.raises(LeakError):
        encode_question_sets([held_out], [], OnnxEmbedder(pool=InferencePool()))


def test_longer_questions_of_a_kind_count_as_harder_by_the_score_that_ships() -> None:
    score, _ = load_difficulty(builtin_difficulty_path())
    features = np.tile(score.feature_mean, (2, 1))
    features[1, FEATURES.index("log_characters")] += 2 * score.feature_scale[FEATURES.index("log_characters")]

    short, long = score.of(np.zeros((2, len(score.weight) - len(FEATURES))), features)

    assert long > short
