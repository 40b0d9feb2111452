"""A hit has the shape of the answer it repeats, by the real SDK, whole and streamed."""

from typing import Any

import pytest

pytestmark = pytest.mark.proxy
VARYING = {"id", "created"}
KEY = "sk-vera-violet"


def shape(value: Any) -> Any:
    """Return a JSON value with every key kept, and every leaf replaced by its type."""
    if isinstance(value, dict):
        # LiteLLM adds the cost of a call to a stream's usage; a hit has none.
        return {key: shape(item) for key, item in sorted(value.items()) if key != "cost"}
    if isinstance(value, list):
        return [shape(item) for item in value]
    return type(value).__name__


def ask(gateway: Any, prompt: str, **body: Any) -> tuple[Any, Any]:
    client = gateway.openai(KEY)
    response = client.chat.completions.with_raw_response.create(
        model="auto", messages=[{"role": "user", "content": prompt}], **body
    )
    return response.http_response, response.parse()


def test_the_body_of_a_hit_is_that_of_the_answer_but_for_id_and_time(gateway: Any) -> None:
    first, _ = ask(gateway, "How many legs does an octopus have?")
    again, answer = ask(gateway, "How many legs does an octopus have?")
    assert (first.headers["x-tiergate-cache"], again.headers["x-tiergate-cache"]) == ("miss", "hit")
    one, two = first.json(), again.json()
    assert one.keys() == two.keys()
    assert {key: two[key] for key in two if key not in VARYING} == {key: one[key] for key in one if key not in VARYING}
    assert one["id"] != two["id"]
    assert two["created"] >= one["created"]
    assert answer.usage.total_tokens > 0


def stream(gateway: Any, prompt: str, **body: Any) -> tuple[str, list[dict[str, Any]]]:
    client = gateway.openai(KEY)
    with client.chat.completions.with_streaming_response.create(
        model="auto", messages=[{"role": "user", "content": prompt}], stream=True, **body
    ) as response:
        chunks = [chunk.model_dump(exclude_unset=True) for chunk in response.parse()]
        return response.headers["x-tiergate-cache"], chunks


@pytest.mark.parametrize("usage", [False, True], ids=["plain", "with usage"])
def test_a_streamed_hit_has_the_chunks_of_a_stream(gateway: Any, usage: bool) -> None:  # noqa: FBT001
    options = {"stream_options": {"include_usage": True}} if usage else {}
    prompt = "How many wheels does a tricycle have?" if usage else "How many strings does a violin have?"
    outcomes, streams = zip(*(stream(gateway, prompt, **options) for _ in range(3)), strict=True)
    assert outcomes[0] == "miss"
    assert "hit" in outcomes[1:]
    live, hit = streams[0], streams[outcomes.index("hit")]
    texts = ["".join(c["delta"].get("content") or "" for chunk in s for c in chunk["choices"]) for s in (live, hit)]
    assert texts[0] == texts[1]
    for chunks in (live, hit):
        assert chunks[0]["choices"][0]["delta"]["role"] == "assistant"
        assert [c["finish_reason"] for chunk in chunks for c in chunk["choices"] if c.get("finish_reason")] == ["stop"]
        assert len({chunk["id"] for chunk in chunks}) == 1
        assert len({chunk["created"] for chunk in chunks}) == 1
        assert ("usage" in chunks[-1] and chunks[-1]["usage"] is not None) is usage
    assert live[0]["id"] != hit[0]["id"]
    assert {chunk["model"] for chunk in live} == {chunk["model"] for chunk in hit}
    assert keys_of(live) == keys_of(hit)
    if usage:
        assert {**live[-1]["usage"], "cost": None} == {**hit[-1]["usage"], "cost": None}
        assert hit[-1]["choices"] == live[-1]["choices"]


def keys_of(chunks: list[dict[str, Any]]) -> list[Any]:
    """Return the different sets of keys that the chunks of a stream show, at every depth."""
    return sorted({repr(shape(chunk)) for chunk in chunks})


def test_an_answer_stored_whole_is_served_as_a_stream_and_the_other_way_round(gateway: Any) -> None:
    whole = ask(gateway, "How many keys does a piano have?")[1].choices[0].message.content
    outcome, chunks = stream(gateway, "How many keys does a piano have?")
    assert outcome == "hit"
    assert "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"]) == whole

    _, chunks = stream(gateway, "How many rings are on the Olympic flag?")
    text = "".join(c["delta"].get("content") or "" for chunk in chunks for c in chunk["choices"])
    for _ in range(20):
        response, answer = ask(gateway, "How many rings are on the Olympic flag?")
        if response.headers["x-tiergate-cache"] == "hit":
            break
    assert response.headers["x-tiergate-cache"] == "hit"
    assert answer.choices[0].message.content == text


def test_a_stream_that_its_client_leaves_costs_nothing_when_it_is_a_hit(gateway: Any) -> None:
    prompt = "How many players does a rugby team have?"
    ask(gateway, prompt)
    before = gateway.first.read_arrivals()["count"]
    client = gateway.openai(KEY)
    with client.chat.completions.with_streaming_response.create(
        model="auto", messages=[{"role": "user", "content": prompt}], stream=True
    ) as response:
        decision = response.headers["x-tiergate-decision-id"]
    record = gateway.final_record(decision)
    assert record["cache"]["outcome"] == "hit"
    assert record["cost_usd"] == 0
    assert gateway.first.read_arrivals()["count"] == before


def test_what_became_of_an_answer_stands_in_the_record(gateway: Any) -> None:
    for prompt, outcome, reason, stored in (
        ("What are the three primary colours?", "miss", "no_neighbour", "stored"),
        ("What is the weather in Lisbon?", "skipped", "about_now", "about_now"),
        ("Where is my order?", "skipped", "about_caller", "about_caller"),
    ):
        _, headers = gateway.ask(prompt, key="sk-tom-green")
        record = gateway.record(headers["decision-id"])
        assert (record["cache"]["outcome"], record["cache"]["reason"]) == (outcome, reason)
        assert record["cache"]["store_reason"] == stored


def test_earlier_turns_and_the_system_prompt_are_part_of_the_key(gateway: Any) -> None:
    question = {"role": "user", "content": "What is the largest planet of the solar system?"}
    polite = {"role": "system", "content": "Answer politely."}
    earlier = [{"role": "user", "content": "Let us talk about planets."}, {"role": "assistant", "content": "Gladly."}]
    outcomes = []
    for messages in ([question], [polite, question], [*earlier, question], [polite, *earlier, question]):
        for _ in range(2):
            with gateway.proxy.client("sk-zoe-red") as client:
                response = client.post("/v1/chat/completions", json={"model": "auto", "messages": messages})
            outcomes.append(response.headers["x-tiergate-cache"])
    assert outcomes == ["miss", "hit"] * 4
    leaning = [*earlier, {"role": "user", "content": "and the second one?"}]
    with gateway.proxy.client("sk-zoe-red") as client:
        response = client.post("/v1/chat/completions", json={"model": "auto", "messages": leaning})
    assert response.headers["x-tiergate-cache"] == "skipped"
    assert gateway.record(response.headers["x-tiergate-decision-id"])["cache"]["reason"] == "multi_turn"
