"""After the call: what the client gets, what it cost, and what is kept."""

import asyncio
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litellm import ModelResponse
from tests.unit.hooks.conftest import KEY, SURE, TIERS, UNSURE, Bench, build_bench, completion, request_data

from tiergate.errors import EscalationError, StoreError
from tiergate.hooks.post_call import after_call
from tiergate.hooks.pre_call import before_call
from tiergate.hooks.response_headers import headers_for
from tiergate.policy.money import Price

TWO = {"max_escalations": 2}


async def ask(bench: Bench, response: ModelResponse, **fields: Any) -> tuple[Any, dict[str, str]]:
    """Walk one request through the hooks; return what replaces the response, and the headers."""
    data = request_data(**fields)
    await before_call(bench.pipeline, KEY, data, "acompletion")
    bench.clock.advance(0.25)
    final = await after_call(bench.pipeline, data, response)
    headers = headers_for(bench.pipeline, data, response if final is None else final)
    assert headers is not None
    return final, headers


async def test_a_trusted_answer_stays_as_it_is_and_is_kept(bench: Bench) -> None:
    response = completion("Paris it is.", cost_usd=0.001)
    final, headers = await ask(bench, response)
    assert final is None
    assert (headers["x-tiergate-gate"], headers["x-tiergate-tier"]) == ("trusted", "simple")
    assert headers["x-tiergate-cost-usd"] == "0.00100000"
    (stored,) = bench.store.entries.values()
    assert (stored.tier, stored.cost_usd) == ("simple", 0.001)
    assert stored.confidence == bench.row["gate"]["final_confidence"]
    assert "logprobs" not in stored.body["choices"][0]
    assert bench.row["calls"][0]["ms"] == pytest.approx(250)
    assert len(bench.pipeline.registry) == 0


@pytest.mark.parametrize("asked", [False, True])
async def test_logprobs_stay_only_when_the_client_asked(bench: Bench, asked: bool) -> None:  # noqa: FBT001
    response = completion()
    await ask(bench, response, **({"logprobs": True} if asked else {}))
    assert (getattr(response.choices[0], "logprobs", None) is not None) is asked


async def test_a_weak_answer_is_replaced_and_both_calls_count(bench: Bench) -> None:
    stronger = completion("Better.", cost_usd=0.02, model="model-y")
    bench.models.answers["tier-medium"] = stronger
    bench.models.prices["tier-frontier"] = Price(input_usd=0.01, output_usd=0.01)
    final, headers = await ask(bench, completion("Weak.", logprob=UNSURE, cost_usd=0.001))
    assert final is stronger
    assert (headers["x-tiergate-gate"], headers["x-tiergate-tier"]) == ("escalated", "medium")
    assert headers["x-tiergate-cost-usd"] == "0.02100000"
    assert headers["x-tiergate-saved-usd"] == "0.12900000"
    assert float(headers["x-tiergate-confidence"]) > 0.85, "the confidence of the answer the client got"
    assert bench.row["gate"]["confidence"] < 0.70
    assert [(call["tier"], call["model"], call["cost_usd"]) for call in bench.row["calls"]] == [
        ("simple", "model-x", 0.001),
        ("medium", "model-y", 0.02),
    ]
    (stored,) = bench.store.entries.values()
    assert stored.tier == "medium"
    assert getattr(final.choices[0], "logprobs", None) is None


async def test_the_second_call_goes_under_the_callers_identity_and_shares_no_dictionary(bench: Bench) -> None:
    bench.models.answers["tier-medium"] = completion()
    data = request_data(metadata={"tags": ["a"]})
    await before_call(bench.pipeline, KEY, data, "acompletion")
    data["metadata"]["model_group"] = "tier-simple"
    await after_call(bench.pipeline, data, completion(logprob=UNSURE))
    (asked,) = bench.models.asked
    assert asked["metadata"] == {"user_api_key": "hashed-key-of-a", "tags": ["a"]}
    assert asked["metadata"] is not data["metadata"]
    assert asked["metadata"]["tags"] is not data["metadata"]["tags"]
    assert asked["call_id"] != data["litellm_call_id"]
    assert bench.pipeline.registry.holds(asked["call_id"])
    headers_for(bench.pipeline, data, completion())
    assert not bench.pipeline.registry.holds(asked["call_id"])


