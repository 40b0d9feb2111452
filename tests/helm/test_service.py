from tests.helm.conftest import Chart

TEMPLATE = "service.yaml"


def test_it_leads_to_the_proxys_pods(chart: Chart) -> None:
    service = chart.document(TEMPLATE)
    labels = chart.document("deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    assert service["spec"]["selector"].items() <= labels.items()
    assert service["spec"]["ports"] == [{"name": "http", "port": 4000, "targetPort": "http"}]


def test_it_does_not_lead_to_the_classifier(gpu: Chart) -> None:
    selector = gpu.document(TEMPLATE)["spec"]["selector"]
    other = gpu.document("classifier/deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    assert not selector.items() <= other.items()


def test_type_port_and_annotations_are_set(chart: Chart) -> None:
    changes = {"service": {"type": "LoadBalancer", "port": 80, "annotations": {"internal": "true"}}}
    service = chart.document(TEMPLATE, changes)
    assert service["spec"]["type"] == "LoadBalancer"
    assert service["spec"]["ports"][0]["port"] == 80
    assert service["metadata"]["annotations"] == {"internal": "true"}


def test_it_is_left_out_for_an_existing_release(existing: Chart) -> None:
    assert existing.find(TEMPLATE) is None
