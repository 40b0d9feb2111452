import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tiergate.telemetry.alert_rules import build_alerts, build_rules
from tiergate.telemetry.grafana_dashboard import build_dashboard, build_panels
from tiergate.telemetry.names import Label
from tiergate.telemetry.observability import main
from tiergate.telemetry.prometheus_names import list_series

SHIPPED = Path(__file__).parents[3] / "litellm_config" / "observability"
EXPRESSIONS = [alert.expression for alert in build_alerts()] + [
    expression for panel in build_panels() for _, expression in panel.queries
]


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_each_series_and_label_that_is_used_exists(expression: str) -> None:
    series = set(re.findall(r"tiergate_\w+", expression))
    assert series
    assert series <= list_series()
    labels = set(re.findall(r"[{,]\s*(\w+)\s*=~?\"", expression))
    for group in re.findall(r"(?:by|ignoring|group_left)\s*\(([^)]*)\)", expression):
        labels |= {name.strip() for name in group.split(",") if re.fullmatch(r"\s*[a-z_]+\s*", name)}
    assert labels <= set(Label) | {"le"}


def test_what_ships_is_what_the_declared_names_make(tmp_path: Path) -> None:
    main([str(tmp_path)])
    for name in ("dashboards/tiergate.json", "alerts/tiergate.yaml"):
        assert (SHIPPED / name).read_text() == (tmp_path / name).read_text(), f"run the module again: {name}"


def test_the_dashboard_has_no_two_panels_in_one_place() -> None:
    panels = build_dashboard()["panels"]
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert len({panel["id"] for panel in panels}) == len(panels)
    json.dumps(panels, allow_nan=False)


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return subprocess.run([tool, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_promtool_accepts_the_rules_and_their_tests_pass() -> None:
    folder = SHIPPED / "alerts"
    checked = promtool("check", "rules", "tiergate.yaml", folder=folder)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(build_alerts())} rules found" in checked.stdout
    tested = promtool("test", "rules", "tiergate_test.yaml", folder=folder)
    assert tested.returncode == 0, tested.stderr + tested.stdout


def test_the_tests_of_the_rules_notice_alerts_that_never_fire(tmp_path: Path) -> None:
    rules = build_rules()
    for rule in rules["groups"][0]["rules"]:
        rule["expr"] = f"({rule['expr']}) and on() vector(0) > 1"
    (tmp_path / "tiergate.yaml").write_text(yaml.safe_dump(rules))
    shutil.copy(SHIPPED / "alerts" / "tiergate_test.yaml", tmp_path)
    tested = promtool("test", "rules", "tiergate_test.yaml", folder=tmp_path)
    assert tested.returncode == 1
    assert set(re.findall(r"alertname: (\w+)", tested.stderr + tested.stdout)) == {a.name for a in build_alerts()}