async def test_an_answer_that_is_no_better_does_not_replace(bench: Bench) -> None:
    bench.models.answers["tier-medium"] = completion("", finish_reason="length", logprob=None, cost_usd=0.02)
    final, headers = await ask(bench, completion("Weak.", logprob=UNSURE, cost_usd=0.001))
    assert final is None
    assert (headers["x-tiergate-gate"], headers["x-tiergate-tier"]) == ("escalated", "simple")
    assert headers["x-tiergate-cost-usd"] == "0.02100000"
    assert float(headers["x-tiergate-confidence"]) == pytest.approx(bench.row["gate"]["confidence"], abs=1e-4)
    assert bench.store.entries == {}


async def test_an_answer_without_a_signal_replaces_and_has_the_routers_score_as_confidence(bench: Bench) -> None:
    bench.models.answers["tier-medium"] = completion("Better.", logprob=None)
    final, headers = await ask(bench, completion("Weak.", logprob=UNSURE))
    assert final is not None
    assert headers["x-tiergate-confidence"] == f"{bench.row['route']['scores']['medium']:.4f}"
    assert bench.store.entries == {}, "nothing says that it is good"


@pytest.mark.swallows
async def test_an_escalation_that_fails_leaves_the_weak_answer_and_says_why(bench: Bench) -> None:
    bench.models.answers["tier-medium"] = EscalationError("tier-medium gave no answer")
    final, headers = await ask(bench, completion("Weak.", logprob=UNSURE))
    assert final is None
    assert (headers["x-tiergate-gate"], headers["x-tiergate-tier"]) == ("skipped", "simple")
    assert bench.row["gate"]["reason"] == "escalation_failed"
    assert bench.row["errors"] == {"confidence_gate": "EscalationError"}
    assert bench.store.entries == {}


async def test_an_escalation_past_its_budget_leaves_the_weak_answer() -> None:
    bench = build_bench(confidence_gate={"escalation_budget_ms": 1})

    async def hang(*_args: Any, **_fields: Any) -> Any:
        await asyncio.sleep(30)

    bench.pipeline = replace(bench.pipeline, models=SimpleNamespace(ask=hang))
    final, _ = await ask(bench, completion("Weak.", logprob=UNSURE))
    assert final is None
    assert bench.row["gate"]["reason"] == "escalation_failed"
    assert bench.row["errors"] == {"confidence_gate": "TimeoutError"}


async def test_with_two_escalations_a_no_better_answer_does_not_stop_the_way_up() -> None:
    bench = build_bench(confidence_gate=TWO)
    bench.models.answers = {
        "tier-medium": completion("", logprob=None, cost_usd=0.01),
        "tier-frontier": completion("Best.", cost_usd=0.1),
    }
    final, headers = await ask(bench, completion("Weak.", logprob=UNSURE, cost_usd=0.001))
    assert final is bench.models.answers["tier-frontier"]
    assert headers["x-tiergate-tier"] == "frontier"
    assert headers["x-tiergate-cost-usd"] == "0.11100000"


@pytest.mark.swallows
async def test_a_second_escalation_that_fails_keeps_the_first_ones_answer() -> None:
    bench = build_bench(confidence_gate=TWO)
    bench.models.answers["tier-medium"] = completion("Better but weak.", logprob=-1.0)
    final, headers = await ask(bench, completion("Weak.", logprob=UNSURE))
    assert final is bench.models.answers["tier-medium"]
    assert (headers["x-tiergate-gate"], headers["x-tiergate-tier"]) == ("escalated", "medium")
    assert bench.row["errors"] == {"confidence_gate": "EscalationError"}


async def test_a_fallback_names_what_failed_before(bench: Bench) -> None:
    response = completion()
    response._hidden_params["additional_headers"] = {"x-litellm-model-group": "tier-simple-alt"}
    await ask(bench, response)
    (call,) = bench.row["calls"]
    assert (call["model_group"], call["fallback_from"], call["tier"]) == ("tier-simple-alt", "tier-simple", "simple")


async def test_a_bypassing_domain_is_neither_judged_nor_kept() -> None:
    bench = build_bench(domains={"general": 0.1, "finance": 0.9})
    final, headers = await ask(bench, completion("Weak.", logprob=UNSURE))
    assert final is None
    assert (headers["x-tiergate-gate"], headers["x-tiergate-tier"]) == ("bypassed", "frontier")
    assert bench.models.asked == []
    assert bench.store.entries == {}


