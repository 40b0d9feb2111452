"""The judge of a pair: whose cut counts, when it compares, and what it does not say."""

from typing import Any

import numpy as np
import pytest

from tiergate.policy.deployment_cuts import DeploymentCuts
from tiergate.policy.error_bound import ErrorCut
from tiergate.policy.pair_features import FEATURES
from tiergate.policy.pair_model import PairModel, probability
from tiergate.policy.semantic_cache import PairVerdict
from tiergate.ports import Neighbour, StoredAnswer
from tiergate.stages.pair_judge import COMPARED_FROM, CutBook, PairJudge
from tiergate.testing import FakeEmbedder

STORED, ASKED = "what is the capital of peru", "tell me the capital of peru"
EMBEDDER = FakeEmbedder(window_words=20)


def cut(min_score: float | None) -> ErrorCut:
    return ErrorCut(
        max_error=0.05, confidence=0.95, min_score=min_score, labelled=9, hits=9, errors=0, error_bound=0.05, horizon=0
    )


def model(shipped: float | None = -3.0) -> PairModel:
    weight = np.zeros(len(FEATURES), dtype=np.float32)
    weight[FEATURES.index("cosine")] = 1.0
    vector_weight = np.zeros(2 * EMBEDDER.dimensions, dtype=np.float32)
    return PairModel(feature_weight=weight, vector_weight=vector_weight, bias=0.0, cuts={0.05: cut(shipped)})


async def judge_pair(
    judge: PairJudge,
    *,
    prompt: str = STORED,
    conversation: bool = False,
    similarity: float | None = None,
    **fields: Any,
) -> Any:
    vector = await EMBEDDER.embed(prompt)
    answer = StoredAnswer(
        entry_id="e", tenant="t", context_key="c", prompt=prompt, vector=vector, body={}, tier="simple",
        confidence=1.0, cost_usd=0.0, stored_at=0.0, expires_at=1.0,
    )  # fmt: skip
    asked = await EMBEDDER.embed(ASKED)
    cosine = float(asked @ vector) if similarity is None else similarity
    near = Neighbour(answer=answer, similarity=cosine, exact=False)
    return judge.judge(ASKED, asked, near, conversation=conversation, **fields)


async def test_the_models_cut_is_in_force_without_labels_of_the_deployment() -> None:
    verdict = await judge_pair(PairJudge(embedder=EMBEDDER, model=model(), max_error=0.05, cuts=CutBook()))
    cosine = float(await EMBEDDER.embed(ASKED) @ await EMBEDDER.embed(STORED))
    assert verdict.probability == pytest.approx(probability(cosine), abs=1e-6)
    assert verdict.min_probability == probability(-3.0)
    assert (verdict.error_bound, verdict.language) == (0.05, "en")


@pytest.mark.parametrize(
    ("cuts", "min_score"),
    [
        (DeploymentCuts(overall=cut(1.0)), 1.0),
        (DeploymentCuts(overall=cut(1.0), scopes={"t": cut(2.0)}), 2.0),
        (DeploymentCuts(overall=cut(1.0), scopes={"other": cut(2.0)}), 1.0),
        (DeploymentCuts(overall=cut(None)), None),
        (DeploymentCuts(overall=cut(1.0), scopes={"t": cut(None)}), None),
        (DeploymentCuts(), -3.0),
    ],
)
async def test_the_deployments_cut_counts_before_the_models(cuts: DeploymentCuts, min_score: float | None) -> None:
    judge = PairJudge(embedder=EMBEDDER, model=model(), max_error=0.05, cuts=CutBook(cuts))
    verdict = await judge_pair(judge)
    assert verdict.min_probability == (None if min_score is None else probability(min_score))


@pytest.mark.parametrize(
    ("parts", "conversation"),
    [({"max_error": None}, False), ({"model": None}, False), ({}, True)],
)
async def test_without_a_bound_a_model_or_a_single_turn_only_the_language_is_said(
    parts: dict[str, Any], *, conversation: bool
) -> None:
    judge = PairJudge(**{"embedder": EMBEDDER, "model": model(), "max_error": 0.05, **parts})
    verdict = await judge_pair(judge, conversation=conversation)
    assert (verdict.probability, verdict.min_probability, verdict.covered) == (None, None, True)
    assert verdict.neighbour_language == "en"


async def test_a_text_that_the_vector_does_not_stand_for_is_not_covered() -> None:
    judge = PairJudge(embedder=EMBEDDER, model=model(), max_error=0.05)
    assert not (await judge_pair(judge, prompt="word " * 30)).covered


async def test_a_far_neighbour_is_not_compared_and_the_cut_in_force_is_still_said() -> None:
    judge = PairJudge(embedder=EMBEDDER, model=model(), max_error=0.05)
    verdict = await judge_pair(judge, similarity=COMPARED_FROM - 0.01)
    assert (verdict.probability, verdict.min_probability, verdict.error_bound) == (None, probability(-3.0), 0.05)
    assert await judge_pair(judge, similarity=COMPARED_FROM - 0.01, conversation=True) == PairVerdict()


async def test_with_a_static_similarity_only_a_neighbour_that_reaches_it_is_compared() -> None:
    static = PairJudge(embedder=EMBEDDER)
    assert await judge_pair(static, similarity=0.89, min_similarity=0.9) == PairVerdict()
    assert (await judge_pair(static, similarity=0.9, min_similarity=0.9)).language == "en"
