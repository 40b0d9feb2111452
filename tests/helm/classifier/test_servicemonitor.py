from tests.helm.conftest import Chart

TEMPLATE = "classifier/servicemonitor.yaml"
ON = {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}}}


def test_it_is_off_without_the_classifier_or_scraping(chart: Chart, gpu: Chart) -> None:
    assert chart.find(TEMPLATE, ON) is None
    assert gpu.find(TEMPLATE, {"serviceMonitor.enabled": False}) is None


def test_it_scrapes_the_classifier_without_a_key(gpu: Chart) -> None:
    monitor = gpu.document(TEMPLATE, ON)
    service = gpu.document("classifier/service.yaml", ON)
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics"
    assert "authorization" not in endpoint
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
