"""What the wire formats of the stand-in have in common: events of a stream, errors, the text of a message."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

from tiergate.demo.answers import Asked, StandInAnswer

Value = TypeVar("Value")


class BadRequestError(ValueError):
    """The request is wrong: a 400.

    Args:
        message: What is wrong.
        param: The field at fault.
        code: The provider's code for it.
    """

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        self.param, self.code = param, code
        super().__init__(message)


class Frame(NamedTuple):
    """One server-sent event, and whether the per-token latency comes before it."""

    data: str
    paced: bool = False


class Wire(Protocol):
    """One endpoint's wire format."""

    @property
    def endpoint(self) -> str:
        """Path of the endpoint."""
        ...

    def parse(self, body: Mapping[str, Any]) -> Asked:
        """Read a request.

        Raises:
            BadRequestError: A required field is missing or of the wrong type.
        """
        ...

    def render(self, asked: Asked, answers: Sequence[StandInAnswer], serial: str) -> dict[str, Any]:
        """Return the body of an answer that is not streamed; `serial` makes its ids unique."""
        ...

    def render_stream(self, asked: Asked, answers: Sequence[StandInAnswer], serial: str) -> Iterator[Frame]:
        """Yield the events of a streamed answer."""
        ...

    def render_error(self, status: int, message: str, param: str | None, code: str | None) -> dict[str, Any]:
        """Return the body of an error."""
        ...


def encode_json(value: Any) -> str:
    """Compact JSON. NaN is written as it is, because a broken provider does so too."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def read_text(content: Any) -> str:
    """Return the text of a message's content, which may be a string or a list of typed parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(
        str(part.get("text") or part.get("content") or "") if isinstance(part, Mapping) else str(part)
        for part in content
    )


def read_field(body: Mapping[str, Any], name: str, kind: type[Value], default: Value) -> Value:
    """Return a field of the request, or the default where it is absent or null.

    Raises:
        BadRequestError: The field has another type.
    """
    value = body.get(name)
    if value is None:
        return default
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
        raise BadRequestError(f"Invalid type for '{name}': expected {kind.__name__}", name, "invalid_type")
    return value


def read_model(body: Mapping[str, Any]) -> str:
    """Return the model that the request names.

    Raises:
        BadRequestError: It names none.
    """
    model = read_field(body, "model", str, "")
    if not model:
        raise BadRequestError("you must provide a model parameter", "model", "missing_required_parameter")
    return model


def find_question(messages: Sequence[Any]) -> str:
    """Return the text of the last user message."""
    for message in reversed(messages):
        if (
            isinstance(message, Mapping)
            and message.get("role") == "user"
            and (text := read_text(message.get("content")))
        ):
            return text
    return ""


def render_openai_error(status: int, message: str, param: str | None, code: str | None) -> dict[str, Any]:
    """Return an error as OpenAI writes it."""
    kinds = {401: "authentication_error", 429: "rate_limit_error", 400: "invalid_request_error"}
    kind = kinds.get(status, "server_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
