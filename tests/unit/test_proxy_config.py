"""What is read of config.yaml; what is refused is in tests/config."""

from pathlib import Path

from tiergate.defects import Severity
from tiergate.proxy_config import ProxyConfig, read_proxy_config

ENTRY = "{model_name: %s, litellm_params: {model: openai/m, api_key: os.environ/%s}}"


def read(tmp_path: Path, text: str, **files: str) -> ProxyConfig:
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    for name, content in files.items():
        (tmp_path / f"{name}.yaml").write_text(content, encoding="utf-8")
    return read_proxy_config(tmp_path / "config.yaml")


def test_groups_hold_the_deployments_of_the_file_and_its_includes(tmp_path: Path) -> None:
    config = read(
        tmp_path,
        "include: [more.yaml]\ngeneral_settings: {master_key: os.environ/KEY}\n"
        f"model_list: [{ENTRY % ('a', 'ONE')}]\n",
        more=f"model_list: [{ENTRY % ('a', 'TWO')}, {ENTRY % ('b', 'TWO')}]\n",
    )
    assert {name: len(items) for name, items in config.groups.items()} == {"a": 2, "b": 1}
    assert set(config.references) == {"ONE", "TWO", "KEY"}
    assert config.references["TWO"] == (tmp_path / "more.yaml", "model_list[0].litellm_params.api_key")
    assert config.defects == ()


def test_fallbacks_of_both_sections_count(tmp_path: Path) -> None:
    text = "router_settings: {fallbacks: [{a: [b]}]}\nlitellm_settings: {fallbacks: [{a: [c]}, {b: [c]}]}\n"
    assert read(tmp_path, text).fallbacks() == {"a": ("c", "b"), "b": ("c",)}


def test_a_price_is_known_when_both_figures_are(tmp_path: Path) -> None:
    entries = (
        "model_list:\n"
        "  - {model_name: a, litellm_params: {model: x/m}, "
        "model_info: {input_cost_per_token: 0.1e-5, output_cost_per_token: 2.0e-6}}\n"
        "  - {model_name: b, litellm_params: {model: x/m, input_cost_per_token: 0, output_cost_per_token: 0}}\n"
        "  - {model_name: c, litellm_params: {model: x/m}, model_info: {input_cost_per_token: 0}}\n"
    )
    found = {item.group: item.price for item in read(tmp_path, entries).deployments}
    assert found == {"a": (1e-6, 2e-6), "b": (0.0, 0.0), "c": None}


def test_a_provider_is_its_name_and_its_address(tmp_path: Path) -> None:
    text = "model_list:\n" + "".join(
        f"  - {{model_name: a, litellm_params: {{model: {model}}}}}\n"
        for model in ("openai/m", "plain", "openai/m, api_base: 'http://x'")
    )
    assert [item.provider for item in read(tmp_path, text).deployments] == ["openai", "plain", "openai http://x"]


def test_no_master_key_is_a_warning(tmp_path: Path) -> None:
    config = read(tmp_path, f"model_list: [{ENTRY % ('a', 'ONE')}]\n")
    assert [(item.severity, item.key) for item in config.defects] == [(Severity.WARNING, "general_settings.master_key")]


def test_a_master_key_in_the_file_is_a_warning(tmp_path: Path) -> None:
    text = f"model_list: [{ENTRY % ('a', 'ONE')}]\ngeneral_settings: {{master_key: my-own-key}}\n"
    assert [item.severity for item in read(tmp_path, text).defects] == [Severity.WARNING]


def test_keys_that_are_litellm_s_business_are_left_alone(tmp_path: Path) -> None:
    text = (
        f"model_list: [{ENTRY % ('a', 'ONE')}]\n"
        "guardrails: []\ncallback_settings: {}\n"
        "router_settings: {redis_host: x, enable_pre_call_checks: true, retry_after: 5}\n"
        "litellm_settings: {cache: true, success_callback: [], set_verbose: false, json_logs: true}\n"
        "general_settings: {master_key: os.environ/KEY, alerting: []}\n"
    )
    assert read(tmp_path, text).defects == ()
