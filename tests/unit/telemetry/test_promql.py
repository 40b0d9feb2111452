import re

import pytest

from tiergate.telemetry.alert_rules import ALERTS
from tiergate.telemetry.grafana_dashboard import PANELS
from tiergate.telemetry.names import Label
from tiergate.telemetry.prometheus_names import list_series

EXPRESSIONS = [alert.expression for alert in ALERTS] + [
    expression for panel in PANELS for _, expression in panel.queries
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
