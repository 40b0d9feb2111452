"""The cuts of a deployment: only what may count counts, and a tenant with enough labels has its own."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tiergate.policy.deployment_cuts import DeploymentCuts, PairLabel, decide_deployment_cuts, stack, usable
from tiergate.policy.error_bound import decide_cut
from tiergate.policy.pair_features import FEATURES
from tiergate.policy.pair_model import PairModel

COSINE = FEATURES.index("cosine")


def model(**changes: Any) -> PairModel:
    weight = np.zeros(len(FEATURES), dtype=np.float32)
    weight[COSINE] = 1.0
    plain = PairModel(feature_weight=weight, vector_weight=np.zeros(4, dtype=np.float32), bias=0.0, cuts={})
    return replace(plain, **changes)


def label(score: float, *, same: bool, **changes: Any) -> PairLabel:
    features = np.zeros(len(FEATURES), dtype=np.float32)
    features[COSINE] = score
    unit = np.array([1.0, 0.0], dtype=np.float32)
    plain = PairLabel(
        ts=10.0, tenant="t", entry_id="e", similarity=score, same=same, would_hit=False, drawn=True, features=features,
        asked=unit, stored=unit,
    )  # fmt: skip
    return replace(plain, **changes)


def clean(count: int, **changes: Any) -> list[PairLabel]:
    """The upper half is right, the lower half is wrong."""
    return [label(score, same=score > 0.5, **changes) for score in np.linspace(1.0, 0.0, count)]


def test_the_cut_is_that_of_the_exact_procedure_on_the_models_scores() -> None:
    labels = clean(800)
    cuts = decide_deployment_cuts(labels, model(), 0.05, min_scope_labels=10_000)
    scores = np.array([each.similarity for each in labels], dtype=np.float32).astype(np.float64)
    assert cuts.overall == decide_cut(scores, scores > 0.5, max_error=0.05)
    assert cuts.overall is not None
    assert cuts.overall.controls
    assert (cuts.labelled, dict(cuts.scopes)) == (800, {})


def test_too_few_labels_decide_nothing_and_a_clear_no_decides() -> None:
    assert decide_deployment_cuts(clean(299), model(), 0.05) == DeploymentCuts(labelled=299)
    rng = np.random.default_rng(1)
    hopeless = [label(float(score), same=bool(rng.random() < 0.5)) for score in rng.random(400)]
    cuts = decide_deployment_cuts(hopeless, model(), 0.05)
    assert cuts.overall is not None
    assert not cuts.overall.controls


def test_a_tenant_with_enough_labels_has_a_cut_of_its_own() -> None:
    labels = [*clean(700), *[label(score, same=False, tenant="wrong") for score in np.linspace(1.0, 0.0, 650)]]
    cuts = decide_deployment_cuts([*labels, *clean(20, tenant="few")], model(), 0.05)
    assert set(cuts.scopes) == {"t", "wrong"}
    assert cuts.find("t") is cuts.scopes["t"]
    assert cuts.scopes["t"].controls
    assert not cuts.scopes["wrong"].controls
    assert cuts.find("few") is cuts.overall
    assert DeploymentCuts().find("t") is None


def test_scores_that_are_given_take_the_place_of_the_models() -> None:
    labels = clean(400)
    turned = np.array([-each.similarity for each in labels])
    cuts = decide_deployment_cuts(labels, model(), 0.05, scores=turned)
    assert cuts.overall is not None
    assert not cuts.overall.controls


@pytest.mark.parametrize(
    "changes",
    [
        {"drawn": False},
        {"ts": 5.0},
        {"features": np.zeros(3, dtype=np.float32)},
        {"asked": np.zeros(3, dtype=np.float32)},
        {"stored": np.zeros(0, dtype=np.float32)},
    ],
)
def test_what_is_no_sample_or_was_seen_by_the_fit_or_is_of_another_encoder_is_left_out(changes: dict[str, Any]) -> None:
    kept, out = label(0.9, same=True), label(0.9, same=True, **changes)
    assert usable([kept, out], model(fitted_until=5.0)) == [kept]


def test_labels_are_stacked_in_their_order() -> None:
    features, vectors = stack([label(0.1, same=True), label(0.9, same=True)])
    assert features[:, COSINE].tolist() == pytest.approx([0.1, 0.9])
    assert vectors.shape == (2, 4)
