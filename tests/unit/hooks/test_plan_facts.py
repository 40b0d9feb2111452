"""What a call is expected to cost, from what LiteLLM and the last calls tell."""

from typing import Any

import pytest
from tests.unit.hooks.conftest import TIERS, Bench, build_bench, request_data

from tiergate.exchange import Call
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.plan_facts import read_tier_facts, read_warm_cache
from tiergate.hooks.pre_call import before_call
from tiergate.policy.expected_cost import JUDGE_TOKENS
from tiergate.policy.money import Price


async def entered(bench: Bench, **fields: Any) -> InFlight:
    await before_call(bench.pipeline, None, request_data("x" * 400, **fields), "acompletion")
    entry = bench.entry()
    assert entry is not None
    return entry


def priced(**sections: Any) -> Bench:
    bench = build_bench(semantic_cache={"enabled": False}, **sections)
    for place, tier in enumerate(TIERS[:2], 1):
        bench.models.prices[f"tier-{tier}"] = Price(input_usd=0.1 * place, output_usd=1.0 * place)
    return bench


async def test_a_call_costs_its_tokens_at_the_tiers_prices() -> None:
    bench = priced()
    entry = await entered(bench, max_tokens=20)
    facts = read_tier_facts(bench.pipeline, entry, entry.route, budget_ms=None)
    assert set(facts) == {"simple", "medium"}
    assert facts["simple"].call_usd == pytest.approx(100 * 0.1 + 20 * 1.0)
    assert facts["medium"].call_usd == pytest.approx(100 * 0.2 + 20 * 2.0)
    assert (facts["simple"].verifier_usd, facts["simple"].seconds) == (0.0, None)
    assert facts["simple"].score == entry.route.scores["simple"]


async def test_lengths_and_times_are_learned_and_the_budget_is_told() -> None:
    bench = priced()
    for tier, ms in (("simple", 300.0), ("medium", 900.0)):
        for _ in range(200):
            call = Call(tier=tier, model_group=f"tier-{tier}", ms=ms, completion_tokens=40)
            bench.pipeline.latency.add_call(call, bench.clock.monotonic())
    entry = await entered(bench)
    facts = read_tier_facts(bench.pipeline, entry, entry.route, budget_ms=500)
    assert facts["simple"].call_usd == pytest.approx(100 * 0.1 + 40, rel=0.01)
    assert facts["simple"].seconds == pytest.approx(0.3, rel=0.06)
    fits = {tier: (one.fits, one.cascade_fits) for tier, one in facts.items()}
    assert fits == {"simple": (True, False), "medium": (False, True)}


@pytest.mark.parametrize(
    ("verifier", "usd"),
    [
        ({"kind": "judge", "model_group": "tier-medium"}, 120 * 0.2 + JUDGE_TOKENS * 2.0),
        ({"kind": "judge", "model_group": "unpriced"}, 0.0),
        ({"kind": "self_consistency", "samples": 3}, 3 * 30.0),
    ],
)
async def test_a_verifier_has_its_price(verifier: dict[str, Any], usd: float) -> None:
    bench = priced(confidence_gate={"verifier": verifier})
    entry = await entered(bench, max_tokens=20)
    facts = read_tier_facts(bench.pipeline, entry, entry.route, budget_ms=None)
    assert facts["simple"].verifier_usd == pytest.approx(usd)


async def test_only_a_priced_cache_of_a_session_is_warm() -> None:
    bench = priced(session={"sticky": True})
    entry = await entered(bench)
    assert read_warm_cache(bench.pipeline, entry) is None
    entry.session = "s"
    assert read_warm_cache(bench.pipeline, entry) is None
    bench.pipeline.sessions.note("s", "medium", entry.started, cached_tokens=50)
    assert read_warm_cache(bench.pipeline, entry) is None
    bench.models.prices["tier-medium"] = Price(input_usd=0.2, output_usd=2.0, cached_input_usd=0.05)
    warm = read_warm_cache(bench.pipeline, entry)
    assert warm is not None
    assert (warm.tier, warm.lost_usd) == ("medium", pytest.approx(50 * 0.15))
