import json
from collections.abc import Iterator
from typing import Any

import helm_python
import pytest
from helm.chartgen.places import CHART
from helm.chartgen.rendering import list_examples, read_example, render_chart
from helm.chartgen.values_file import load_values, walk_values
from tests.helm.conftest import ONE_POD, merge

SCHEMA = json.loads((CHART / "values.schema.json").read_text(encoding="utf-8"))


def sections(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of the schema whose keys the chart names, with its dotted place."""
    if schema.get("properties"):
        yield path or "the root", schema
        for key, below in schema["properties"].items():
            yield from sections(below, f"{path}.{key}".strip("."))


@pytest.mark.parametrize("name", list_examples())
def test_every_example_is_valid(name: str) -> None:
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(read_example(name))


@pytest.mark.parametrize("place", [place for place, _ in sections(SCHEMA)])
def test_no_section_takes_an_unknown_key(place: str) -> None:
    assert dict(sections(SCHEMA))[place]["additionalProperties"] is False


def test_every_value_has_a_type_and_a_description() -> None:
    for key, value in walk_values(load_values()):
        schema = SCHEMA
        for part in key.split("."):
            schema = schema["properties"][part]
        assert schema["description"] == value.description
        assert "type" in schema or "$ref" in schema, key


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"replicas": 2}, "replicas"),
        ({"image.repo": "x"}, "repo"),
        ({"stores.redis.hots": "x"}, "hots"),
        ({"config.policy": {"semantic_cash": {}}}, "semantic_cash"),
        ({"config.policy": {"semantic_cache": {"min_similarty": 0.9}}}, "min_similarty"),
        ({"config.policy": {"intent_router": {"min_quality": 1.5}}}, "min_quality"),
        ({"config.policy": {"tiers": [{"name": "a", "model_group": "b"}]}}, "tiers"),
        ({"replicaCount": 0}, "replicaCount"),
        ({"workers": "two"}, "workers"),
        ({"image.digest": "latest"}, "digest"),
        ({"image.pullPolicy": "Sometimes"}, "pullPolicy"),
        ({"service.port": 70000}, "port"),
        ({"service.type": "Public"}, "type"),
        ({"topologySpread.zone": "Maybe"}, "zone"),
        ({"autoscaling.cpuUtilization": 150}, "cpuUtilization"),
        ({"serviceMonitor.interval": "often"}, "interval"),
        ({"stores.qdrant.url": "http://me:secret@qdrant:6333"}, "url"),
        ({"config.models": {"../x.yaml": ""}}, "../x.yaml"),
        ({"classifier.gpu.count": 0}, "count"),
        ({"podDisruptionBudget.minAvailable": "most"}, "minAvailable"),
    ],
)
def test_a_wrong_value_is_refused_by_its_name(changes: dict[str, Any], place: str) -> None:
    with pytest.raises(helm_python.HelmValuesError) as refused:
        render_chart(merge(ONE_POD, changes))
    assert place in str(refused.value)
