import numpy as np

from tiergate.adapters.route_explanation import explain_route, nearest_neighbours
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.ports import Classification
from tiergate.settings import Policy

ARTIFACT = load_artifact(builtin_artifact_path())
POLICY = Policy.model_validate(
    {
        "tiers": [{"name": "simple", "model_group": "a"}, {"name": "frontier", "model_group": "b"}],
        "domains": {"finance": {"start_tier": "frontier"}},
    }
)


def classified(*, bound: float, finance: float, cut: float | None = 0.0) -> Classification:
    return Classification(
        scores={"simple": 0.97, "frontier": 1.0},
        lower_bounds={"simple": bound, "frontier": 1.0},
        domains={"finance": finance},
        domain_cuts={"finance": 0.2},
        tier_cuts={"simple": cut},
    )


def a_vector() -> np.ndarray:
    assert ARTIFACT.reference is not None
    return ARTIFACT.reference.vectors[7].astype(np.float32)


def test_the_nearest_training_prompt_of_a_training_prompt_is_itself() -> None:
    assert ARTIFACT.reference is not None

    nearest, *others = nearest_neighbours(ARTIFACT, a_vector())

    assert nearest.id == ARTIFACT.reference.labels.ids[7]
    assert all(one.similarity <= nearest.similarity for one in others)


def test_it_says_what_would_make_the_cheap_tier_good_enough() -> None:
    said = explain_route(classified(bound=0.9, finance=0.1), a_vector(), POLICY, ARTIFACT)

    assert said.decision.tier == "frontier"
    assert any("min_quality at most 0.900" in line for line in said.what_if)
    assert any("min_domain_score at most 0.100" in line for line in said.what_if)


def test_it_says_what_would_undo_a_domain() -> None:
    said = explain_route(classified(bound=0.99, finance=0.3), a_vector(), POLICY, ARTIFACT)

    assert said.decision.domain == "finance"
    assert any("above 0.300 the domain finance would not count" in line for line in said.what_if)


def test_a_tier_without_a_cut_is_not_used_and_nothing_would_change_that() -> None:
    said = explain_route(classified(bound=0.99, finance=0.1, cut=None), a_vector(), POLICY, ARTIFACT)

    assert said.decision.tier == "frontier"
    assert said.needed["simple"] is None
    assert not any("min_quality" in line for line in said.what_if)
