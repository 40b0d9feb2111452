from tests.helm.conftest import Chart

TEMPLATE = "ingress.yaml"


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_every_host_leads_to_the_service_under_tls(chart: Chart) -> None:
    changes = {
        "ingress": {"enabled": True, "className": "nginx", "hosts": ["a.example", "b.example"], "tlsSecret": "tls"}
    }
    spec = chart.document(TEMPLATE, changes)["spec"]
    assert spec["ingressClassName"] == "nginx"
    assert spec["tls"] == [{"secretName": "tls", "hosts": ["a.example", "b.example"]}]
    assert [rule["host"] for rule in spec["rules"]] == ["a.example", "b.example"]
    for rule in spec["rules"]:
        [path] = rule["http"]["paths"]
        assert path["backend"]["service"] == {"name": "tiergate", "port": {"name": "http"}}
        assert (path["path"], path["pathType"]) == ("/", "Prefix")


def test_annotations_are_kept(chart: Chart) -> None:
    changes = {"ingress": {"enabled": True, "hosts": ["a"], "annotations": {"nginx/buffering": "off"}}}
    document = chart.document(TEMPLATE, changes)
    assert document["metadata"]["annotations"] == {"nginx/buffering": "off"}
    assert "tls" not in document["spec"]
