import pytest
import yaml
from helm.chartgen.__main__ import compare, main
from helm.chartgen.places import EXAMPLES
from helm.chartgen.rendering import list_examples, write_example

NAMES = ["default", "existing-litellm", "gpu", "minimal", "production"]


def test_these_are_the_examples() -> None:
    assert list_examples() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_what_is_committed_is_what_the_chart_renders(name: str) -> None:
    difference = compare(EXAMPLES / name / "rendered.yaml", write_example(name))
    assert not difference, f"run `make helm-sync` and review:\n{difference}"


def test_a_change_shows_as_a_diff() -> None:
    path = EXAMPLES / "default" / "rendered.yaml"
    difference = compare(path, path.read_text(encoding="utf-8").replace("replicas: 1", "replicas: 2"))
    assert "-  replicas: 1\n+  replicas: 2\n" in difference


def test_every_generated_file_is_fresh(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize("name", NAMES)
def test_rendering_twice_gives_the_same(name: str) -> None:
    assert write_example(name) == write_example(name)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_unique_among_each_kind(name: str) -> None:
    documents = list(yaml.safe_load_all(write_example(name)))
    seen = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(seen) == len(set(seen))


def test_the_examples_together_render_every_template() -> None:
    rendered = "".join((EXAMPLES / name / "rendered.yaml").read_text(encoding="utf-8") for name in NAMES)
    for template in ("hpa", "pdb", "ingress", "httproute", "servicemonitor", "prometheusrule", "migration-job"):
        assert f"# {template}.yaml\n" in rendered
    for template in ("deployment", "service", "hpa", "networkpolicy"):
        assert f"# classifier/{template}.yaml\n" in rendered
