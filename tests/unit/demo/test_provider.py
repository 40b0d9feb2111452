"""The endpoints over real HTTP; faults, latency and control."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import anthropic
import httpx
import openai
import pytest
from anthropic import Anthropic
from openai import OpenAI

from tiergate.demo.background import BackgroundProvider

ASK = [{"role": "user", "content": "Where is the energy report?"}]


def connect(provider: BackgroundProvider, *, strict: bool = True) -> OpenAI:
    url = f"{provider.url}/v1"
    return OpenAI(base_url=url, api_key="test", max_retries=0, timeout=5, _strict_response_validation=strict)


def connect_anthropic(provider: BackgroundProvider) -> Anthropic:
    return Anthropic(base_url=provider.url, api_key="test", max_retries=0, timeout=5, _strict_response_validation=True)


def browse(provider: BackgroundProvider) -> httpx.Client:
    return httpx.Client(base_url=provider.url, timeout=5, trust_env=False)


def ask(provider: BackgroundProvider, model: str = "gpt-5.5", **options: Any) -> Any:
    return connect(provider).chat.completions.create(model=model, messages=ASK, **options)


def wait_for_outcome(provider: BackgroundProvider, outcome: str) -> dict[str, Any]:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if (seen := provider.read_arrivals()["requests"]) and seen[-1]["outcome"] == outcome:
            return seen[-1]
        time.sleep(0.02)
    raise AssertionError(f"no {outcome} in {provider.read_arrivals()}")


def test_health_names_provider_and_scenario(provider: BackgroundProvider) -> None:
    expected = {"status": "ok", "name": "test-standin", "scenario": "default"}
    assert browse(provider).get("/health").json() == expected


def test_models_are_listed(provider: BackgroundProvider) -> None:
    assert "deepseek-v4-pro" in {model.id for model in connect(provider).models.list()}


def test_the_same_question_gets_the_same_answer_that_mentions_it(provider: BackgroundProvider) -> None:
    first, second = ask(provider), ask(provider)
    assert first.choices[0].message.content == second.choices[0].message.content
    assert "Where is the energy report" in first.choices[0].message.content
    assert first.id != second.id


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("status_401", openai.AuthenticationError),
        ("status_429", openai.RateLimitError),
        ("status_500", openai.InternalServerError),
        ("status_503", openai.InternalServerError),
        ("context_overflow", openai.BadRequestError),
        ("content_filter", openai.BadRequestError),
        ("connection_reset", openai.APIConnectionError),
        ("malformed_json", ValueError),
        ("truncated_stream", openai.APIConnectionError),
    ],
)
def test_an_armed_fault_happens_once_to_its_model(
    provider: BackgroundProvider, fault: str, error: type[Exception]
) -> None:
    provider.order("fault", model="gpt-*", fault=fault)
    assert ask(provider, "deepseek-v4-pro").choices
    with pytest.raises(error):
        ask(provider)
    assert provider.read_arrivals()["requests"][-1]["outcome"] == fault
    assert ask(provider).choices


def test_a_fault_armed_three_times_happens_three_times(provider: BackgroundProvider) -> None:
    provider.order("fault", model="*", fault="status_500", times=3)
    for _ in range(3):
        with pytest.raises(openai.InternalServerError):
            ask(provider)
    assert ask(provider).choices


def test_rate_limit_tells_when_to_come_back_in_each_wire_format(provider: BackgroundProvider) -> None:
    provider.order("fault", model="*", fault="status_429", retry_after_s=7, times=2)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(provider)
    assert caught.value.response.headers["retry-after"] == "7"
    assert caught.value.code == "rate_limit_exceeded"
    with pytest.raises(anthropic.RateLimitError) as refused:
        connect_anthropic(provider).messages.create(model="claude", max_tokens=9, messages=ASK)
    assert refused.value.body["error"]["type"] == "rate_limit_error"


def test_a_stream_is_truncated_in_the_middle(provider: BackgroundProvider) -> None:
    whole = ask(provider).choices[0].message.content
    provider.order("fault", model="*", fault="truncated_stream")
    got: list[str] = []
    with pytest.raises((openai.APIConnectionError, httpx.RemoteProtocolError)):
        got.extend(chunk.choices[0].delta.content or "" for chunk in ask(provider, stream=True))
    text = "".join(got)
    assert text
    assert whole.startswith(text)
    assert len(text) < len(whole)
    assert provider.read_arrivals()["requests"][-1]["outcome"] == "truncated_stream"


def test_a_connection_reset_is_a_tcp_reset(provider: BackgroundProvider) -> None:
    provider.order("fault", model="*", fault="connection_reset")
    with pytest.raises(httpx.ReadError):
        browse(provider).post("/v1/chat/completions", json={"model": "m", "messages": ASK})


def test_timeout_hangs_then_drops(provider: BackgroundProvider) -> None:
    provider.order("fault", model="*", fault="timeout", hang_s=0.2)
    begun = time.monotonic()
    with pytest.raises(openai.APIConnectionError):
        ask(provider)
    assert time.monotonic() - begun >= 0.2


def test_a_client_that_leaves_while_it_waits_is_seen(provider: BackgroundProvider) -> None:
    provider.order("fault", model="*", fault="timeout", hang_s=60)
    with pytest.raises(httpx.ReadTimeout):
        browse(provider).post("/v1/chat/completions", json={"model": "m", "messages": ASK}, timeout=0.1)
    provider.order("reset")
    provider.order("latency", model="*", first_byte={"kind": "constant", "ms": 60_000})
    with pytest.raises(httpx.ReadTimeout):
        browse(provider).post("/v1/chat/completions", json={"model": "m", "messages": ASK}, timeout=0.1)
    assert wait_for_outcome(provider, "client_gone")


def test_a_client_that_leaves_a_stream_is_seen(provider: BackgroundProvider) -> None:
    provider.order("latency", model="*", per_token={"kind": "constant", "ms": 500})
    body = {"model": "m", "messages": ASK, "stream": True}
    with browse(provider).stream("POST", "/v1/chat/completions", json=body) as response:
        next(response.iter_lines())
    assert wait_for_outcome(provider, "client_gone")


def test_log_probabilities_can_be_nan(provider: BackgroundProvider) -> None:
    provider.order("fault", model="*", fault="nan_logprobs")
    answer = ask(provider, logprobs=True, top_logprobs=2)
    scores = answer.choices[0].logprobs.content
    assert all(score.logprob != score.logprob for score in scores)
    assert len(scores[0].top_logprobs) == 2


def test_an_answer_can_be_empty_or_huge(provider: BackgroundProvider) -> None:
    provider.order("fault", model="*", fault="empty_answer")
    provider.order("fault", model="*", fault="huge_answer", megabytes=1)
    provider.order("fault", model="*", fault="huge_answer", megabytes=1)
    assert ask(provider).choices[0].message.content == ""
    assert len(ask(provider).choices[0].message.content) == 1_000_000
    assert ask(provider, max_tokens=3).usage.completion_tokens == 3


def test_latency_is_waited_for_before_the_answer_and_per_token(provider: BackgroundProvider) -> None:
    provider.order("latency", model="slow*", first_byte={"kind": "constant", "ms": 150})
    begun = time.monotonic()
    ask(provider, "slow-model")
    assert time.monotonic() - begun >= 0.15
    provider.order("latency", model="slow*", per_token={"kind": "constant", "ms": 20})
    begun = time.monotonic()
    chunks = list(ask(provider, "slow-model", stream=True, max_tokens=6))
    assert len(chunks) == 8
    assert time.monotonic() - begun >= 0.12


def test_arrivals_are_told_in_order_with_counts_and_without_prompts(provider: BackgroundProvider) -> None:
    ask(provider, "one", extra_headers={"traceparent": "00-aa-bb-01"})
    ask(provider, "two", stream=True).close()
    connect_anthropic(provider).messages.create(model="one", max_tokens=9, messages=ASK)
    seen = provider.read_arrivals()
    assert (seen["count"], seen["by_model"]) == (3, {"one": 2, "two": 1})
    assert seen["by_endpoint"] == {"/v1/chat/completions": 2, "/v1/messages": 1}
    first = seen["requests"][0]
    assert (first["number"], first["model"], first["stream"], first["outcome"]) == (
        1,
        "one",
        False,
        "answered",
    )
    assert first["headers"]["traceparent"] == "00-aa-bb-01"
    assert first["headers"]["authorization"] == "given"
    assert first["body"] == {"model": "one"}
    assert provider.read_arrivals(prompts=True)["requests"][0]["body"]["messages"] == ASK


def test_reset_forgets_faults_latency_and_arrivals(provider: BackgroundProvider) -> None:
    provider.order("fault", model="*", fault="status_500", times=None)
    provider.order("latency", model="*", first_byte={"kind": "constant", "ms": 60_000})
    provider.order("reset")
    assert ask(provider).choices
    assert provider.read_arrivals()["count"] == 1


@pytest.mark.parametrize("path", ["fault", "latency"])
def test_a_wrong_order_is_refused(provider: BackgroundProvider, path: str) -> None:
    response = browse(provider).post(f"/control/{path}", json={"model": "*", "fault": "nonsense"})
    assert response.status_code == 400
    assert response.json()["error"]["code"] == "invalid_order"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("chat/completions", {"messages": ASK}),
        ("chat/completions", {"model": "m", "messages": []}),
        ("chat/completions", {"model": "m", "messages": ASK, "n": 0}),
        ("chat/completions", {"model": "m", "messages": ASK, "top_logprobs": 3}),
        ("chat/completions", {"model": "m", "messages": ASK, "stream": "yes"}),
        ("chat/completions", {"model": "m", "messages": ASK, "response_format": {"type": "json_schema"}}),
        ("responses", {"model": "m"}),
        ("messages", {"model": "m", "messages": ASK}),
        ("messages", {"model": "m", "max_tokens": 5}),
        ("embeddings", {"model": "m"}),
        ("embeddings", {"model": "m", "input": "x", "dimensions": 0}),
    ],
)
def test_a_wrong_request_is_a_400(provider: BackgroundProvider, path: str, body: dict[str, Any]) -> None:
    response = browse(provider).post(f"/v1/{path}", json=body)
    assert response.status_code == 400
    assert response.json()["error"]["message"]
    assert provider.read_arrivals()["requests"][-1]["outcome"] == "bad_request"


@pytest.mark.parametrize("content", [b"not json", b"[1]"])
def test_a_body_that_is_no_object_is_a_400(provider: BackgroundProvider, content: bytes) -> None:
    assert browse(provider).post("/v1/chat/completions", content=content).status_code == 400


def test_embeddings_of_like_texts_are_near_in_both_encodings(provider: BackgroundProvider) -> None:
    texts = ["the cat sat on the mat", "a cat sat on the mat", "quarterly revenue forecast"]
    # The SDK asks for base64 by itself, which its own strict types do not allow for.
    answer = connect(provider, strict=False).embeddings.create(model="embedding-small", input=texts)
    first, near, far = (entry.embedding for entry in answer.data)
    assert len(first) == 384
    assert sum(a * b for a, b in zip(first, near, strict=True)) > 0.6
    assert abs(sum(a * b for a, b in zip(first, far, strict=True))) < 0.3
    floats = connect(provider).embeddings.create(
        model="embedding-small", input=texts[0], encoding_format="float", dimensions=16
    )
    assert len(floats.data[0].embedding) == 16
    assert answer.usage.prompt_tokens == sum(len(text.split()) for text in texts) + 1


def test_embeddings_can_fail(provider: BackgroundProvider) -> None:
    provider.order("fault", model="embed*", fault="status_503")
    with pytest.raises(openai.InternalServerError):
        connect(provider).embeddings.create(model="embedding-small", input="x")


def test_the_command_prints_one_ready_line_and_serves() -> None:
    command = [sys.executable, "-m", "tiergate.demo.provider", "--port", "0", "--name", "openai-standin"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        word, name, url = process.stdout.readline().split()
        assert (word, name) == ("ready", "openai-standin")
        assert httpx.get(f"{url}/health", trust_env=False).json()["name"] == "openai-standin"
        process.terminate()
        assert process.stdout.read() == ""


def test_the_command_names_the_scenario_that_is_missing(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tiergate.demo.provider", "--scenario", str(tmp_path / "no.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no.yaml: no such scenario" in done.stderr
