from typing import Any

from litellm import TextCompletionResponse

from tiergate.hooks.completions_endpoint import CompletionsFormat, read_text_logprobs

READER = CompletionsFormat()
SCORES = {
    "text_offset": [0, 2],
    "tokens": ["He", "llo"],
    "token_logprobs": [-0.1, -0.2],
    "top_logprobs": [{"He": -0.1, "Hi": -3.0}, {}],
}


def completion(text: str | None, finish: str | None = None, **fields: Any) -> TextCompletionResponse:
    choice = {"text": text, "index": 0, "finish_reason": finish, **fields}
    return TextCompletionResponse(model="m", choices=[choice])


def test_text_end_and_tokens_are_read_and_stripped() -> None:
    response = completion("Hello", "stop", logprobs=SCORES)
    answer = READER.parse(response)
    assert (answer.text, answer.finish_reason) == ("Hello", "stop")
    assert [(token.logprob, token.top) for token in answer.logprobs] == [(-0.1, (-0.1, -3.0)), (-0.2, ())]
    copied = READER.copy(response)
    READER.strip(response)
    assert response.choices[0].logprobs is None
    assert READER.read_piece(copied)[1] == answer.logprobs
    assert READER.parse({}).text == ""


def test_malformed_log_probabilities_give_fewer_tokens() -> None:
    assert read_text_logprobs(None) == ()
    assert read_text_logprobs({"tokens": ["a", "b"], "token_logprobs": [None, "x"]}) == ()


def test_log_probabilities_are_asked_where_a_number_means_something() -> None:
    assert READER.ask_logprobs({"a": 1}, "openai/m", 9) == {"a": 1, "logprobs": 5}
    assert READER.ask_logprobs({}, "anthropic/m", 9) is None


def test_a_stream_amounts_to_its_text() -> None:
    chunks = [completion("Hel"), completion("lo"), completion(None, "stop")]
    whole = READER.assemble(chunks, None)
    answer = READER.parse(whole)
    assert (answer.text, answer.finish_reason) == ("Hello", "stop")
    READER.strip(whole)
    stored = READER.stored_body(whole, answer)
    assert stored is not None
    assert stored["choices"][0]["message"]["content"] == "Hello"
    assert READER.assemble(chunks[:2], None) is None
