from tests.unit.hooks.conftest import SURE, chunks_of, completion

from tiergate.hooks.answer_format import FORMATS
from tiergate.hooks.request_parser import ENDPOINTS, METADATA_KEYS

READER = FORMATS["chat_completions"]


def test_every_endpoint_has_a_format_of_its_own_call_type() -> None:
    assert {name: FORMATS[endpoint].call_type for name, endpoint in ENDPOINTS.items()} == {
        name: name for name in ENDPOINTS
    }
    assert set(METADATA_KEYS) == set(FORMATS)


def test_a_chat_stream_amounts_to_its_completion() -> None:
    chunks = chunks_of("Hello there")
    whole = READER.assemble(chunks, None)
    assert READER.parse(whole).text == "Hello there"
    assert READER.assemble([], None) is None
    text, logprobs = READER.read_piece(chunks[0])
    assert (text, [token.logprob for token in logprobs]) == ("Hello", [SURE])
    copied = READER.copy(chunks[0])
    READER.strip(chunks[0])
    assert (READER.read_piece(chunks[0])[1], len(READER.read_piece(copied)[1])) == ((), 1)


def test_chat_log_probabilities_are_asked_by_flag_and_answers_kept_as_they_are() -> None:
    assert READER.ask_logprobs({"a": 1}, "openai/m", 0) == {"a": 1, "logprobs": True}
    assert READER.ask_logprobs({}, "openai/m", 2) == {"logprobs": True, "top_logprobs": 2}
    answer = completion("Hello")
    assert READER.stored_body(answer, READER.parse(answer)) == answer.model_dump()


def test_a_streams_cost_is_not_charged_again_for_each_hit() -> None:
    answer = completion("Hello")
    answer.usage.cost = 0.5
    stored = READER.stored_body(answer, READER.parse(answer))
    assert stored is not None
    assert "cost" not in stored["usage"]
    assert stored["usage"]["completion_tokens"] == 5
