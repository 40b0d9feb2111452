"""Blocks of a YAML document are replaced whole, and nothing else."""

import pytest
import yaml

from tiergate.cli.pack_writer import load_providers, replace_block

TEXT = """\
# head
include:  # why
  - a.yaml
  # - b.yaml

router:
  retries: 1
  fallbacks:   # same tier
    - a: [b]
    - c: [d]
  other: 2
tail: 3
"""


def test_a_top_block_is_replaced() -> None:
    text = replace_block(TEXT, "include:", "  - z.yaml\n")
    assert yaml.safe_load(text) == {**yaml.safe_load(TEXT), "include": ["z.yaml"]}
    assert "include:  # why" in text
    assert "# head" in text


def test_an_inner_block_is_replaced() -> None:
    text = replace_block(TEXT, "  fallbacks:", "    - x: [y]\n")
    assert yaml.safe_load(text)["router"] == {"retries": 1, "fallbacks": [{"x": ["y"]}], "other": 2}


def test_an_empty_block_goes_with_its_key() -> None:
    assert yaml.safe_load(replace_block(TEXT, "  fallbacks:", ""))["router"] == {"retries": 1, "other": 2}


@pytest.mark.parametrize("key", ["missing:", "  missing:"])
def test_a_key_that_is_not_there_changes_nothing(key: str) -> None:
    assert replace_block(TEXT, key, "  - x\n") == TEXT


def test_a_provider_is_found_when_every_variable_is_set() -> None:
    azure = load_providers()["azure"]
    values = dict.fromkeys(azure.variables, "set")
    assert azure.is_found(values)
    assert not azure.is_found({**values, azure.variables[0]: ""})
