"""Warnings of a config against its policy; errors are in tests/config."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.config_check import _find_cycle, check_config
from tiergate.defects import Defect, Severity
from tiergate.proxy_config import read_proxy_config
from tiergate.settings import Policy

POLICY = Policy.model_validate(
    {
        "tiers": [
            {"name": "simple", "model_group": "tier-simple"},
            {"name": "frontier", "model_group": "tier-frontier"},
        ],
        "semantic_cache": {"enabled": False},
    }
)
HEAD = """\
litellm_settings: {callbacks: [tiergate.callbacks.tiergate]}
general_settings: {master_key: os.environ/KEY}
"""


def entry(group: str, model: str, usd: float | None = None, **params: str) -> str:
    more = "".join(f", {name}: '{value}'" for name, value in params.items())
    price = (
        "" if usd is None else f", model_info: {{input_cost_per_token: {usd:.9f}, output_cost_per_token: {usd:.9f}}}"
    )
    return f"  - {{model_name: {group}, litellm_params: {{model: {model}{more}}}{price}}}\n"


def check(tmp_path: Path, *entries: str, more: str = "") -> list[Defect]:
    text = HEAD + more + "model_list:\n" + entry("auto", "openai/gpt-5.5") + "".join(entries)
    (tmp_path / "config.yaml").write_text(text, encoding="utf-8")
    config = read_proxy_config(tmp_path / "config.yaml")
    found = check_config(config, POLICY, policy_path=tmp_path / "policy.yaml", environ={"KEY": "k"})
    assert {defect.severity for defect in found} <= {Severity.WARNING}, found
    return found


GOOD = (
    entry("tier-simple", "openai/gpt-4o-mini"),
    entry("tier-simple", "anthropic/claude-haiku-4-5"),
    entry("tier-frontier", "openai/gpt-5.5"),
    entry("tier-frontier", "anthropic/claude-opus-4-7"),
)


def test_two_providers_in_each_group_are_fine(tmp_path: Path) -> None:
    assert check(tmp_path, *GOOD) == []


def test_one_provider_is_warned_of(tmp_path: Path) -> None:
    (found,) = check(tmp_path, *GOOD[:1], *GOOD[2:])
    assert "single provider" in found.problem
    assert found.key == "model_list.tier-simple"


def test_a_fallback_on_another_provider_is_as_good(tmp_path: Path) -> None:
    alt = entry("tier-simple-alt", "anthropic/claude-haiku-4-5")
    more = "router_settings: {fallbacks: [{tier-simple: [tier-simple-alt]}]}\n"
    assert check(tmp_path, GOOD[0], alt, *GOOD[2:], more=more) == []


def test_two_addresses_of_one_kind_are_two_providers(tmp_path: Path) -> None:
    own = [entry("tier-simple", "hosted_vllm/m", 0.0000001, api_base=f"http://{name}/v1") for name in ("a", "b")]
    assert check(tmp_path, *own, *GOOD[2:]) == []


def test_a_missing_price_is_warned_of(tmp_path: Path) -> None:
    (found,) = check(tmp_path, entry("tier-simple", "openai/nobody-knows"), *GOOD[1:])
    assert "has no price" in found.problem


def test_a_stale_price_is_warned_of(tmp_path: Path) -> None:
    (found,) = check(tmp_path, entry("tier-simple", "openai/gpt-4o-mini", 0.0000009), *GOOD[1:])
    assert "0.9 / 0.9 USD" in found.problem
    assert "0.15 / 0.6 USD" in found.problem


def test_prices_that_fall_with_the_tiers_are_warned_of(tmp_path: Path) -> None:
    swapped = [line.replace("tier-simple", "x").replace("tier-frontier", "tier-simple") for line in GOOD]
    swapped = [line.replace("model_name: x", "model_name: tier-frontier") for line in swapped]
    (found,) = check(tmp_path, *swapped)
    assert "'tier-frontier'" in found.problem
    assert "costs less than" in found.problem


def test_an_unset_variable_is_warned_of_once(tmp_path: Path) -> None:
    extra = [entry("tier-simple", "openai/gpt-4o-mini", api_key="os.environ/NOT_SET")] * 2
    assert [found.problem for found in check(tmp_path, *extra, *GOOD[1:])] == [
        "the environment variable NOT_SET is not set"
    ]


@pytest.mark.parametrize(
    ("edges", "cycle"),
    [
        ({}, []),
        ({"a": ("b", "c"), "b": ("c",)}, []),
        ({"a": ("a",)}, ["a", "a"]),
        ({"a": ("b",), "b": ("c",), "c": ("b",)}, ["b", "c", "b"]),
    ],
)
def test_cycles_are_found(edges: dict[str, tuple[str, ...]], cycle: list[str]) -> None:
    assert _find_cycle(edges) == cycle


@given(st.dictionaries(st.integers(0, 8), st.lists(st.integers(0, 8), max_size=3)))
def test_what_is_found_is_a_cycle_and_without_one_the_groups_can_be_ordered(edges: dict[int, list[int]]) -> None:
    names = {str(name): [str(target) for target in targets] for name, targets in edges.items()}
    cycle = _find_cycle(names)
    if cycle:
        assert cycle[0] == cycle[-1]
        assert all(after in names[before] for before, after in pairwise(cycle))
        return
    left = dict(names)
    while left:  # take away what has no way on; with no cycle everything goes
        ends = [name for name, targets in left.items() if not set(targets) & left.keys()]
        assert ends
        left = {name: targets for name, targets in left.items() if name not in ends}
