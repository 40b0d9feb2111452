import importlib.util
from pathlib import Path

from tests.helm.conftest import Chart

TEMPLATE = "hpa.yaml"


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_it_scales_the_deployment_on_cpu_and_on_requests_in_flight(shared: Chart) -> None:
    changes = {"autoscaling": {"enabled": True, "cpuUtilization": 60, "inFlightRequests": 30, "maxReplicas": 7}}
    spec = shared.document(TEMPLATE, changes)["spec"]
    assert spec["scaleTargetRef"]["name"] == shared.document("deployment.yaml", changes)["metadata"]["name"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 7)
    cpu, in_flight = spec["metrics"]
    assert cpu["resource"]["target"] == {"type": "Utilization", "averageUtilization": 60}
    assert in_flight["pods"]["metric"]["name"] == "litellm_in_flight_requests"
    assert in_flight["pods"]["target"] == {"type": "AverageValue", "averageValue": "30"}


def test_a_target_of_zero_is_left_out(shared: Chart) -> None:
    changes = {"autoscaling": {"enabled": True, "cpuUtilization": 0, "inFlightRequests": 30}}
    assert [metric["type"] for metric in shared.document(TEMPLATE, changes)["spec"]["metrics"]] == ["Pods"]
    assert [m["type"] for m in shared.document(TEMPLATE, {"autoscaling.enabled": True})["spec"]["metrics"]] == [
        "Resource"
    ]


def test_the_gauge_is_one_that_litellm_has(shared: Chart) -> None:
    changes = {"autoscaling": {"enabled": True, "inFlightRequests": 30}}
    gauge = shared.document(TEMPLATE, changes)["spec"]["metrics"][-1]["pods"]["metric"]["name"]
    litellm = importlib.util.find_spec("litellm")
    assert litellm is not None
    assert litellm.origin is not None
    source = Path(litellm.origin).parent / "proxy" / "middleware" / "in_flight_requests_middleware.py"
    assert f'"{gauge}"' in source.read_text(encoding="utf-8")
