from dataclasses import replace
from pathlib import Path

import pytest

from tiergate.adapters.domain_examples import build_domain_heads
from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.errors import PolicyError
from tiergate.policy.features import features_of
from tiergate.settings import Policy

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
