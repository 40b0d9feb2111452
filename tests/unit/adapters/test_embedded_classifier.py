import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import Artifact, builtin_artifact_path, load_artifact
from tiergate.artifact_format import TierCalibration
from tiergate.errors import ArtifactError, ClassifierError
from tiergate.policy.features import features_of
from tiergate.ports import Classification, IntentClassifier, Vector

ARTIFACT = load_artifact(builtin_artifact_path())
CLASSIFIER = EmbeddedClassifier(ARTIFACT)
DIMENSIONS = ARTIFACT.manifest.encoder.dimensions


@pytest.fixture(scope="module")
def embedder() -> OnnxEmbedder:
    return OnnxEmbedder(pool=InferencePool())


def classify(embedder: OnnxEmbedder, prompt: str) -> Classification:
    return CLASSIFIER.score(embedder.embed_batch([prompt])[0], features_of(prompt))


def a_vector() -> Vector:
    vector = np.random.default_rng(3).normal(size=DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


async def test_it_is_an_intent_classifier_that_names_its_artifact() -> None:
    classifier: IntentClassifier = CLASSIFIER

    said = await classifier.classify(a_vector(), features_of("hello"), "hello")

    assert classifier.kind == "embedded"
    assert classifier.digest == ARTIFACT.digest
    assert tuple(said.scores) == tuple(said.lower_bounds) == tuple(classifier.tiers) == ARTIFACT.tiers
    assert tuple(said.domains) == tuple(classifier.domains) == ARTIFACT.domains
    await classifier.aclose()


@given(
    arrays(np.float32, DIMENSIONS, elements=st.floats(-1, 1, width=32)),
    st.text(max_size=200),
)
def test_scores_rise_with_the_tier_and_bounds_stay_below_them(vector: Vector, prompt: str) -> None:
    said = CLASSIFIER.score(vector, features_of(prompt))
    scores, bounds = list(said.scores.values()), list(said.lower_bounds.values())

    assert scores == sorted(scores)
    assert bounds == sorted(bounds)
    assert all(0 <= bound <= score <= 1 for bound, score in zip(bounds, scores, strict=True))
    assert scores[-1] == bounds[-1] == 1
    assert all(0 <= score <= 1 for score in said.domains.values())
    assert all(0 <= value <= 1 for value in said.domains.values())


def test_a_weaker_tier_that_scores_higher_lifts_the_stronger() -> None:
    flat = TierCalibration(knots=(0.0,), probability=(0.3,), lower_bound=(0.2,))
    high = TierCalibration(knots=(0.0,), probability=(0.8,), lower_bound=(0.7,))
    curves = {"simple": high, "medium": flat, "frontier": flat}
    artifact = replace(ARTIFACT, calibration=ARTIFACT.calibration.model_copy(update={"tiers": curves}))

    said = EmbeddedClassifier(artifact).score(a_vector(), features_of("x"))

    assert said.scores == {"simple": 0.8, "medium": 0.8, "frontier": 0.8}
    assert said.lower_bounds == {"simple": 0.7, "medium": 0.7, "frontier": 0.7}


@pytest.mark.parametrize(
    "prompt",
    [
        "What is the capital of Portugal?",
        "capital of norway?",
        "Who wrote Hamlet?",
        "What is 12 times 12?",
        "Convert 10 km to miles",
        "hello",
    ],
)
def test_a_clearly_simple_prompt_clears_the_quality_target_on_the_cheapest_tier(
    embedder: OnnxEmbedder, prompt: str
) -> None:
    assert classify(embedder, prompt).lower_bounds["simple"] >= 0.95


@pytest.mark.parametrize(
    "prompt",
    [
        "Prove that there are infinitely many primes.",
        "Design a globally distributed rate limiter with strict fairness and compare the trade-offs.",
        "Should I move my retirement savings into bonds now?",
    ],
)
def test_a_hard_prompt_clears_it_on_the_strongest_tier_only(embedder: OnnxEmbedder, prompt: str) -> None:
    assert classify(embedder, prompt).lower_bounds["medium"] < 0.95


@pytest.mark.parametrize(
    ("prompt", "domain"),
    [
        ("What are the tax implications of selling my house this year?", "finance"),
        ("How should I invest my 401k at age 58?", "finance"),
        ("Can my landlord evict me without notice?", "legal"),
        ("Is a verbal contract binding in Texas?", "legal"),
        ("Write a Python function that reverses a linked list.", "code"),
    ],
)
def test_a_plain_prompt_has_its_domain(embedder: OnnxEmbedder, prompt: str, domain: str) -> None:
    said = classify(embedder, prompt)

    assert said.domains[domain] >= said.domain_cuts[domain]


def test_the_folder_may_vanish_after_loading(tmp_path: Path) -> None:
    shutil.copytree(builtin_artifact_path(), tmp_path / "intent")
    classifier = EmbeddedClassifier(load_artifact(tmp_path / "intent"))
    shutil.rmtree(tmp_path / "intent")

    said = classifier.score(a_vector(), features_of("hello"))

    assert said == CLASSIFIER.score(a_vector(), features_of("hello"))


@pytest.mark.parametrize("shape", [(DIMENSIONS - 1,), (1, DIMENSIONS), ()])
async def test_a_vector_of_another_shape_is_a_classifier_error(shape: tuple[int, ...]) -> None:
    with pytest.raises(ClassifierError, match="shape"):
        await CLASSIFIER.classify(np.zeros(shape, np.float32), features_of("x"), "x")


@pytest.mark.parametrize("value", [np.nan, np.inf])
async def test_a_vector_that_is_not_finite_is_a_classifier_error(value: float) -> None:
    vector = a_vector()
    vector[7] = value

    with pytest.raises(ClassifierError, match="finite"):
        await CLASSIFIER.classify(vector, features_of("x"), "x")


async def test_a_feature_that_is_not_finite_is_a_classifier_error() -> None:
    with pytest.raises(ClassifierError, match="finite"):
        await CLASSIFIER.classify(a_vector(), {**features_of("x"), "log_words": float("nan")}, "x")


async def test_a_missing_feature_is_a_classifier_error_that_names_it() -> None:
    features = dict(features_of("x"))
    del features["log_words"]

    with pytest.raises(ClassifierError, match="log_words"):
        await CLASSIFIER.classify(a_vector(), features, "x")


def test_an_artifact_that_reads_an_unknown_feature_is_refused_at_the_start() -> None:
    fields = json.loads(ARTIFACT.manifest.model_dump_json())
    fields["features"][0] = "novel_feature"
    manifest = type(ARTIFACT.manifest).model_validate_json(json.dumps(fields))

    with pytest.raises(ArtifactError, match="novel_feature"):
        EmbeddedClassifier(_with(manifest))


def _with(manifest: object) -> Artifact:
    return replace(ARTIFACT, manifest=manifest)
