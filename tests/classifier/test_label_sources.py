"""Prompts from the decision log and from a file."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.classifier.labels import BASE, DIMENSIONS

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_tables import build_values
from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ConfigurationError
from tiergate.telemetry.record import encode_embedding
from tiergate_classifier.label_sources import candidates_of_file, candidates_of_log

CLASSIFIER = EmbeddedClassifier(BASE)


def decision(at: int, **changes: Any) -> dict[str, Any]:
    vector = np.eye(DIMENSIONS, dtype=np.float32)[at]
    return {
        "decision_id": f"d{at}",
        "ts": float(at),
        "cache": {"outcome": "miss"},
        "route": {"tier": "simple", "domain": "code"},
        "gate": {"outcome": "trusted"},
        "prompt": f"Question {at}?",
        "embedding": encode_embedding(vector),
        **changes,
    }


def test_logged_prompts_are_candidates_once_each_and_the_rest_is_counted(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'decisions.db'}"
    shadowed = {"tier": "simple", "shadow_tier": "medium"}
    rows = [
        decision(0),
        decision(1, prompt="Question 0?"),
        decision(2, prompt=None),
        decision(3, embedding=None),
        decision(4, cache={"outcome": "hit"}, prompt=None),
        decision(5, route=shadowed),
        decision(6, gate={"outcome": "escalated"}),
        decision(7, feedback={"score": 0.1}),
    ]
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    database.upsert([build_values(row, at) for at, row in enumerate(rows)])
    database.close()
    found, unusable = candidates_of_log(url, CLASSIFIER)
    assert [one.row.prompt for one in found] == ["Question 0?", "Question 5?", "Question 6?", "Question 7?"]
    assert [one.disagreement for one in found] == [False, True, True, True]
    assert unusable == 2
    assert found[1].row.domain in BASE.domains
    assert found[0].bound is not None


def test_prompts_of_a_file_are_embedded_and_scored(tmp_path: Path) -> None:
    file = tmp_path / "prompts.jsonl"
    row = {"id": "a", "prompt": "What is\u2028 2 + 2?", "reference": "4"}
    file.write_text(json.dumps(row, ensure_ascii=False) + "\n\n", encoding="utf-8")
    (found,) = candidates_of_file(file, CLASSIFIER, OnnxEmbedder(pool=InferencePool()))
    assert (found.row.reference, found.row.embedding.shape) == ("4", (DIMENSIONS,))


@pytest.mark.parametrize("line", ["no json", '{"id": "a"}', '{"id": "a", "prompt": " "}', '{"id": "x", "prompt": "b"}'])
def test_a_line_without_id_and_prompt_is_named(tmp_path: Path, line: str) -> None:
    file = tmp_path / "prompts.jsonl"
    file.write_text(f'{{"id": "x", "prompt": "b"}}\n{line}\n')
    with pytest.raises(ConfigurationError, match="line 2"):
        candidates_of_file(file, CLASSIFIER, OnnxEmbedder(pool=InferencePool()))
