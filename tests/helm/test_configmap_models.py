from helm.chartgen.places import PACK
from tests.helm.conftest import Chart

TEMPLATE = "configmap-models.yaml"
TEXT = "model_list:\n- model_name: extra\n  litellm_params: {model: openai/gpt-5}\n"
PACKED = sorted((PACK / "models").glob("*.yaml"))


def test_it_carries_the_packs_model_files(chart: Chart) -> None:
    document = chart.find(TEMPLATE)
    data = document["data"] if document else {}
    assert data.keys() == {path.name for path in PACKED}
    for path in PACKED:
        assert data[path.name].strip() == path.read_text(encoding="utf-8").strip()


def test_files_of_the_values_come_beside_them(chart: Chart) -> None:
    data = chart.document(TEMPLATE, {"config.models": {"extra.yaml": TEXT}})["data"]
    assert data["extra.yaml"] == TEXT
    assert len(data) == len(PACKED) + 1


def test_a_changed_model_file_rolls_the_pods(chart: Chart) -> None:
    def checksum(text: str) -> str:
        document = chart.document("deployment.yaml", {"config.models": {"extra.yaml": text}})
        return str(document["spec"]["template"]["metadata"]["annotations"]["checksum/models"])

    assert checksum(TEXT) != checksum(TEXT + "# changed\n")
