TEMPLATE = "servicemonitor.yaml"
ON = {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"}}


def test_it_is_off_by_default(chart):
    assert chart.find(TEMPLATE) is None


def test_it_scrapes_the_services_metrics(chart):
    monitor = chart.document(TEMPLATE, ON)
    service = chart.document("service.yaml", ON)
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics"
    assert endpoint["interval"] == "15s"
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


def test_it_scrapes_the_classifier_too(gpu):
    selector = gpu.document(TEMPLATE, ON)["spec"]["selector"]["matchLabels"]
    assert selector.items() <= gpu.document("classifier/service.yaml", ON)["metadata"]["labels"].items()


def test_prometheus_finds_it_by_its_labels(chart):
    assert chart.document(TEMPLATE, ON)["metadata"]["labels"]["release"] == "prometheus"
