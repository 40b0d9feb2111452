"""A stand-in provider over HTTP: OpenAI's and Anthropic's wire formats, answers by scenario, faults.

    python -m tiergate.demo.provider --port 8001 --name openai-standin --scenario default

Control while it runs: `POST /control/fault`, `POST /control/latency`, `POST /control/reset`,
`GET /control/requests` (`?prompts=1` shows the prompts too).
"""

import argparse
import json
import socket
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

import uvicorn
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp
from typing_extensions import override

from tiergate.demo.answers import Asked, decide_answer
from tiergate.demo.anthropic_messages import Messages
from tiergate.demo.control import Arrival, Conduct, Control, FaultOrder, LatencyOrder
from tiergate.demo.delivery import DroppedConnection, PacedResponse, PacedStream, expose_transport
from tiergate.demo.embeddings import render_embeddings
from tiergate.demo.openai_chat import ChatCompletions, TextCompletions
from tiergate.demo.openai_responses import Responses
from tiergate.demo.scenario import Fault, FaultRule, Scenario, load_scenario
from tiergate.demo.wire import BadRequestError, Wire, encode_json, render_openai_error
from tiergate.errors import ConfigurationError

_WIRES: Sequence[Wire] = (ChatCompletions(), TextCompletions(), Responses(), Messages())
_REFUSED: dict[Fault, tuple[int, str, str | None]] = {
    Fault.STATUS_401: (401, "Incorrect API key provided.", "invalid_api_key"),
    Fault.STATUS_429: (429, "Rate limit reached for requests.", "rate_limit_exceeded"),
    Fault.STATUS_500: (500, "The server had an error while processing your request.", None),
    Fault.STATUS_503: (503, "The engine is currently overloaded, please try again later.", None),
    Fault.CONTEXT_OVERFLOW: (
        400,
        "This model's maximum context length is 8192 tokens; your messages are longer.",
        "context_length_exceeded",
    ),
    Fault.CONTENT_FILTER: (
        400,
        "Your request was rejected as a result of our safety system.",
        "content_policy_violation",
    ),
}


class StandInProvider:
    """One stand-in provider: its scenario, its state and its endpoints.

    Args:
        scenario: How it behaves.
        name: Its name, part of ids and of `GET /health`.
    """

    def __init__(self, scenario: Scenario, name: str) -> None:
        self._scenario, self._name = scenario, name
        self._control = Control(scenario)

    def build_routes(self) -> list[Route]:
        """Return the routes of every endpoint."""
        endpoints: list[tuple[str, str, Callable[[Request], Awaitable[Response]]]] = [
            ("GET", "/health", self._tell_health),
            ("GET", "/v1/models", self._list_models),
            ("POST", "/v1/embeddings", self._serve_embeddings),
            ("POST", "/control/fault", self._arm_fault),
            ("POST", "/control/latency", self._set_latency),
            ("POST", "/control/reset", self._reset),
            ("GET", "/control/requests", self._list_requests),
        ]
        endpoints += [("POST", wire.endpoint, self._build_endpoint(wire)) for wire in _WIRES]
        return [Route(path, endpoint, methods=[method]) for method, path, endpoint in endpoints]

    def _build_endpoint(self, wire: Wire) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            body = await _read_json(request)
            arrival = self._control.record(wire.endpoint, request.headers, body)
            try:
                asked = wire.parse(body)
            except BadRequestError as exc:
                return _refuse(wire, arrival, 400, str(exc), param=exc.param, code=exc.code)
            except (AttributeError, KeyError, TypeError, ValueError) as exc:
                return _refuse(wire, arrival, 400, f"The request is malformed: {exc!r}")
            return self._answer(wire, asked, arrival)

        return serve

    def _answer(self, wire: Wire, asked: Asked, arrival: Arrival) -> Response:
        conduct = self._control.decide_conduct(asked)
        arrival.rule = conduct.rule.name if conduct.rule is not None else None
        if asked.logprobs and conduct.profile.logprobs == "rejected":
            message = f"'logprobs' is not supported with model {asked.model}."
            return _refuse(wire, arrival, 400, message, param="logprobs", code="unsupported_parameter")
        if conduct.profile.logprobs == "ignored":
            asked = replace(asked, logprobs=False, top_logprobs=0)
        if (
            conduct.fault is not None
            and (refusal := _fail(wire, arrival, conduct, conduct.fault)) is not None
        ):
            return refusal
        return self._deliver(wire, asked, arrival, conduct)

    def _deliver(self, wire: Wire, asked: Asked, arrival: Arrival, conduct: Conduct) -> Response:
        answers = [
            decide_answer(
                asked,
                rule=conduct.rule,
                certainty=conduct.profile.certainty,
                seed=self._scenario.seed,
                index=index,
                fault=conduct.fault,
            )
            for index in range(asked.choices)
        ]
        serial = f"{self._name}-{arrival.number}"
        cut = conduct.fault is not None and conduct.fault.fault is Fault.TRUNCATED_STREAM
        longest = max(answer.completion_tokens for answer in answers)
        if asked.stream:
            return PacedStream(
                wire.render_stream(asked, answers, serial),
                arrival,
                first_byte_s=conduct.first_byte_s,
                per_token_s=conduct.per_token_s,
                stop_after=2 + longest // 2 if cut else None,
            )
        return PacedResponse(
            encode_json(wire.render(asked, answers, serial)),
            arrival,
            wait_s=conduct.first_byte_s + conduct.per_token_s * longest,
            cut=cut,
            outcome=conduct.fault.fault if conduct.fault is not None else "answered",
        )

    async def _serve_embeddings(self, request: Request) -> Response:
        body = await _read_json(request)
        arrival = self._control.record("/v1/embeddings", request.headers, body)
        wire = _WIRES[0]
        try:
            rendered = render_embeddings(body)
        except BadRequestError as exc:
            return _refuse(wire, arrival, 400, str(exc), param=exc.param, code=exc.code)
        conduct = self._control.decide_conduct(Asked(model=str(body["model"]), question=str(body["input"])))
        if (
            conduct.fault is not None
            and (refusal := _fail(wire, arrival, conduct, conduct.fault)) is not None
        ):
            return refusal
        return PacedResponse(encode_json(rendered), arrival, wait_s=conduct.first_byte_s)

    async def _tell_health(self, _request: Request) -> Response:
        return JSONResponse({"status": "ok", "name": self._name, "scenario": self._scenario.name})

    async def _list_models(self, _request: Request) -> Response:
        names = [name for profile in self._scenario.models for name in profile.listed]
        data = [{"id": name, "object": "model", "created": 0, "owned_by": self._name} for name in names]
        return JSONResponse({"object": "list", "data": data})

    async def _arm_fault(self, request: Request) -> Response:
        try:
            self._control.arm(FaultOrder.model_validate_json(await request.body()))
        except ValidationError as exc:
            return _refuse_order(exc)
        return JSONResponse({"status": "ok"})

    async def _set_latency(self, request: Request) -> Response:
        try:
            self._control.slow_down(LatencyOrder.model_validate_json(await request.body()))
        except ValidationError as exc:
            return _refuse_order(exc)
        return JSONResponse({"status": "ok"})

    async def _reset(self, _request: Request) -> Response:
        self._control.reset()
        return JSONResponse({"status": "ok"})

    async def _list_requests(self, request: Request) -> Response:
        prompts = request.query_params.get("prompts", "0").lower() in {"1", "true", "yes"}
        return JSONResponse(self._control.render(prompts=prompts))


