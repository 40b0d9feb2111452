"""A served classifier over real HTTP: its answer, its budget, and the head that steps in."""

import json
import math
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.vllm_classifier import VllmClassifier
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.classifier_settings import VllmClassifierSettings
from tiergate.errors import ArtifactError
from tiergate.policy.features import features_of
from tiergate.ports import Classification

ARTIFACT = load_artifact(builtin_artifact_path())
PROMPT = "What is the capital of France?"


class Served(ThreadingHTTPServer):
    """A stand-in for `vllm serve`: says what it is told, as late as it is told."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.body, self.delay_s = 200, b"{}", 0.0
        self.asked: list[tuple[str, dict[str, Any]]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        served: Any = self.server
        length = int(self.headers["content-length"])
        served.asked.append((self.path, json.loads(self.rfile.read(length))))
        time.sleep(served.delay_s)
        self.send_response(served.status)
        self.send_header("content-length", str(len(served.body)))
        self.end_headers()
        with suppress(BrokenPipeError):  # the client has given up
            self.wfile.write(served.body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def served() -> Iterator[Served]:
    server = Served()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def classifier_of(url: str, **settings: Any) -> VllmClassifier:
    fields = {"kind": "vllm", "base_url": url, "model": "intent", "budget_ms": 2000, **settings}
    return VllmClassifier(VllmClassifierSettings.model_validate(fields), EmbeddedClassifier(ARTIFACT), ARTIFACT)


async def classify(classifier: VllmClassifier) -> Classification:
    vector = np.zeros(ARTIFACT.manifest.encoder.dimensions, dtype=np.float32)
    try:
        return await classifier.classify(vector, features_of(PROMPT), PROMPT)
    finally:
        await classifier.aclose()


def probs(*values: float) -> bytes:
    return json.dumps({"data": [{"label": "x", "probs": list(values), "num_classes": len(values)}]}).encode()


def verdict(**tokens: float) -> bytes:
    top = [{"token": f" {name[1:]}", "logprob": math.log(value)} for name, value in tokens.items()]
    return json.dumps({"choices": [{"logprobs": {"content": [{"top_logprobs": top}]}}]}).encode()


async def test_shares_add_up_to_scores_and_uncalibrated_ones_choose_nothing(served: Served) -> None:
    served.body = probs(0.6, 0.3, 0.1)
    said = await classify(classifier_of(served.url))
    assert (said.kind, said.fallback) == ("vllm", None)
    assert list(said.scores.values()) == pytest.approx([0.6, 0.9, 1.0])
    assert list(said.lower_bounds.values()) == [0.0, 0.0, 1.0]
    assert all(0.0 <= share <= 1.0 for share in said.domains.values())
    assert served.asked == [("/classify", {"model": "intent", "input": PROMPT})]


async def test_a_calibration_file_maps_the_sums(served: Served, tmp_path: Path) -> None:
    curve = {"knots": [0.0], "probability": [0.97], "lower_bound": [0.96]}
    tiers = dict.fromkeys(ARTIFACT.tiers, curve)
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps({"confidence": 0.95, "tiers": tiers, "domains": {"temperature": 1.0, "min_scores": {}}}))
    served.body = probs(0.6, 0.3, 0.1)
    said = await classify(classifier_of(served.url, calibration=str(file)))
    assert said.lower_bounds["simple"] == pytest.approx(0.96)


@pytest.mark.parametrize("content", [None, "{", '{"confidence": 0.95}'])
def test_a_calibration_that_cannot_be_used_stops_the_start(tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "calibration.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ArtifactError):
        classifier_of("http://127.0.0.1:1", calibration=str(file))


def test_a_calibration_without_a_tier_is_named(tmp_path: Path) -> None:
    file = tmp_path / "calibration.json"
    file.write_text(json.dumps({"confidence": 0.95, "tiers": {}, "domains": {"temperature": 1.0, "min_scores": {}}}))
    with pytest.raises(ArtifactError, match="lacks"):
        classifier_of("http://127.0.0.1:1", calibration=str(file))


async def test_generate_reads_the_digits_of_the_first_token(served: Served) -> None:
    served.body = verdict(t1=0.5, t2=0.25, t9=0.2, tx=0.05)
    said = await classify(classifier_of(f"{served.url}/v1", mode="generate", api_key="k"))
    assert list(said.scores.values()) == pytest.approx([2 / 3, 1.0, 1.0])
    path, body = served.asked[0]
    assert (path, body["max_tokens"], body["logprobs"]) == ("/v1/chat/completions", 1, True)


@pytest.mark.parametrize("mode", ["classify", "generate"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"{}"),
        (200, b"no json"),
        (200, b"{}"),
        (200, probs(0.5, 0.5)),
        (200, probs(0, 0, 0)),
        (200, verdict(tx=1)),
    ],
)
async def test_what_cannot_be_used_lets_the_embedded_head_score(
    served: Served, mode: str, status: int, body: bytes
) -> None:
    served.status, served.body = status, body
    said = await classify(classifier_of(served.url, mode=mode))
    own = EmbeddedClassifier(ARTIFACT).score(
        np.zeros(ARTIFACT.manifest.encoder.dimensions, dtype=np.float32), features_of(PROMPT)
    )
    assert (said.kind, said.fallback, said.scores) == ("embedded", "ClassifierError", own.scores)


async def test_a_slow_server_costs_its_budget_and_no_more(served: Served) -> None:
    served.body, served.delay_s = probs(0.6, 0.3, 0.1), 1.5
    began = time.monotonic()
    said = await classify(classifier_of(served.url, budget_ms=100))
    assert said.fallback in {"TimeoutError", "ClassifierError"}
    assert time.monotonic() - began < 1.4


async def test_a_server_that_is_down_is_recorded() -> None:
    classifier = classifier_of("http://127.0.0.1:1")
    assert (classifier.digest, classifier.tiers, classifier.domains) == (
        ARTIFACT.digest,
        ARTIFACT.tiers,
        ARTIFACT.domains,
    )
    assert (await classify(classifier)).fallback == "ClassifierError"
