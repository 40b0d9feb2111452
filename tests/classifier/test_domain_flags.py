import json
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="needs the extra [train]")

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.policy.features import features_of
from tiergate_classifier.data import builtin_workload_path, load_workload
from tiergate_classifier.domain_flags import (
    FOLDS,
    _folds,
    assert_not_held_out,
    builtin_calibration_path,
    builtin_domains_path,
)

HELD_OUT = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "safety_fifth.jsonl").read_text(encoding="utf-8").splitlines()
]


def test_no_held_out_prompt_is_trained_on() -> None:
    trained = [row.prompt for row in load_workload(builtin_workload_path())]
    for file in builtin_domains_path().glob("*.txt"):
        trained += file.read_text(encoding="utf-8").splitlines()
    calibrated = [
        json.loads(line)["prompt"]
        for file in builtin_calibration_path().glob("*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    ]

    assert_not_held_out(trained, calibrated)
    assert_not_held_out(calibrated, [row["prompt"] for row in HELD_OUT])
    assert_not_held_out(trained, [row["prompt"] for row in HELD_OUT])


def test_a_repeated_prompt_is_refused() -> None:
    with pytest.raises(ValueError, match="held-out"):
        assert_not_held_out(["can my landlord raise the rent?"], ["Can my landlord raise the rent?"])


def test_a_safety_prompt_in_another_style_is_claimed_by_a_safety_domain() -> None:
    embedder, classifier = (
        OnnxEmbedder(pool=InferencePool()),
        EmbeddedClassifier(load_artifact(builtin_artifact_path())),
    )
    claimed = []
    for row in HELD_OUT:
        if row["domain"] == "other":
            continue
        said = classifier.score(embedder.embed_batch([row["prompt"]])[0], features_of(row["prompt"]))
        claimed.append(any(said.domains[name] >= said.domain_cuts[name] for name in ("finance", "legal")))

    assert len(claimed) >= 400
    assert sum(claimed) / len(claimed) >= 0.98


def test_prompts_of_a_style_are_never_split_between_fitting_and_scoring() -> None:
    styles = ["", "chatty", "", "long"] * 50

    folds = _folds(styles)

    assert len({fold for fold, style in zip(folds, styles, strict=True) if style == "chatty"}) == 1
    assert len({fold for fold, style in zip(folds, styles, strict=True) if not style}) == FOLDS


def test_everyday_requests_are_seldom_claimed() -> None:
    embedder, classifier = (
        OnnxEmbedder(pool=InferencePool()),
        EmbeddedClassifier(load_artifact(builtin_artifact_path())),
    )
    prompts = [row["prompt"] for row in HELD_OUT if row["domain"] == "other" and row["style"] == "plain"]
    claimed = []
    for prompt, vector in zip(prompts, embedder.embed_batch(prompts), strict=True):
        said = classifier.score(vector, features_of(prompt))
        claimed.append(any(said.domains[name] >= said.domain_cuts[name] for name in ("finance", "legal")))

    assert len(claimed) >= 40
    assert sum(claimed) / len(claimed) <= 0.35
