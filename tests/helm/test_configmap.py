import yaml
from helm.chartgen.places import CHART, PACK
from tests.helm.conftest import Chart

TEMPLATE = "configmap.yaml"


def test_it_carries_the_packs_files_letter_by_letter(chart: Chart) -> None:
    data = chart.document(TEMPLATE)["data"]
    for name in ("config.yaml", "policy.yaml"):
        assert data[name].strip() == (PACK / name).read_text(encoding="utf-8").strip()


def test_a_policy_section_replaces_the_packaged_one_whole(chart: Chart) -> None:
    changes = {"config.policy": {"confidence_gate": {"enabled": False}}}
    policy = yaml.safe_load(chart.document(TEMPLATE, changes)["data"]["policy.yaml"])
    packaged = yaml.safe_load((CHART / "files" / "policy.yaml").read_text(encoding="utf-8"))
    assert policy.pop("confidence_gate") == {"enabled": False}
    packaged.pop("confidence_gate")
    assert policy == packaged


def test_config_given_as_text_is_mounted_as_it_is(chart: Chart) -> None:
    text = (PACK / "config.yaml").read_text(encoding="utf-8") + "# a price that YAML 1.1 reads as a number: 0.0000005\n"
    mounted = chart.document(TEMPLATE, {"config.litellm": text})["data"]["config.yaml"]
    assert mounted.strip() == text.strip()


def test_the_import_hook_is_there_for_an_existing_release_only(chart: Chart, existing: Chart) -> None:
    assert "sitecustomize.py" not in chart.document(TEMPLATE)["data"]
    hook = existing.document(TEMPLATE)["data"]["sitecustomize.py"]
    assert hook.strip() == (CHART / "files" / "sitecustomize.py").read_text(encoding="utf-8").strip()


def test_no_secret_is_made_anywhere(production: Chart, gpu: Chart, chart: Chart) -> None:
    for some in (production, gpu, chart):
        kinds = [yaml.safe_load(text)["kind"] for path, text in some.render().items() if path != "NOTES.txt"]
        assert "Secret" not in kinds
