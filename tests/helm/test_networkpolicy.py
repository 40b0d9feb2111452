from typing import Any

from tests.helm.conftest import Chart, Document

TEMPLATE = "networkpolicy.yaml"


def ports_of(document: Document) -> list[Any]:
    return [entry["port"] for rule in document["spec"]["egress"] for entry in rule.get("ports", [])]


def test_it_covers_the_proxys_pods_in_both_directions(chart: Chart) -> None:
    spec = chart.document(TEMPLATE)["spec"]
    labels = chart.document("deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    assert spec["podSelector"]["matchLabels"].items() <= labels.items()
    assert spec["policyTypes"] == ["Ingress", "Egress"]


def test_embedded_stores_open_no_port(chart: Chart) -> None:
    assert ports_of(chart.document(TEMPLATE)) == [53, 53, 443]


def test_each_store_in_use_opens_its_port(production: Chart) -> None:
    assert ports_of(production.document(TEMPLATE)) == [53, 53, 443, 6333, 5432, 6379, 4317]


def test_ports_are_read_from_addresses(shared: Chart) -> None:
    assert 7443 in ports_of(shared.document(TEMPLATE, {"stores.qdrant.url": "https://qdrant.example.com:7443"}))
    written = {"config.policy": {"semantic_cache": {"store": {"kind": "server", "url": "http://q:6399"}}}}
    changes = {**written, "stores.qdrant.url": "http://unused:1"}
    assert 6399 in ports_of(shared.document(TEMPLATE, changes))


def test_the_classifier_may_be_asked(gpu: Chart) -> None:
    assert 8000 in ports_of(gpu.document(TEMPLATE))


def test_callers_are_the_namespace_and_those_named(production: Chart) -> None:
    [rule] = production.document(TEMPLATE)["spec"]["ingress"]
    assert rule["from"][0] == {"podSelector": {}}
    assert len(rule["from"]) == 4
    assert rule["ports"] == [{"protocol": "TCP", "port": "http"}]


def test_it_can_be_left_out(chart: Chart) -> None:
    assert chart.find(TEMPLATE, {"networkPolicy.enabled": False}) is None
