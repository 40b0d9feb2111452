"""What is compared of a prompt and its neighbour, and when."""

from typing import Any

import numpy as np
import pytest
from tests.unit.policy.test_pair_model import cut

from tiergate.policy.pair_features import FEATURES
from tiergate.policy.pair_model import PairModel, probability
from tiergate.policy.semantic_cache import PairVerdict
from tiergate.ports import Neighbour, StoredAnswer, Vector
from tiergate.stages.pair_judge import COMPARED_FROM, PairJudge
from tiergate.testing import FakeEmbedder

QUESTION = "How do I get a refund for my order?"
UNIT: Vector = np.eye(1, 4, dtype=np.float32)[0]


def neighbour(prompt: str, similarity: float) -> Neighbour:
    answer = StoredAnswer(
        entry_id="e", tenant="t", context_key="c", prompt=prompt, vector=UNIT, body={}, tier="simple",
        confidence=0.9, cost_usd=0.0, stored_at=0.0, expires_at=1.0,
    )  # fmt: skip
    return Neighbour(answer=answer, similarity=similarity, exact=False)


def judge(*, max_error: float | None = 0.05, **changes: Any) -> PairJudge:
    weight = np.zeros(len(FEATURES), dtype=np.float32)
    weight[FEATURES.index("cosine")] = 2.0
    cuts = {0.01: cut(0.01, None), 0.05: cut(0.05, 0.5)}
    model = PairModel(feature_weight=weight, vector_weight=np.zeros(8, dtype=np.float32), bias=-1.0, cuts=cuts)
    fields: dict[str, Any] = {"embedder": FakeEmbedder(window_words=20), "model": model, "max_error": max_error}
    return PairJudge(**(fields | changes))


def verdict(judged: PairJudge, similarity: float, *, prompt: str = QUESTION, **fields: Any) -> PairVerdict:
    return judged.judge(
        prompt, UNIT, neighbour("How do I get a refund?", similarity), **({"conversation": False} | fields)
    )


def test_a_near_neighbour_gets_its_probability_beside_the_cut_in_force() -> None:
    found = verdict(judge(), 0.9)
    assert found.probability is not None
    assert found.min_probability == probability(0.5)
    assert found.error_bound == 0.05
    assert (found.language, found.neighbour_language) == ("en", "en")


def test_a_far_neighbour_is_not_compared_and_the_reason_stays_that_of_the_bound() -> None:
    found = verdict(judge(), COMPARED_FROM - 0.01)
    assert (found.probability, found.min_probability, found.error_bound) == (None, probability(0.5), 0.05)


def test_with_a_static_similarity_only_a_neighbour_that_reaches_it_is_compared() -> None:
    static = judge(max_error=None)
    assert verdict(static, 0.89, min_similarity=0.9) == PairVerdict()
    assert verdict(static, 0.9, min_similarity=0.9).language == "en"


@pytest.mark.parametrize("fields", [{"max_error": None}, {"model": None}])
def test_without_a_bound_or_a_model_there_is_no_probability(fields: dict[str, Any]) -> None:
    found = verdict(judge(**fields), 0.95)
    assert (found.probability, found.min_probability, found.error_bound) == (None, None, None)


def test_a_bound_without_a_controlling_cut_serves_nothing() -> None:
    found = verdict(judge(max_error=0.01), 0.95)
    assert found.probability is not None
    assert (found.min_probability, found.error_bound) == (None, None)


@pytest.mark.parametrize("similarity", [0.3, 0.95])
def test_the_pair_model_says_nothing_of_conversations(similarity: float) -> None:
    found = verdict(judge(), similarity, conversation=True)
    assert (found.probability, found.min_probability, found.error_bound) == (None, None, None)


def test_a_text_longer_than_the_encoders_window_is_not_covered() -> None:
    assert not verdict(judge(), 0.99, prompt="word " * 21).covered
