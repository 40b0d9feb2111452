"""Where a recipe's providers are sent to; whole recipes are verified in tests/proxy."""

from pathlib import Path

import pytest

from tiergate.demo.recipe import main, redirect
from tiergate.pack import locate_pack
from tiergate.proxy_config import read_proxy_config

RECIPES = sorted(path.parent for path in (locate_pack() / "recipes").glob("*/config.yaml"))


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_variable_of_a_recipe_leads_to_a_stand_in(recipe: Path) -> None:
    config = read_proxy_config(recipe / "config.yaml")
    environ = redirect(config, first="http://one", second="http://two")
    assert set(config.references) - {"LITELLM_MASTER_KEY"} <= set(environ)
    for name, value in environ.items():
        assert value.startswith(("http://one", "http://two")) == name.endswith(("_BASE", "_BASE_URL")), name
    assert environ["ANTHROPIC_API_BASE"] == "http://two"
    assert environ.get("SECOND_BASE", "http://two/v1") == "http://two/v1"


def test_a_provider_without_a_stand_in_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("policy.yaml", "probes.yaml", "config.yaml"):
        text = (locate_pack("recipes/agent-stack") / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("deepseek/", "gemini/"), encoding="utf-8")
    assert main([str(tmp_path)]) == 2
    assert "'gemini' has no stand-in" in capsys.readouterr().err


def test_a_folder_without_probes_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path)]) == 2
    assert "Fix: " in capsys.readouterr().err
