from tests.helm.conftest import Chart

TEMPLATE = "classifier/hpa.yaml"


def test_it_is_off_without_the_classifier_or_its_autoscaling(chart: Chart, gpu: Chart) -> None:
    assert chart.find(TEMPLATE) is None
    assert gpu.find(TEMPLATE, {"classifier.autoscaling.enabled": False}) is None


def test_it_scales_the_classifier_on_what_waits(gpu: Chart) -> None:
    spec = gpu.document(TEMPLATE)["spec"]
    assert spec["scaleTargetRef"]["name"] == gpu.document("classifier/deployment.yaml")["metadata"]["name"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 6)
    [metric] = spec["metrics"]
    assert metric["pods"]["metric"]["name"] == "vllm:num_requests_waiting"
    assert metric["pods"]["target"] == {"type": "AverageValue", "averageValue": "4"}
