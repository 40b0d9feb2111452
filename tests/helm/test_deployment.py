from typing import Any

import pytest
from tests.helm.conftest import Chart, Document

TEMPLATE = "deployment.yaml"


def pod_of(document: Document) -> dict[str, Any]:
    return document["spec"]["template"]["spec"]


def proxy_of(document: Document) -> dict[str, Any]:
    return pod_of(document)["containers"][0]


def variables_of(document: Document) -> dict[str, dict[str, Any]]:
    return {entry["name"]: entry for entry in proxy_of(document)["env"]}


def test_it_runs_litellm_on_the_mounted_config(chart: Chart) -> None:
    proxy = proxy_of(chart.document(TEMPLATE))
    assert proxy["command"] == ["litellm"]
    assert proxy["args"] == ["--config", "/etc/tiergate/config.yaml", "--port", "4000", "--num_workers", "1"]
    mounts = {mount["mountPath"]: mount for mount in proxy["volumeMounts"]}
    assert mounts["/etc/tiergate/config.yaml"]["subPath"] == "config.yaml"
    assert mounts["/etc/tiergate/policy.yaml"]["subPath"] == "policy.yaml"


def test_workers_reach_the_command_line(shared: Chart) -> None:
    assert proxy_of(shared.document(TEMPLATE, {"workers": 4}))["args"][-1] == "4"


def test_workers_have_time_to_import_litellm(chart: Chart, shared: Chart) -> None:
    assert variables_of(shared.document(TEMPLATE, {"workers": 2}))["TIMEOUT_WORKER_HEALTHCHECK"]["value"] == "120"
    assert "TIMEOUT_WORKER_HEALTHCHECK" not in variables_of(chart.document(TEMPLATE))


def test_relative_paths_of_the_policy_lead_to_the_data_volume(chart: Chart) -> None:
    proxy = proxy_of(chart.document(TEMPLATE))
    assert proxy["workingDir"] == "/"
    assert {"name": "data", "mountPath": "/data"} in proxy["volumeMounts"]


def test_the_journal_beside_the_policy_is_writable(chart: Chart) -> None:
    mounts = proxy_of(chart.document(TEMPLATE))["volumeMounts"]
    assert {"name": "data", "mountPath": "/etc/tiergate/data", "subPath": "journal"} in mounts


