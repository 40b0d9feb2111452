from helm.chartgen.places import PACK
from tests.helm.conftest import Chart

TEMPLATE = "servicemonitor.yaml"
ON = {"serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}, "interval": "15s"}}


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_it_scrapes_the_services_metrics(chart: Chart) -> None:
    monitor = chart.document(TEMPLATE, ON)
    service = chart.document("service.yaml", ON)
    [endpoint] = monitor["spec"]["endpoints"]
    assert endpoint["path"] == "/metrics"
    assert endpoint["interval"] == "15s"
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()


def test_it_shows_a_key_since_litellm_asks_for_one(chart: Chart) -> None:
    [endpoint] = chart.document(TEMPLATE, ON)["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "tiergate", "key": "LITELLM_MASTER_KEY"}
    changes = {"serviceMonitor": {**ON["serviceMonitor"], "tokenSecret": "scrape"}}
    [endpoint] = chart.document(TEMPLATE, changes)["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "scrape", "key": "token"}


def test_it_shows_none_where_config_opens_the_metrics(chart: Chart) -> None:
    config = (PACK / "config.yaml").read_text(encoding="utf-8")
    config = config.replace("  drop_params: true", "  drop_params: true\n  require_auth_for_metrics_endpoint: false")
    [endpoint] = chart.document(TEMPLATE, {**ON, "config.litellm": config})["spec"]["endpoints"]
    assert "authorization" not in endpoint


def test_the_key_is_never_shown_to_the_classifier(gpu: Chart) -> None:
    selector = gpu.document(TEMPLATE, ON)["spec"]["selector"]["matchLabels"]
    assert not selector.items() <= gpu.document("classifier/service.yaml", ON)["metadata"]["labels"].items()


def test_prometheus_finds_it_by_its_labels(chart: Chart) -> None:
    assert chart.document(TEMPLATE, ON)["metadata"]["labels"]["release"] == "prometheus"
