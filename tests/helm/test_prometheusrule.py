import yaml
from helm.chartgen.places import CHART, PACK
from tests.helm.conftest import Chart

TEMPLATE = "prometheusrule.yaml"


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_it_holds_the_packs_alert_rules(chart: Chart) -> None:
    changes = {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}}}
    document = chart.document(TEMPLATE, changes)
    rules = yaml.safe_load((PACK / "observability" / "alerts" / "rules.yaml").read_text(encoding="utf-8"))
    assert document["spec"]["groups"] == rules["groups"]
    assert document["metadata"]["labels"]["release"] == "prometheus"


def test_the_charts_copy_is_the_packs_file() -> None:
    copy, source = CHART / "files" / "alerts.yaml", PACK / "observability" / "alerts" / "rules.yaml"
    assert copy.read_text(encoding="utf-8") == source.read_text(encoding="utf-8")
