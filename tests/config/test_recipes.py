"""The recipes as files: complete, accepted by the check, without copies of one another's script."""

import json
import re
from pathlib import Path

import jsonschema
import pytest
import yaml

from tiergate.cli.probe_file import load_probes
from tiergate.pack import locate_pack
from tiergate.pack_check import check_pack
from tiergate.proxy_config import read_proxy_config

FOLDER = locate_pack() / "recipes"
RECIPES = sorted(path for path in FOLDER.iterdir() if path.is_dir())
NAMES = {
    *("b2c-support", "agent-stack", "finance-regulated", "legal-review", "coding-agents"),
    *("self-hosted-first", "privacy-first", "migrate-from-routellm", "migrate-from-litellm-complexity-router"),
}
FILES = {"README.md", "config.yaml", "policy.yaml", "probes.yaml", "verify.sh"}
HEADINGS = ["Need", "When not", "How requests go", "What leaves the machine", "Verify", "Troubleshooting", "Limits"]
REFERENCE_CASE = {0.435, 1.5, 5.0, 15.0, 26.0}

each_recipe = pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)


def test_the_recipes_are_those_that_the_index_names() -> None:
    assert {recipe.name for recipe in RECIPES} == NAMES
    index = (locate_pack() / "README.md").read_text(encoding="utf-8")
    assert all(f"recipes/{name}/README.md" in index for name in NAMES)


def test_there_are_at_least_sixty_probes() -> None:
    assert sum(len(load_probes(recipe).probes) for recipe in RECIPES) >= 60


@each_recipe
def test_a_recipe_is_complete(recipe: Path) -> None:
    assert {path.name for path in recipe.iterdir()} == FILES
    card = (recipe / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^## (.+)$", card, re.MULTILINE) == HEADINGS
    assert (recipe / "verify.sh").stat().st_mode & 0o111


@each_recipe
def test_probes_fit_the_published_schema_that_they_name(recipe: Path) -> None:
    text = (recipe / "probes.yaml").read_text(encoding="utf-8")
    named = re.match(r"# yaml-language-server: \$schema=(\S+)\n", text)
    assert named is not None
    schema = json.loads((recipe / named[1]).read_text(encoding="utf-8"))
    jsonschema.validate(yaml.safe_load(text), schema)


@each_recipe
def test_a_card_tells_the_number_of_probes(recipe: Path) -> None:
    count = len(load_probes(recipe).probes)
    assert f"`{count} of {count} probes as expected" in (recipe / "README.md").read_text(encoding="utf-8")


@each_recipe
def test_a_recipe_is_accepted_with_warnings_of_unset_variables_only(recipe: Path) -> None:
    report = check_pack(recipe / "policy.yaml", recipe / "config.yaml", environ={})
    assert report.errors == ()
    assert [defect for defect in report.warnings if "is not set" not in defect.problem] == []


@each_recipe
def test_no_recipe_carries_prices_of_the_reference_case(recipe: Path) -> None:
    for item in read_proxy_config(recipe / "config.yaml").deployments:
        assert item.price is None or round(item.price[0] * 1e6, 3) not in REFERENCE_CASE, item.model


def test_the_scripts_are_one_script() -> None:
    assert len({(recipe / "verify.sh").read_text(encoding="utf-8") for recipe in RECIPES}) == 1


def test_privacy_first_names_own_addresses_only() -> None:
    recipe = FOLDER / "privacy-first"
    for item in read_proxy_config(recipe / "config.yaml").deployments:
        assert item.params["api_base"].startswith("os.environ/"), item.model
    policy = yaml.safe_load((recipe / "policy.yaml").read_text(encoding="utf-8"))
    assert policy["semantic_cache"] == {"enabled": False}
    assert policy["decision_log"]["store_prompts"] is False