async def test_a_hit_costs_nothing_and_is_not_judged_again(bench: Bench) -> None:
    await ask(bench, completion("Paris it is."))
    first = bench.row["gate"]["final_confidence"]
    _, headers = await ask(bench, completion("Paris it is.", logprob=None, cost_usd=0.0))
    assert (headers["x-tiergate-cache"], headers["x-tiergate-tier"]) == ("hit", "simple")
    assert (headers["x-tiergate-gate"], headers["x-tiergate-cost-usd"]) == ("skipped", "0.00000000")
    assert (bench.row["calls"], bench.row["gate"]["final_confidence"]) == ([], first)


async def test_without_a_router_the_call_is_recorded_under_the_entry_model() -> None:
    bench = build_bench(intent_router={"enabled": False})
    final, headers = await ask(bench, completion("Weak.", logprob=UNSURE))
    assert final is None
    assert "x-tiergate-tier" not in headers
    assert (bench.row["calls"][0]["tier"], bench.row["calls"][0]["model_group"]) == (None, "auto")
    assert bench.row["strategy"] is None


@pytest.mark.parametrize("response", [ModelResponse(choices=[]), completion("", logprob=None)])
async def test_strange_answers_do_not_end_the_request(response: Any) -> None:
    bench = build_bench(confidence_gate={"max_escalations": 0})
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    assert await after_call(bench.pipeline, data, response) is None
    headers = headers_for(bench.pipeline, data, response)
    assert headers is not None
    assert headers["x-tiergate-gate"] == "skipped"
    assert bench.store.entries == {}


@pytest.mark.swallows
async def test_a_store_that_fails_does_not_reach_the_client(bench: Bench) -> None:
    data = request_data()
    await before_call(bench.pipeline, KEY, data, "acompletion")
    bench.store.failure = StoreError("gone")
    assert await after_call(bench.pipeline, data, completion()) is None
    headers = headers_for(bench.pipeline, data, completion())
    assert headers is not None
    assert headers["x-tiergate-gate"] == "trusted"


async def test_another_request_under_the_same_id_is_left_alone(bench: Bench) -> None:
    data = request_data() | {"litellm_logging_obj": object()}
    await before_call(bench.pipeline, KEY, data, "acompletion")
    forged = request_data() | {"model": "gpt-4o", "litellm_logging_obj": object()}
    assert await after_call(bench.pipeline, forged, completion("Poison.")) is None
    assert headers_for(bench.pipeline, forged, completion("Poison.")) is None
    assert bench.store.entries == {}
    assert bench.entry() is not None


answers = st.none() | st.builds(
    completion,
    st.sampled_from(["", "One answer.", "Another answer."]),
    logprob=st.sampled_from([SURE, -0.5, -1.0, UNSURE, None]),
    cost_usd=st.floats(0, 10),
    finish_reason=st.sampled_from(["stop", "length"]),
)


@pytest.mark.swallows
@given(
    first=answers.filter(lambda answer: answer is not None),
    medium=answers,
    frontier=answers,
    limit=st.integers(0, 5),
    finance=st.booleans(),
)
def test_costs_sum_exactly_escalations_keep_their_limit_and_tiers_only_rise(
    first: ModelResponse, medium: ModelResponse | None, frontier: ModelResponse | None, limit: int, *, finance: bool
) -> None:
    domains = {"finance": 0.9} if finance else {"general": 0.9}
    bench = build_bench(domains=domains, confidence_gate={"max_escalations": limit})
    scripted = {"tier-medium": medium, "tier-frontier": frontier}
    bench.models.answers = {group: answer for group, answer in scripted.items() if answer is not None}
    final, _ = asyncio.run(ask(bench, first))
    calls, row = bench.row["calls"], bench.row
    assert row["cost_usd"] == math.fsum(call["cost_usd"] for call in calls)
    assert len(bench.models.asked) <= min(limit, len(TIERS) - 1)
    assert [call["tier"] for call in calls] == sorted((call["tier"] for call in calls), key=TIERS.index)
    answered = [first, *(a for group in ("tier-medium", "tier-frontier") if (a := bench.models.answers.get(group)))]
    assert len(calls) == 1 + sum(ask_["model_group"] in bench.models.answers for ask_ in bench.models.asked)
    assert final is None or any(final is answer for answer in answered)
    if finance:
        assert [call["tier"] for call in calls] == ["frontier"]
        assert final is None
    if final is not None:
        assert row["final_tier"] != "simple"
