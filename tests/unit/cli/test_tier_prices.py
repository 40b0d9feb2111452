"""Prices without a proxy."""

from pathlib import Path

import pytest

from tiergate.cli.tier_prices import read_prices
from tiergate.settings import Policy

CONFIG = """model_list:
  - {model_name: tier-simple, litellm_params: {model: openai/x, input_cost_per_token: 0.1, output_cost_per_token: 0.2}}
  - {model_name: tier-frontier, litellm_params: {model: openai/gpt-4o-mini}}
  - {model_name: tier-judge, litellm_params: {model: openai/unknown-to-the-map}}
"""


def policy_of() -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in ("simple", "frontier", "absent")]
    judge = {"kind": "judge", "model_group": "tier-judge"}
    return Policy.model_validate({"tiers": tiers, "confidence_gate": {"verifier": judge}})


def test_the_config_s_own_price_comes_before_litellms_map(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(CONFIG, encoding="utf-8")
    prices = read_prices(policy_of(), tmp_path / "config.yaml")
    assert set(prices) == {"tier-simple", "tier-frontier"}
    assert (prices["tier-simple"].input_usd, prices["tier-simple"].output_usd) == (0.1, 0.2)
    assert prices["tier-frontier"].output_usd == pytest.approx(6e-7)


def test_without_a_config_there_is_no_price(tmp_path: Path) -> None:
    assert read_prices(policy_of(), tmp_path / "none.yaml") == {}
