"""The production pack: complete, free of secrets, accepted by the check."""

import re
from pathlib import Path

import pytest
import yaml

from tiergate.defects import Severity
from tiergate.model_prices import find_map_price
from tiergate.pack import locate_pack
from tiergate.pack_check import PackReport, check_pack
from tiergate.proxy_config import Deployment, read_proxy_config
from tiergate.settings import write_policy_schema

PACK = locate_pack()
MODEL_FILES = sorted((PACK / "models").glob("*.yaml"))
PROVIDERS = {
    *("openai", "anthropic", "deepseek", "google", "azure", "bedrock", "vertex"),
    *("groq", "together", "mistral", "openrouter", "vllm", "ollama"),
}
REFERENCE_PRICES = {
    "openai/deepseek-v4-pro": 0.435,
    "openai/gpt-4o-mini": 1.50,
    "anthropic/claude-sonnet-4.5": 5.00,
    "openai/gpt-5.5": 15.00,
    "anthropic/claude-opus-4.7": 26.00,
}


def check(folder: Path) -> PackReport:
    return check_pack(folder / "policy.yaml", folder / "config.yaml", environ={})


def with_all_providers(folder: Path) -> Path:
    """Copy the pack with every provider switched on."""
    (folder / "models").mkdir(parents=True)
    for file in MODEL_FILES:
        (folder / "models" / file.name).write_bytes(file.read_bytes())
    (folder / "policy.yaml").write_bytes((PACK / "policy.yaml").read_bytes())
    config = (PACK / "config.yaml").read_text(encoding="utf-8").replace("  # - models/", "  - models/")
    (folder / "config.yaml").write_text(config, encoding="utf-8")
    return folder


def test_the_pack_is_accepted_and_warns_only_of_unset_variables() -> None:
    report = check(PACK)
    assert report.errors == ()
    for defect in report.warnings:
        assert re.search(r"environment variable \w+ is not set", defect.problem), defect


def test_the_pack_with_every_provider_is_accepted(tmp_path: Path) -> None:
    report = check(with_all_providers(tmp_path / "all"))
    assert report.errors == ()
    assert not [defect for defect in report.warnings if "price" in defect.problem or "map says" in defect.problem]


@pytest.mark.parametrize("name", ["config.yaml", *(f"models/{file.name}" for file in MODEL_FILES)])
def test_a_price_is_written_only_where_litellm_has_none(name: str) -> None:
    document = yaml.safe_load((PACK / name).read_text(encoding="utf-8"))
    for entry in document["model_list"]:
        params, info = entry["litellm_params"], entry.get("model_info", {})
        item = Deployment(
            group=entry["model_name"], model=params["model"], params=params, info=info, file=PACK / name, key=""
        )
        known = find_map_price(item)
        own = "api_base" in params or params["model"].startswith("tiergate/")
        assert (item.price is None) == (known is not None and (not own or "base_model" in info)), item.model


def test_every_provider_has_a_file() -> None:
    assert {file.stem for file in MODEL_FILES} == PROVIDERS
    config = (PACK / "config.yaml").read_text(encoding="utf-8")
    assert all(f"models/{name}.yaml" in config for name in PROVIDERS)


@pytest.mark.parametrize("file", MODEL_FILES, ids=lambda file: file.stem)
def test_a_model_file_holds_a_model_list_only_and_no_secret(file: Path) -> None:
    document = yaml.safe_load(file.read_text(encoding="utf-8"))
    assert set(document) == {"model_list"}
    for entry in document["model_list"]:
        assert re.fullmatch(r"tier-(simple|medium|frontier)(-alt)?", entry["model_name"])
        for name, value in entry["litellm_params"].items():
            assert name == "model" or value.startswith("os.environ/"), name


@pytest.mark.parametrize("file", MODEL_FILES, ids=lambda file: file.stem)
def test_a_model_file_dates_its_prices_and_names_its_variables(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    header = text[: text.index("model_list:")]
    assert re.search(r"20\d\d-\d\d-\d\d", header)
    assert all(name in header for name in re.findall(r"os\.environ/(\w+)", text))


def test_the_prices_of_the_reference_case_are_in_the_quickstart_only() -> None:
    seen = {
        item.model: item.price
        for item in read_proxy_config(PACK / "quickstart" / "config.yaml").deployments
        if item.price is not None
    }
    for model, usd in REFERENCE_PRICES.items():
        assert seen[model] == pytest.approx((usd / 1e6, usd / 1e6))
    for file in (PACK / "config.yaml", *MODEL_FILES):
        assert not re.search(r"0\.000000435|0\.000026\b", file.read_text(encoding="utf-8"))


def test_the_tiers_are_those_of_the_quickstart() -> None:
    own, quickstart = (check(folder).pack for folder in (PACK, PACK / "quickstart"))
    assert own is not None
    assert quickstart is not None
    assert own.policy.tiers == quickstart.policy.tiers
    assert own.policy.domains == quickstart.policy.domains


def test_nothing_in_the_pack_shadows_the_package() -> None:
    for folder in (PACK, *(path for path in PACK.rglob("*") if path.is_dir())):
        assert not (folder / "tiergate").exists()
        assert not list(folder.glob("*.py"))


def test_the_schema_beside_the_policy_is_the_code_s() -> None:
    assert (PACK / "policy.schema.json").read_text(encoding="utf-8") == write_policy_schema()


def test_a_warning_does_not_refuse() -> None:
    report = check(PACK)
    assert report.pack is not None
    assert {defect.severity for defect in report.defects} == {Severity.WARNING}
