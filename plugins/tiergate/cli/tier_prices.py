"""What the model groups of a policy cost, without a proxy: config.yaml, else LiteLLM's own map."""

from collections.abc import Mapping
from pathlib import Path

from tiergate.model_prices import find_map_price
from tiergate.policy.money import Price
from tiergate.proxy_config import read_proxy_config
from tiergate.settings import Policy


def read_prices(policy: Policy, config: Path) -> Mapping[str, Price]:
    """Return the price of each model group of the tiers and the verifier that has one.

    Args:
        policy: The policy.
        config: LiteLLM's config.yaml; without such a file there is no price.
    """
    if not config.is_file():
        return {}
    groups, verifier = read_proxy_config(config).groups, policy.confidence_gate.verifier
    asked = [tier.model_group for tier in policy.tiers]
    asked += [verifier.model_group] if verifier is not None and verifier.model_group is not None else []
    found: dict[str, Price] = {}
    for group in asked:
        known = [item.price or find_map_price(item) for item in groups.get(group, ())]
        if known and known[0] is not None:
            found[group] = Price(input_usd=known[0][0], output_usd=known[0][1])
    return found
