"""The shipped adapters and the public fakes have what the ports ask for, parameter for parameter."""

import inspect
from typing import Any

import pytest
from tests.unit.hooks.conftest import FakeModels

from tiergate import ports
from tiergate.adapters.decision_log import SqlDecisionLog
from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.litellm_flight_board import LiteLLMFlightBoard
from tiergate.adapters.litellm_models import LiteLLMModels
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.adapters.openai_embedder import OpenAIEmbedder
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.cache_parts import StoreInvalidator
from tiergate.hooks.pipeline import ModelCatalogue, ModelRouter
from tiergate.runtime import SystemClock
from tiergate.testing import FakeClassifier, FakeClock, FakeEmbedder, MemoryDecisionLog, MemoryStore

PAIRS = [
    (ports.Embedder, OnnxEmbedder),
    (ports.Embedder, OpenAIEmbedder),
    (ports.Embedder, FakeEmbedder),
    (ports.IntentClassifier, EmbeddedClassifier),
    (ports.IntentClassifier, FakeClassifier),
    (ports.AnswerStore, QdrantEdgeStore),
    (ports.AnswerStore, MemoryStore),
    (ports.DecisionLog, SqlDecisionLog),
    (ports.DecisionLog, MemoryDecisionLog),
    (ports.Clock, SystemClock),
    (ports.Clock, FakeClock),
    (ports.AnswerInvalidator, StoreInvalidator),
    (ports.FlightBoard, LiteLLMFlightBoard),
    (ModelCatalogue, LiteLLMModels),
    (ModelRouter, LiteLLMModels),
    (ModelCatalogue, FakeModels),
    (ModelRouter, FakeModels),
]


def members(protocol: type) -> dict[str, Any]:
    return {name: value for name, value in vars(protocol).items() if not name.startswith("_")}


@pytest.mark.parametrize(("port", "adapter"), PAIRS, ids=lambda cls: cls.__name__)
def test_an_adapter_has_every_member_of_its_port(port: type, adapter: type) -> None:
    slots = getattr(adapter, "__slots__", ())
    for name, wanted in members(port).items():
        if isinstance(wanted, property):
            assert hasattr(adapter, name) or name in slots or name in adapter.__annotations__, name
            continue
        given = getattr(adapter, name)
        assert inspect.iscoroutinefunction(given) is inspect.iscoroutinefunction(wanted), name
        ours, theirs = inspect.signature(given).parameters, inspect.signature(wanted).parameters
        assert list(ours) == list(theirs), name
        assert [p.kind for p in ours.values()] == [p.kind for p in theirs.values()], name


def test_every_port_is_implemented() -> None:
    declared = {cls for cls in vars(ports).values() if inspect.isclass(cls) and getattr(cls, "_is_protocol", False)}
    assert declared - {ports.__dict__["Protocol"]} == {port for port, _ in PAIRS} - {ModelCatalogue, ModelRouter}
