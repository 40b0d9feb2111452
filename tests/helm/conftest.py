"""The chart rendered by Helm itself, for the suites of its templates."""

import copy
from collections.abc import Mapping
from typing import Any

import helm_python
import pytest
import yaml
from helm.chartgen.rendering import read_example, render_chart

Document = dict[str, Any]

ONE_POD: dict[str, Any] = {"secrets": {"existingSecret": "tiergate"}}
SHARED: dict[str, Any] = {
    "secrets": {"existingSecret": "tiergate"},
    "config": {
        "policy": {
            "semantic_cache": {"store": {"kind": "server", "url": "os.environ/QDRANT_URL"}},
            "decision_log": {"url": "os.environ/TIERGATE_DECISION_LOG_URL"},
        }
    },
    "stores": {"qdrant": {"url": "http://qdrant:6333"}, "postgresql": {"existingSecret": "postgresql"}},
}


def merge(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `base` with `changes` laid over it, mapping by mapping; keys of `changes` itself may be dotted."""
    merged = copy.deepcopy(dict(base))
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        place = merged
        for key in path:
            place = place.setdefault(key, {})
        _lay_over(place, last, value)
    return merged


def _lay_over(place: dict[str, Any], key: str, value: Any) -> None:
    if isinstance(value, Mapping) and isinstance(place.get(key), dict):
        for below, content in value.items():
            _lay_over(place[key], below, content)
    else:
        place[key] = copy.deepcopy(value)


class Chart:
    """The chart, asked for one thing at a time. Each method takes dotted values laid over a working set."""

    def __init__(self, base: Mapping[str, Any]) -> None:
        self.base = base

    def render(self, changes: Mapping[str, Any] | None = None) -> dict[str, str]:
        """Return every template that renders to something, by path."""
        return render_chart(merge(self.base, changes or {}))

    def find(self, template: str, changes: Mapping[str, Any] | None = None) -> Document | None:
        """Return the one document of a template; None where it renders to nothing."""
        text = self.render(changes).get(template)
        document: Document | None = yaml.safe_load(text) if text is not None else None
        return document

    def document(self, template: str, changes: Mapping[str, Any] | None = None) -> Document:
        """Return the one document of a template, which must be there."""
        document = self.find(template, changes)
        assert document is not None, f"{template} renders to nothing"
        return document

    def refusal(self, changes: Mapping[str, Any]) -> str:
        """Return what the chart says when it refuses values."""
        with pytest.raises(helm_python.HelmRenderError) as refused:
            self.render(changes)
        return str(refused.value)


@pytest.fixture(scope="session")
def chart() -> Chart:
    """One pod with embedded stores: the defaults and a Secret's name."""
    return Chart(ONE_POD)


@pytest.fixture(scope="session")
def shared() -> Chart:
    """As `chart`, with stores that several processes may share."""
    return Chart(SHARED)


@pytest.fixture(scope="session")
def production() -> Chart:
    """The production example."""
    return Chart(read_example("production"))


@pytest.fixture(scope="session")
def gpu() -> Chart:
    """The GPU example."""
    return Chart(read_example("gpu"))


@pytest.fixture(scope="session")
def existing() -> Chart:
    """The example for a LiteLLM release that exists."""
    return Chart(read_example("existing-litellm"))
