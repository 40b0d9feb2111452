"""What the client gets and what the record says for each fault; docs/reference/faults.md has the table."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.proxy.conftest import Gateway, running_gateway

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]
DOCS = Path(__file__).parents[2] / "docs" / "reference" / "faults.md"
SURE, UNSURE = "What is the capital of country {}?", "What is the capital of Tuvalu, version {}?"
CHEAP, CHEAP_ALT, STRONG, STRONG_ALT, JUDGE = (
    ("first", "deepseek*"),
    ("second", "gpt-4o-mini*"),
    ("first", "claude-sonnet*"),
    ("first", "gpt-4o-mini*"),
    ("second", "judge*"),
)
"""Provider and model of each place in the pack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One row of the matrix.

    Attributes:
        name: Name of the row in the docs.
        fault: What goes wrong.
        places: Where: provider and model.
        prompt: What is asked.
        status: HTTP status that the client gets.
        tier: Tier whose answer the client gets; None for an error.
        reason: The gate's reason.
        fallback: Whether another deployment of the same tier answered.
        fields: More of the fault's order.
    """

    name: str
    fault: str
    places: tuple[tuple[str, str], ...]
    prompt: str = SURE
    status: int = 200
    tier: str | None = "simple"
    reason: str = "verifier_failed"
    fallback: bool = False
    fields: tuple[tuple[str, Any], ...] = ()


def same_tier(name: str, fault: str, **fields: Any) -> Case:
    return Case(name=name, fault=fault, places=(CHEAP,), fallback=True, fields=tuple(fields.items()))


def weak_stays(name: str, fault: str) -> Case:
    places = (STRONG, STRONG_ALT)
    return Case(name=name, fault=fault, places=places, prompt=UNSURE, reason="escalation_failed")


CASES = (
    same_tier("cheap-503", "status_503"),
    same_tier("cheap-500", "status_500"),
    same_tier("cheap-401", "status_401"),
    same_tier("cheap-429", "status_429", retry_after_s=1),
    same_tier("cheap-reset", "connection_reset"),
    same_tier("cheap-timeout", "timeout", hang_s=0.5),
    same_tier("cheap-malformed", "malformed_json"),
    same_tier("cheap-context-overflow", "context_overflow"),
    same_tier("cheap-content-filter", "content_filter"),
    Case(
        name="cheap-tier-down",
        fault="status_503",
        places=(CHEAP, CHEAP_ALT),
        status=503,
        tier=None,
        reason="call_failed",
    ),
    Case(name="cheap-nan", fault="nan_logprobs", places=(CHEAP,)),
    Case(name="cheap-empty", fault="empty_answer", places=(CHEAP,), tier="medium", reason="empty_answer"),
    Case(
        name="cheap-huge",
        fault="huge_answer",
        places=(CHEAP,),
        tier="medium",
        reason="confidence_low",
        fields=(("megabytes", 0.1),),  # each of its words comes with a log-probability: the body is 2 MB
    ),
    Case(
        name="strong-huge",
        fault="huge_answer",
        places=(STRONG,),
        prompt=UNSURE,
        reason="confidence_low",
        fields=(("megabytes", 10),),
    ),
    weak_stays("strong-down", "status_503"),
    weak_stays("strong-429", "status_429"),
    weak_stays("strong-reset", "connection_reset"),
    weak_stays("strong-malformed", "malformed_json"),
    Case(
        name="strong-empty",
        fault="empty_answer",
        places=(STRONG,),
        prompt=UNSURE,
        reason="confidence_low",
    ),
    Case(name="judge-down", fault="status_503", places=(JUDGE,)),
    Case(name="judge-slow", fault="timeout", places=(JUDGE,), fields=(("hang_s", 30),)),
    Case(name="judge-huge", fault="huge_answer", places=(JUDGE,), fields=(("megabytes", 10),)),
)


def judged(policy: dict[str, Any]) -> None:
    """Every answer that is not weak is in the middle band: a judge is asked."""
    policy["intent_router"]["min_quality"] = 0.0
    policy["domains"] = {}
    policy["semantic_cache"]["enabled"] = False
    judge = {"kind": "judge", "model_group": "tier-judge", "budget_ms": 3000}
    policy["confidence_gate"] |= {"trust_from": 1.0, "verifier": judge}


def with_judge(config: dict[str, Any]) -> None:
    params = {"model": "openai/judge-1", "api_base": "os.environ/STANDIN_SECOND_BASE", "api_key": "x"}
    info = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000001}
    config["model_list"].append({"model_name": "tier-judge", "litellm_params": params, "model_info": info})


@pytest.fixture(scope="module")
def faulty_gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with running_gateway(tmp_path_factory.mktemp("faulty"), policy=judged, config=with_judge) as gateway:
        yield gateway


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_client_gets_the_best_answer_or_litellms_error(faulty_gateway: Gateway, case: Case) -> None:
    gateway = faulty_gateway
    gateway.first.order("reset")
    gateway.second.order("reset")
    for provider, model in case.places:
        getattr(gateway, provider).order("fault", model=model, fault=case.fault, times=10, **dict(case.fields))
    body, headers = gateway.ask(case.prompt.format(case.name))
    assert body["status"] == case.status, str(body)[:500]
    record = gateway.record(headers["decision-id"])
    assert record["gate"]["reason"] == case.reason, record["gate"]
    assert record["final_tier"] == case.tier
    if case.tier is None:
        assert body["error"]["message"]
        return
    assert body["choices"][0]["message"]["content"]
    answered = [call for call in record["calls"] if call["status"] == "ok" and call["tier"] == "simple"]
    assert (answered[0]["fallback_from"] == "tier-simple") is case.fallback
    failed = [call for call in record["calls"] if call["status"] != "ok"]
    cut_off = case.name == "judge-slow"  # cancelled at its budget: LiteLLM reports no failure
    assert bool(failed) == (case.fault not in {"nan_logprobs", "empty_answer", "huge_answer"} and not cut_off)
    assert (record["errors"] == {"confidence_gate": "TimeoutError"}) is cut_off


def test_the_docs_have_the_whole_matrix() -> None:
    rows = {
        cells[0].strip("` "): cells
        for line in DOCS.read_text(encoding="utf-8").splitlines()
        if line.startswith("| `") and (cells := [cell.strip() for cell in line.strip("|").split("|")])
    }
    assert set(rows) == {case.name for case in CASES}
    for case in CASES:
        assert f"`{case.reason}`" in rows[case.name][-1], case.name
        assert (f"{case.status}" in rows[case.name][2]) is (case.tier is None), case.name
