"""The values for LiteLLM's own chart against the ConfigMap that this chart makes for them."""

import os
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
import yaml
from helm.chartgen.places import CHART, EXAMPLES
from tests.helm.conftest import Chart, Document

VALUES = yaml.safe_load((EXAMPLES / "existing-litellm" / "litellm-values.yaml").read_text(encoding="utf-8"))
MOUNTS = {mount["mountPath"]: mount for mount in VALUES["volumeMounts"]}
VOLUMES = {volume["name"]: volume for volume in VALUES["volumes"]}


@pytest.fixture
def config_map(existing: Chart) -> Document:
    return existing.document("configmap.yaml")


def test_they_only_mount_package_config_and_environment() -> None:
    assert VALUES.keys() == {"proxyConfigMap", "environmentSecrets", "envVars", "volumes", "volumeMounts"}


def test_every_key_they_name_is_in_the_config_map(config_map: Document) -> None:
    named = [(VALUES["proxyConfigMap"]["name"], VALUES["proxyConfigMap"]["key"])]
    for volume in VALUES["volumes"]:
        source = volume.get("configMap", {})
        named += [(source["name"], item["key"]) for item in source.get("items", [])]
    named += [
        (VOLUMES[mount["name"]]["configMap"]["name"], mount["subPath"])
        for mount in VALUES["volumeMounts"]
        if "subPath" in mount
    ]
    assert len(named) == 3
    for name, key in named:
        assert name == config_map["metadata"]["name"]
        assert key in config_map["data"]


def test_files_that_config_includes_are_found_beside_it(existing: Chart) -> None:
    text = "model_list:\n- model_name: extra\n  litellm_params: {model: openai/gpt-5}\n"
    models = existing.document("configmap-models.yaml", {"config.models": {"extra.yaml": text}})
    volume = VOLUMES[MOUNTS["/etc/litellm/models"]["name"]]
    assert volume["configMap"] == {"name": models["metadata"]["name"], "optional": True}


def test_every_mount_has_its_volume() -> None:
    assert {mount["name"] for mount in VALUES["volumeMounts"]} == VOLUMES.keys()


def test_variables_point_into_mounts() -> None:
    assert VALUES["envVars"]["TIERGATE_POLICY"] in MOUNTS
    assert VALUES["envVars"]["PYTHONPATH"] in MOUNTS
    packages = PurePosixPath(VALUES["envVars"]["TIERGATE_PACKAGES"])
    assert any(str(parent) in MOUNTS for parent in packages.parents)


def test_the_journal_beside_the_policy_is_writable() -> None:
    folder = str(PurePosixPath(VALUES["envVars"]["TIERGATE_POLICY"]).parent / "data")
    assert "readOnly" not in MOUNTS[folder]
    assert "emptyDir" in VOLUMES[MOUNTS[folder]["name"]]


def test_every_variable_of_the_policy_is_given(config_map: Document) -> None:
    policy = yaml.safe_load(config_map["data"]["policy.yaml"])
    from_secrets = {"QDRANT_API_KEY", "TIERGATE_DECISION_LOG_URL"}
    store = policy["semantic_cache"]["store"]
    for reference in (store["url"], store["api_key"], policy["decision_log"]["url"]):
        assert reference.removeprefix("os.environ/") in VALUES["envVars"].keys() | from_secrets


def test_the_import_hook_adds_packages_and_shadows_none(tmp_path: Path) -> None:
    for folder, text in (("host", "origin = 'host'\n"), ("added", "origin = 'added'\n")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "both_have_it.py").write_text(text, encoding="utf-8")
    (tmp_path / "added" / "only_added.py").write_text("", encoding="utf-8")
    paths = os.pathsep.join([str(CHART / "files"), str(tmp_path / "host")])
    environ = {**os.environ, "PYTHONPATH": paths, "TIERGATE_PACKAGES": str(tmp_path / "added")}
    code = "import both_have_it, only_added; print(both_have_it.origin)"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout.strip() == "host", done.stderr