def _refuse_order(exc: ValidationError) -> JSONResponse:
    """Say what is wrong with a control order."""
    return JSONResponse(render_openai_error(400, str(exc), None, "invalid_order"), status_code=400)


async def _read_json(request: Request) -> dict[str, Any]:
    """Return the body; anything but a JSON object counts as an empty one, which no endpoint accepts."""
    try:
        body = json.loads(await request.body())
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _refuse(
    wire: Wire,
    arrival: Arrival,
    status: int,
    message: str,
    *,
    param: str | None = None,
    code: str | None = None,
) -> Response:
    body = encode_json(wire.render_error(status, message, param, code))
    return PacedResponse(body, arrival, status=status, outcome="bad_request")


def _fail(wire: Wire, arrival: Arrival, conduct: Conduct, fault: FaultRule) -> Response | None:
    """Return the response of a fault that replaces the answer; None for one that changes it."""
    kind = fault.fault
    if kind in _REFUSED:
        status, message, code = _REFUSED[kind]
        headers = {} if fault.retry_after_s is None else {"retry-after": f"{fault.retry_after_s:g}"}
        body = encode_json(wire.render_error(status, message, None, code))
        wait_s = conduct.first_byte_s
        return PacedResponse(body, arrival, wait_s=wait_s, status=status, headers=headers, outcome=kind)
    if kind is Fault.CONNECTION_RESET:
        return DroppedConnection(arrival, outcome=kind, hang_s=0.0)
    if kind is Fault.TIMEOUT:
        return DroppedConnection(arrival, outcome=kind, hang_s=fault.hang_s)
    if kind is Fault.MALFORMED_JSON:
        return PacedResponse('{"id": "broken", "choices": [{"mess', arrival, outcome=kind)
    return None


def build_app(scenario: Scenario | None = None, *, name: str = "standin") -> ASGIApp:
    """Return a stand-in provider as an ASGI app.

    Args:
        scenario: How it behaves; None for the shipped default.
        name: Its name.
    """
    provider = StandInProvider(scenario or load_scenario("default"), name)
    return expose_transport(Router(provider.build_routes()))


class _Server(uvicorn.Server):
    """Prints one line when it takes requests."""

    def __init__(self, config: uvicorn.Config, ready: str) -> None:
        super().__init__(config)
        self._ready = ready

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then say so."""
        await super().startup(sockets)
        print(self._ready, flush=True)  # noqa: T201  the ready line is this command's interface


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until stopped; return the exit status."""
    parser = argparse.ArgumentParser(prog="tiergate.demo.provider", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--name", default="standin")
    parser.add_argument("--scenario", default="default", help="a YAML file or the name of a shipped scenario")
    options = parser.parse_args(arguments)
    try:
        app = build_app(load_scenario(options.scenario), name=options.name)
    except ConfigurationError as exc:
        print(exc, file=sys.stderr)  # noqa: T201
        return 2
    listener = socket.create_server((options.host, options.port))
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    ready = f"ready {options.name} http://{options.host}:{listener.getsockname()[1]}"
    _Server(config, ready).run(sockets=[listener])
    return 0


if __name__ == "__main__":
    sys.exit(main())
