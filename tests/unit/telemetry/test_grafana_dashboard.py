import json

from tiergate.telemetry.grafana_dashboard import build_dashboard


def test_the_dashboard_has_no_two_panels_in_one_place() -> None:
    panels = build_dashboard()["panels"]
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert len({panel["id"] for panel in panels}) == len(panels)
    json.dumps(panels, allow_nan=False)
