from dataclasses import replace
from pathlib import Path

import pytest

from tiergate.adapters.domain_examples import build_domain_heads, read_domain_heads
from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.errors import EmbedderError, PolicyError
from tiergate.policy.features import features_of
from tiergate.settings import Encoder, Policy

EXAMPLES = """how deep should the keel of a ten metre yacht be
which knot ties a dinghy to a ring
reef the mainsail in 25 knots
tide tables for the solent
how do i read a nautical chart
antifouling paint before launching the hull
anchor drags on sand
right of way between two boats under sail
what does a red buoy to port mean
stow the spinnaker before a gybe
bilge pump runs all night
diesel engine of the sloop will not start
berth in the marina for a week"""
TIERS = [{"name": "simple", "model_group": "a"}, {"name": "frontier", "model_group": "b"}]


def a_policy(**domain: object) -> Policy:
    return Policy.model_validate({"tiers": TIERS, "domains": {"sailing": {"start_tier": "frontier", **domain}}})


def test_a_domain_in_a_file_claims_what_it_is_about(tmp_path: Path) -> None:
    (tmp_path / "sailing.txt").write_text(EXAMPLES + "\n\n", encoding="utf-8")
    embedder, artifact = OnnxEmbedder(pool=InferencePool()), load_artifact(builtin_artifact_path())

    heads = build_domain_heads(
        a_policy(examples_file="sailing.txt"), artifact, embedder, policy_path=tmp_path / "policy.yaml"
    )

    classifier = EmbeddedClassifier(artifact, heads)

    def claimed(prompt: str) -> bool:
        said = classifier.score(embedder.embed_batch([prompt])[0], features_of(prompt))
        return said.domains["sailing"] >= said.domain_cuts["sailing"]

    assert "sailing" in classifier.domains
    assert claimed("my yacht heels too much when the wind picks up")
    assert not claimed("sort a list in python")


def test_without_examples_there_are_no_heads(tmp_path: Path) -> None:
    artifact = load_artifact(builtin_artifact_path())
    policy = Policy.model_validate({"tiers": TIERS})

    assert build_domain_heads(policy, artifact, OnnxEmbedder(pool=InferencePool()), policy_path=tmp_path) is None


@pytest.mark.parametrize("text", [None, "one\ntwo\n"])
def test_a_missing_or_short_file_names_the_key(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "x.txt").write_text(text, encoding="utf-8")
    with pytest.raises(PolicyError, match=r"domains\.sailing\.examples_file"):
        build_domain_heads(
            a_policy(examples_file="x.txt"),
            load_artifact(builtin_artifact_path()),
            OnnxEmbedder(pool=InferencePool()),
            policy_path=tmp_path / "policy.yaml",
        )


def test_an_artifact_without_a_reference_cannot_tell_examples_apart(tmp_path: Path) -> None:
    bare = replace(load_artifact(builtin_artifact_path()), reference=None)
    with pytest.raises(PolicyError, match="reference set"):
        build_domain_heads(
            a_policy(examples=EXAMPLES.splitlines()), bare, OnnxEmbedder(pool=InferencePool()), policy_path=tmp_path
        )


def test_heads_are_read_with_an_encoder_of_their_own_or_the_defect_is_told(tmp_path: Path) -> None:
    artifact, file = load_artifact(builtin_artifact_path()), tmp_path / "policy.yaml"

    heads, defects = read_domain_heads(a_policy(examples=EXAMPLES.splitlines()), artifact, file)
    assert heads is not None
    assert (list(heads.cuts), defects) == (["sailing"], [])

    assert read_domain_heads(Policy.model_validate({"tiers": TIERS}), artifact, file) == (None, [])

    heads, (defect,) = read_domain_heads(a_policy(examples_file="none.txt"), artifact, file)
    assert (heads, defect.key) == (None, "domains.sailing.examples_file")


def test_examples_need_an_encoder_in_this_process(tmp_path: Path) -> None:
    served = {"kind": "openai", "base_url": "http://localhost:1", "model": "m", "dimensions": 384}
    policy = a_policy(examples=EXAMPLES.splitlines()).model_copy(update={"encoder": Encoder(**served)})
    heads, (defect,) = read_domain_heads(policy, load_artifact(builtin_artifact_path()), tmp_path / "policy.yaml")
    assert (heads, defect.key) == (None, "domains.sailing.examples")
    assert "encoder" in defect.problem


def test_an_encoder_that_fails_is_told_with_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise EmbedderError("the session ended")

    monkeypatch.setattr(OnnxEmbedder, "embed_batch", fail)
    policy = a_policy(examples=EXAMPLES.splitlines())
    _, (defect,) = read_domain_heads(policy, load_artifact(builtin_artifact_path()), tmp_path / "policy.yaml")
    assert "the session ended" in defect.problem
