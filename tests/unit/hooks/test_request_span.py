import sys
from types import SimpleNamespace

import pytest

from tiergate.hooks.request_span import find_request_span

V2 = "litellm.integrations.otel.plumbing.context"


def test_without_the_newer_tracing_it_is_the_span_that_authentication_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, V2, raising=False)
    assert find_request_span(SimpleNamespace(parent_otel_span="span")) == "span"
    assert find_request_span(object()) is None


def test_with_the_newer_tracing_the_anchor_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    identity = SimpleNamespace(parent_otel_span="span")
    monkeypatch.setitem(sys.modules, V2, SimpleNamespace(request_root_span=lambda: "anchor"))
    assert find_request_span(identity) == "anchor"
    monkeypatch.setitem(sys.modules, V2, SimpleNamespace(request_root_span=lambda: None))
    assert find_request_span(identity) == "span"
