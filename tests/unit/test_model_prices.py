"""LiteLLM's price map, without LiteLLM's import."""

import subprocess
import sys
from pathlib import Path

import pytest

from tiergate.model_prices import find_map_price, load_price_map
from tiergate.proxy_config import Deployment


def deployment(model: str, **info: object) -> Deployment:
    return Deployment(group="a", model=model, params={"model": model}, info=info, file=Path("c"), key="model_list[0]")


def test_a_known_model_has_a_price() -> None:
    assert find_map_price(deployment("openai/gpt-4o-mini")) == (0.15e-6, 0.6e-6)


def test_a_base_model_tells_the_price_of_a_deployment_of_any_name() -> None:
    named = deployment("azure/my-deployment", base_model="azure/gpt-4o-mini")
    assert find_map_price(named) == find_map_price(deployment("azure/gpt-4o-mini"))


@pytest.mark.parametrize("model", ["openai/no-such-model", "hosted_vllm/gpt-4o-mini", "openrouter/gpt-4o-mini"])
def test_another_provider_s_model_of_that_name_tells_nothing(model: str) -> None:
    assert find_map_price(deployment(model)) is None


def test_the_map_is_read_without_importing_litellm() -> None:
    code = (
        "import sys; from tiergate.model_prices import load_price_map as m; assert m(); print('litellm' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"


def test_without_litellm_there_is_no_map(monkeypatch: pytest.MonkeyPatch) -> None:
    load_price_map.cache_clear()
    monkeypatch.setattr("tiergate.model_prices.find_spec", lambda _: None)
    assert load_price_map() == {}
    load_price_map.cache_clear()


@pytest.mark.parametrize("content", [None, "no json", "[]"])
def test_a_broken_map_is_no_map(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: str | None) -> None:
    class Spec:
        origin = str(tmp_path / "__init__.py")

    if content is not None:
        (tmp_path / "model_prices_and_context_window_backup.json").write_text(content, encoding="utf-8")
    load_price_map.cache_clear()
    monkeypatch.setattr("tiergate.model_prices.find_spec", lambda _: Spec)
    assert load_price_map() == {}
    load_price_map.cache_clear()