@pytest.mark.parametrize("name", ["chart", "production", "gpu"])
def test_it_runs_without_privileges(name: str, request: pytest.FixtureRequest) -> None:
    document = request.getfixturevalue(name).document(TEMPLATE)
    pod, proxy = pod_of(document), proxy_of(document)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert proxy["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_the_master_key_comes_from_the_secret_that_is_named(chart: Chart) -> None:
    key = variables_of(chart.document(TEMPLATE, {"secrets.masterKeyKey": "key"}))["LITELLM_MASTER_KEY"]
    assert key["valueFrom"]["secretKeyRef"] == {"name": "tiergate", "key": "key"}


def test_provider_secrets_become_variables(chart: Chart) -> None:
    proxy = proxy_of(chart.document(TEMPLATE, {"secrets.providerSecrets": ["openai", "anthropic"]}))
    assert [entry["secretRef"]["name"] for entry in proxy["envFrom"]] == ["tiergate", "openai", "anthropic"]


def test_no_secret_is_written_out_in_production(production: Chart) -> None:
    for name, entry in variables_of(production.document(TEMPLATE)).items():
        if name.endswith(("KEY", "PASSWORD", "DATABASE_URL", "LOG_URL")):
            assert "value" not in entry, name
            assert entry["valueFrom"]["secretKeyRef"]["name"]


def test_stores_are_reached_by_address(production: Chart) -> None:
    variables = variables_of(production.document(TEMPLATE))
    assert variables["QDRANT_URL"]["value"] == "http://qdrant.stores.svc:6333"
    assert variables["REDIS_HOST"]["value"] == "redis-master.stores.svc"
    assert variables["REDIS_PORT"]["value"] == "6379"
    assert variables["REDIS_SSL"]["value"] == "false"
    assert variables["TIERGATE_DECISION_LOG_URL"]["valueFrom"]["secretKeyRef"]["name"] == "postgresql"
    assert variables["DATABASE_URL"]["valueFrom"]["secretKeyRef"]["key"] == "DATABASE_URL"


def test_pods_leave_the_tables_to_the_migration_job(production: Chart) -> None:
    assert variables_of(production.document(TEMPLATE))["DISABLE_SCHEMA_UPDATE"]["value"] == "true"
    assert "DISABLE_SCHEMA_UPDATE" not in variables_of(production.document(TEMPLATE, {"migration.enabled": False}))


def test_probes_ask_litellm(chart: Chart) -> None:
    proxy = proxy_of(chart.document(TEMPLATE))
    assert proxy["livenessProbe"]["httpGet"]["path"] == "/health/liveliness"
    assert proxy["readinessProbe"]["httpGet"]["path"] == "/health/readiness"
    assert proxy["startupProbe"]["periodSeconds"] * proxy["startupProbe"]["failureThreshold"] >= 120


def test_a_changed_policy_rolls_the_pods(chart: Chart) -> None:
    def checksum(changes: dict[str, Any]) -> Any:
        return chart.document(TEMPLATE, changes)["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    assert checksum({}) == checksum({})
    assert checksum({}) != checksum({"config.policy": {"session": {"sticky": True}}})


def test_the_autoscaler_owns_the_number_of_pods(shared: Chart) -> None:
    assert shared.document(TEMPLATE, {"replicaCount": 3})["spec"]["replicas"] == 3
    assert "replicas" not in shared.document(TEMPLATE, {"autoscaling.enabled": True})["spec"]


def test_a_volume_of_one_pod_is_never_held_by_two(chart: Chart) -> None:
    kept = chart.document(TEMPLATE, {"persistence.enabled": True})
    assert kept["spec"]["strategy"] == {"type": "Recreate"}
    volumes = {volume["name"]: volume for volume in pod_of(kept)["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == "tiergate-data"
    rolled = chart.document(TEMPLATE)["spec"]["strategy"]
    assert rolled["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_an_existing_claim_is_used(chart: Chart) -> None:
    document = chart.document(TEMPLATE, {"persistence": {"enabled": True, "existingClaim": "mine"}})
    volumes = {volume["name"]: volume for volume in pod_of(document)["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"] == {"claimName": "mine"}


def test_model_files_are_mounted_where_include_looks(chart: Chart) -> None:
    changes = {"config.models": {"extra.yaml": "model_list: []\n"}}
    document = chart.document(TEMPLATE, changes)
    assert {"name": "models", "mountPath": "/etc/tiergate/models", "readOnly": True} in proxy_of(document)[
        "volumeMounts"
    ]
    volumes = {volume["name"]: volume for volume in pod_of(document)["volumes"]}
    assert (
        volumes["models"]["configMap"]["name"] == chart.document("configmap-models.yaml", changes)["metadata"]["name"]
    )


def test_a_digest_counts_before_a_tag(chart: Chart) -> None:
    digest = "sha256:" + "a" * 64
    assert proxy_of(chart.document(TEMPLATE))["image"] == "tiergate:0.1.0"
    assert proxy_of(chart.document(TEMPLATE, {"image.tag": "x"}))["image"] == "tiergate:x"
    changes = {"image": {"repository": "r", "tag": "x", "digest": digest}}
    assert proxy_of(chart.document(TEMPLATE, changes))["image"] == f"r@{digest}"


def test_pods_spread_over_nodes_and_zones(chart: Chart) -> None:
    spread = pod_of(chart.document(TEMPLATE, {"topologySpread.zone": "DoNotSchedule"}))["topologySpreadConstraints"]
    assert {item["topologyKey"]: item["whenUnsatisfiable"] for item in spread} == {
        "kubernetes.io/hostname": "ScheduleAnyway",
        "topology.kubernetes.io/zone": "DoNotSchedule",
    }
    off = {"topologySpread": {"hostname": "", "zone": ""}}
    assert "topologySpreadConstraints" not in pod_of(chart.document(TEMPLATE, off))


def test_placement_and_pull_secrets_reach_the_pod(chart: Chart) -> None:
    changes = {
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "llm", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {}},
        "priorityClassName": "high",
        "podAnnotations": {"team": "search"},
        "image.pullSecrets": ["pull"],
        "terminationGracePeriodSeconds": 120,
    }
    document = chart.document(TEMPLATE, changes)
    pod = pod_of(document)
    assert pod["nodeSelector"] == {"disk": "ssd"}
    assert pod["tolerations"] == [{"key": "llm", "operator": "Exists"}]
    assert pod["affinity"] == {"podAntiAffinity": {}}
    assert pod["priorityClassName"] == "high"
    assert pod["imagePullSecrets"] == [{"name": "pull"}]
    assert pod["terminationGracePeriodSeconds"] == 120
    assert document["spec"]["template"]["metadata"]["annotations"]["team"] == "search"


def test_more_variables_are_added(production: Chart) -> None:
    assert variables_of(production.document(TEMPLATE))["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"].endswith(":4317")


def test_it_is_left_out_for_an_existing_release(existing: Chart) -> None:
    assert existing.find(TEMPLATE) is None
