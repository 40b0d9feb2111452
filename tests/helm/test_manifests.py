"""Every rendered manifest against Kubernetes' own schemas, strictly; custom resources against small ones of ours.

The schemas in schemas/ hold the fields that the chart writes, typed as the operators' definitions type them, and refuse
any other field. They are no copies of those definitions.
"""

import functools
import json
from pathlib import Path

import helm_python
import jsonschema
import kubernetes_validate
import pytest
import yaml
from helm.chartgen.places import CHART
from helm.chartgen.rendering import list_examples, read_example, render_chart
from tests.helm.conftest import ONE_POD, Document, merge

VERSIONS = ["1.33", "1.35", "1.37"]
SCHEMAS = Path(__file__).parent / "schemas"
CUSTOM = {"ServiceMonitor", "PrometheusRule", "HTTPRoute"}


@functools.lru_cache
def documents_of(name: str) -> list[tuple[str, Document]]:
    rendered = render_chart(read_example(name))
    return [(path, yaml.safe_load(text)) for path, text in rendered.items() if path != "NOTES.txt"]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", list_examples())
def test_manifests_are_valid_for_this_kubernetes(name: str, version: str) -> None:
    checked = 0
    for path, document in documents_of(name):
        if document["kind"] in CUSTOM:
            continue
        try:
            assert kubernetes_validate.validate(document, version, strict=True) == version
        except kubernetes_validate.ValidationError as wrong:
            pytest.fail(f"{path}: {'.'.join(map(str, wrong.path))}: {wrong.message}")
        checked += 1
    assert checked


@pytest.mark.parametrize("version", VERSIONS)
def test_every_other_switch_is_valid_too(version: str) -> None:
    switches = {
        "persistence": {"enabled": True, "storageClass": "fast"},
        "ingress": {"enabled": True, "hosts": ["a.example"]},
        "config.models": {"extra.yaml": "model_list: []\n"},
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "llm", "operator": "Exists"}],
        "image.pullSecrets": ["pull"],
        "commonLabels": {"team": "search"},
        "service.type": "LoadBalancer",
    }
    for path, text in render_chart(merge(ONE_POD, switches)).items():
        if path != "NOTES.txt":
            kubernetes_validate.validate(yaml.safe_load(text), version, strict=True)


@pytest.mark.parametrize("kind", sorted(CUSTOM))
def test_custom_resources_have_the_fields_their_operators_know(kind: str) -> None:
    schema = json.loads((SCHEMAS / f"{kind.lower()}.json").read_text(encoding="utf-8"))
    found = [document for _, document in documents_of("production") if document["kind"] == kind]
    assert found
    for document in found:
        jsonschema.validate(document, schema)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**document, "spec": {**document["spec"], "unknown": 1}}, schema)


@pytest.mark.parametrize("name", list_examples())
def test_labels_are_those_that_kubernetes_recommends(name: str) -> None:
    for path, document in documents_of(name):
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "tiergate", path
        assert labels["app.kubernetes.io/instance"] == "tiergate"
        assert labels["helm.sh/chart"].startswith("tiergate-")


@pytest.mark.parametrize("name", list_examples())
def test_every_container_is_locked_down_and_limited(name: str) -> None:
    for path, document in documents_of(name):
        pod = (
            document["spec"] if document["kind"] == "Pod" else document.get("spec", {}).get("template", {}).get("spec")
        )
        if pod is None or "containers" not in pod:
            continue
        assert pod["securityContext"]["runAsNonRoot"] is True, path
        assert pod["automountServiceAccountToken"] is False, path
        for container in pod["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"] is True, path
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, path
            assert container["securityContext"]["allowPrivilegeEscalation"] is False, path
            assert "memory" in container["resources"]["limits"], path


@pytest.mark.parametrize("name", list_examples())
def test_helm_lint_finds_nothing(name: str) -> None:
    report = helm_python.lint(CHART, read_example(name), strict=True)
    assert report["total_charts_linted"] == 1
    assert report["errors"] == []
    assert [message for message in report["messages"] if message["severity"] > 1] == []


def test_the_chart_packs_without_examples(tmp_path: Path) -> None:
    archive = helm_python.package(CHART, destination=tmp_path)
    with helm_python.Chart.load(archive) as chart:
        names = {file["name"] for file in chart.files}
        assert {"files/config.yaml", "files/policy.yaml", "files/alerts.yaml", "README.md"} <= names
        assert not [name for name in names if name.startswith("examples/")]
        assert chart.schema is not None
