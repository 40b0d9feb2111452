from litellm import ModelResponse

from tiergate.exchange import Answer
from tiergate.hooks.stored_body import write_stored_body
from tiergate.policy.money import Usage


def test_an_answer_reads_back_as_a_chat_completion() -> None:
    body = write_stored_body(Answer(text="Hello"), Usage(prompt_tokens=3, completion_tokens=2), "m")
    response = ModelResponse(**body)
    assert response.choices[0].message.content == "Hello"
    assert response.choices[0].finish_reason == "stop"
    assert response.usage.total_tokens == 5
    assert write_stored_body(Answer(text="Hello"), None, "m")["usage"]["total_tokens"] == 0
