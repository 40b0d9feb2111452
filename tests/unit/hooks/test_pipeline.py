"""The pipeline's own knowledge: where a tier's requests go."""

import pytest
from tests.unit.hooks.conftest import Bench


@pytest.mark.parametrize(("tier", "group"), [("simple", "tier-simple"), ("frontier", "tier-frontier"), (None, "auto")])
def test_a_tier_has_its_model_group_and_no_tier_the_entry_models(bench: Bench, tier: str | None, group: str) -> None:
    assert bench.pipeline.model_group(tier, "auto") == group
