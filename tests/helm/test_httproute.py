from tests.helm.conftest import Chart

TEMPLATE = "httproute.yaml"


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_the_gateway_leads_to_the_service(chart: Chart) -> None:
    changes = {
        "httpRoute": {
            "enabled": True,
            "parentRefs": [{"name": "gate", "namespace": "edge"}],
            "hostnames": ["a.example"],
        },
        "service.port": 8080,
    }
    spec = chart.document(TEMPLATE, changes)["spec"]
    assert spec["parentRefs"] == [{"name": "gate", "namespace": "edge"}]
    assert spec["hostnames"] == ["a.example"]
    [rule] = spec["rules"]
    assert rule["backendRefs"] == [{"name": "tiergate", "port": 8080}]
    assert rule["timeouts"] == {"request": "300s"}


def test_a_route_without_host_names_takes_the_gateways(chart: Chart) -> None:
    changes = {"httpRoute": {"enabled": True, "parentRefs": [{"name": "gate"}], "annotations": {"a": "b"}}}
    document = chart.document(TEMPLATE, changes)
    assert "hostnames" not in document["spec"]
    assert document["metadata"]["annotations"] == {"a": "b"}
