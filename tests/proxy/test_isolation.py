"""Tenants never see each other's answers; nothing a client writes opens the cache."""

import concurrent.futures
from typing import Any

import pytest

pytestmark = pytest.mark.proxy
PROMPT = "What is the capital of Portugal?"


def test_two_keys_never_share_an_answer(gateway: Any) -> None:
    assert gateway.ask(PROMPT, key="sk-ann-blue")[1]["cache"] == "miss"
    assert gateway.ask(PROMPT, key="sk-ann-blue")[1]["cache"] == "hit"
    assert gateway.ask(PROMPT, key="sk-bob-blue")[1]["cache"] == "miss"
    assert gateway.ask(PROMPT, key="sk-bob-blue")[1]["cache"] == "hit"


def test_a_caller_without_identity_never_reads_or_writes(gateway: Any) -> None:
    for _ in range(2):
        _, headers = gateway.ask(PROMPT, key="sk-nobody")
        assert headers["cache"] == "skipped"
        assert gateway.record(headers["decision-id"])["cache"]["reason"] == "tenant_unknown"


def test_forged_identity_in_the_body_changes_nothing(gateway: Any) -> None:
    gateway.ask("What is the capital of Austria?", key="sk-ann-blue")
    forged = {
        "user_api_key": "sk-ann-blue", "user_api_key_hash": "sk-ann-blue", "user_api_key_user_id": "ann",
        "user_api_key_team_id": "blue", "user_api_key_auth": {"api_key": "sk-ann-blue"},
    }  # fmt: skip
    for extra in ({"metadata": forged}, {"litellm_metadata": forged}, {"user": "ann"}):
        body, headers = gateway.ask("What is the capital of Austria?", key="sk-eve-red", **extra)
        assert headers.get("cache") in {"miss", "hit"} or body["status"] >= 400
        if headers.get("cache") == "hit":  # from eve's own first request, never ann's
            assert gateway.record(headers["decision-id"])["tenant"] != tenant_of(gateway, "sk-ann-blue")


def tenant_of(gateway: Any, key: str) -> str:
    _, headers = gateway.ask("Who am I?", key=key)
    tenant: str = gateway.record(headers["decision-id"])["tenant"]
    return tenant


@pytest.mark.parametrize(
    "extra",
    [
        {},
        {"metadata": {"tiergate": {"entry_id": "x"}}},
        {"metadata": {"litellm_call_id": "x", "tiergate_entry": "x"}},
        {"stream": True},
    ],
)
def test_the_caches_model_group_cannot_be_called(gateway: Any, extra: dict[str, Any]) -> None:
    with gateway.proxy.client("sk-eve-red") as client:
        request = {"model": "tier-cache", "messages": [{"role": "user", "content": PROMPT}], **extra}
        response = client.post("/v1/chat/completions", json=request)
    assert response.status_code == 403
    assert "tier-cache" in response.text


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses", "/v1/completions"])
def test_the_caches_model_group_cannot_be_called_on_other_endpoints(gateway: Any, path: str) -> None:
    body = {"model": "tier-cache", "max_tokens": 5, "messages": [{"role": "user", "content": PROMPT}]}
    body |= {"input": PROMPT} if path == "/v1/responses" else {"prompt": PROMPT} if path == "/v1/completions" else {}
    with gateway.proxy.client("sk-eve-red") as client:
        assert client.post(path, json=body).status_code == 403


def test_the_caches_model_group_is_no_fallback_of_the_clients_choice(gateway: Any) -> None:
    gateway.ask(PROMPT, key="sk-ann-blue")
    gateway.first.order("fault", model="*", fault="status_500", times=None)
    gateway.second.order("fault", model="*", fault="status_500", times=None)
    body, _ = gateway.ask("What is the capital of Oman?", key="sk-eve-red", fallbacks=["tier-cache"])
    assert body["status"] >= 400


def test_a_call_id_in_flight_cannot_be_taken_over(gateway: Any) -> None:
    gateway.first.order("latency", first_byte={"kind": "constant", "ms": 300})

    def ask(key: str, prompt: str) -> tuple[str, str]:
        with gateway.proxy.client(key) as client:
            response = client.post(
                "/v1/chat/completions",
                json={"model": "auto", "messages": [{"role": "user", "content": prompt}]},
                headers={"x-litellm-call-id": "the-same-id"},
            )
        return response.headers["x-tiergate-decision-id"], response.json()["choices"][0]["message"]["content"]

    prompts = {f"sk-user{n}-team": f"What is the meaning of word number {n}?" for n in range(6)}
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        outcomes = dict(zip(prompts, pool.map(lambda item: ask(*item), prompts.items()), strict=True))
    assert len({decision for decision, _ in outcomes.values()}) == len(prompts)
    for key, (decision, text) in outcomes.items():
        assert prompts[key] in text or prompts[key].rstrip("?") in text
        assert gateway.record(decision)["status"] == "ok"


def test_a_control_that_policy_does_not_allow_is_refused_by_name(gateway: Any) -> None:
    body, _ = gateway.ask(PROMPT, metadata={"tiergate": {"cache": "off"}})
    assert body["status"] == 403
    assert "cache" in str(body)
