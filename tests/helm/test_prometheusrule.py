import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from helm.chartgen.places import CHART
from tests.helm.conftest import Chart

from tiergate.decisions import CacheOutcome
from tiergate.telemetry.names import UNITS, CallStatus, Label, Metric

TEMPLATE = "prometheusrule.yaml"
PROMTOOL = shutil.which("promtool")
HISTOGRAMS = {
    Metric.STAGE_DURATION,
    Metric.REQUEST_DURATION,
    Metric.OVERHEAD,
    Metric.SIMILARITY,
    Metric.CONFIDENCE,
}


def load_rules() -> list[dict[str, Any]]:
    [group] = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return group["rules"]


def exported_names() -> set[str]:
    """Names in Prometheus, as OpenTelemetry's compatibility rules make them: unit, then _total for a counter."""
    names = set()
    for metric in Metric:
        name = metric.value.replace(".", "_") + ("_seconds" if UNITS[metric] == "s" else "")
        if metric in HISTOGRAMS:
            names |= {f"{name}_bucket", f"{name}_sum", f"{name}_count"}
        else:
            names.add(f"{name}_total")
    return names


RULES = load_rules()
BY_NAME = pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_it_holds_the_alerts_of_the_file(chart: Chart) -> None:
    changes = {"prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}}}
    document = chart.document(TEMPLATE, changes)
    assert document["spec"]["groups"][0]["rules"] == RULES
    assert document["metadata"]["labels"]["release"] == "prometheus"


@BY_NAME
def test_the_expression_is_promql(rule: dict[str, Any]) -> None:
    promql_parser.parse(rule["expr"])


@BY_NAME
def test_the_expression_uses_metrics_that_tiergate_has(rule: dict[str, Any]) -> None:
    used = set(re.findall(r"tiergate_\w+", rule["expr"]))
    assert used
    assert used <= exported_names()


@BY_NAME
def test_labels_and_their_values_exist(rule: dict[str, Any]) -> None:
    for name, value in re.findall(r'(\w+)="(\w+)"', rule["expr"]):
        known = {
            Label.STATUS: {status.value for status in CallStatus},
            Label.CACHE: {outcome.value for outcome in CacheOutcome},
            Label.FALLBACK: {"true", "false"},
        }
        assert value in known[Label(name)]
    for names in re.findall(r"by \(([^)]+)\)", rule["expr"]):
        assert {name.strip() for name in names.split(",")} <= {*Label, "le"}


@BY_NAME
def test_it_says_how_bad_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")


@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed; Debian's package prometheus has it")
def test_each_alert_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    shutil.copy(CHART / "files" / "alerts.yaml", tmp_path / "rules.yaml")
    shutil.copy(Path(__file__).parent / "alerts.yaml", tmp_path / "alerts.yaml")
    assert PROMTOOL is not None
    done = subprocess.run(
        [PROMTOOL, "test", "rules", "alerts.yaml"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_alert_tests_name_every_alert() -> None:
    text = (Path(__file__).parent / "alerts.yaml").read_text(encoding="utf-8")
    for rule in RULES:
        assert f'alertname="{rule["alert"]}"' in text
