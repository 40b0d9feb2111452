"""What a request cost, what it would have cost, what it saved."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tiergate.exchange import Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Price of a model group in USD per token; `cached_input_usd` is None where the provider's cache has no price."""

    input_usd: float
    output_usd: float
    cached_input_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of the answer that the client received."""

    prompt_tokens: int
    completion_tokens: int


def sum_cost(calls: Iterable[Call]) -> float:
    """Sum the cost of every call made for a request in USD, without rounding loss."""
    return math.fsum(call.cost_usd for call in calls)


def estimate_baseline(usage: Usage | None, price: Price | None) -> float | None:
    """Estimate what the baseline tier would have cost: the tokens of the served answer at its price.

    The estimate assumes that the baseline model would have read and written as many tokens as the
    model that answered. None when the tokens or the price are unknown.
    """
    if usage is None or price is None:
        return None
    return usage.prompt_tokens * price.input_usd + usage.completion_tokens * price.output_usd


def saved(baseline_cost_usd: float | None, cost_usd: float) -> float | None:
    """Return baseline minus spent in USD; negative when tiergate cost more; None without a baseline."""
    return None if baseline_cost_usd is None else baseline_cost_usd - cost_usd
