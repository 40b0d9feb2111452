from typing import Any

from tests.helm.conftest import Chart, Document

TEMPLATE = "classifier/deployment.yaml"


def pod_of(document: Document) -> dict[str, Any]:
    return document["spec"]["template"]["spec"]


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_it_serves_the_model_under_the_policys_name(gpu: Chart) -> None:
    container = pod_of(gpu.document(TEMPLATE))["containers"][0]
    assert container["command"] == ["vllm", "serve"]
    assert container["args"][:3] == ["/models/intent", "--served-model-name", "intent"]
    assert container["args"][-2:] == ["--runner", "pooling"]
    renamed = {"kind": "vllm", "base_url": "http://tiergate-classifier:8000", "model": "other"}
    changes = {"config.policy": {"intent_router": {"classifier": renamed}}}
    assert "other" in pod_of(gpu.document(TEMPLATE, changes))["containers"][0]["args"]


def test_a_gpu_is_requested_and_limited(gpu: Chart) -> None:
    changes = {"classifier.gpu": {"resource": "amd.com/gpu", "count": 2}}
    resources = pod_of(gpu.document(TEMPLATE, changes))["containers"][0]["resources"]
    assert resources["requests"]["amd.com/gpu"] == resources["limits"]["amd.com/gpu"] == 2
    assert resources["limits"]["memory"] == "8Gi"
    assert resources["requests"]["cpu"] == "1"


def test_it_is_probed_and_given_time_to_load(gpu: Chart) -> None:
    container = pod_of(gpu.document(TEMPLATE, {"classifier.startupSeconds": 900}))["containers"][0]
    startup = container["startupProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] == 900
    for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
        assert container[probe]["httpGet"] == {"path": "/health", "port": "http"}


def test_it_runs_without_privileges(gpu: Chart) -> None:
    pod = pod_of(gpu.document(TEMPLATE))
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["automountServiceAccountToken"] is False
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True
    mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounts == {"/models", "/cache", "/dev/shm", "/tmp"}  # noqa: S108  the pod's own folders


def test_the_model_is_read_only_from_its_claim(gpu: Chart) -> None:
    volumes = {volume["name"]: volume for volume in pod_of(gpu.document(TEMPLATE))["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"] == {"claimName": "intent-model", "readOnly": True}


def test_a_model_from_a_hub_needs_no_claim(gpu: Chart) -> None:
    changes = {"classifier": {"model": "team/intent", "modelClaim": "", "existingSecret": "hub"}}
    pod = pod_of(gpu.document(TEMPLATE, changes))
    assert "models" not in {volume["name"] for volume in pod["volumes"]}
    assert pod["containers"][0]["envFrom"] == [{"secretRef": {"name": "hub"}}]


def test_it_goes_where_gpus_are(gpu: Chart) -> None:
    pod = pod_of(gpu.document(TEMPLATE))
    assert pod["nodeSelector"] == {"nvidia.com/gpu.present": "true"}
    assert pod["tolerations"][0]["key"] == "nvidia.com/gpu"


def test_its_autoscaler_owns_the_number_of_pods(gpu: Chart) -> None:
    assert "replicas" not in gpu.document(TEMPLATE)["spec"]
    changes = {"classifier": {"autoscaling": {"enabled": False}, "replicaCount": 3}}
    assert gpu.document(TEMPLATE, changes)["spec"]["replicas"] == 3
