"""How an answer leaves the stand-in: paced, and broken on purpose where a fault says so."""

import asyncio
import socket
import struct
from collections.abc import Iterable

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from tiergate.demo.control import Arrival
from tiergate.demo.wire import Frame

_TRANSPORT = "tiergate.transport"
_DROPPED_WITHIN_S = 1.0
_STREAM_HEADERS = {"cache-control": "no-cache", "content-type": "text/event-stream; charset=utf-8"}


class ConnectionDroppedError(ConnectionResetError):
    """The connection was dropped on purpose, on a server whose transport cannot be reached."""


def expose_transport(app: ASGIApp) -> ASGIApp:
    """Wrap an app so that a response can reach the connection under it.

    uvicorn hands the app a bound method of the object that holds the transport. ASGI has no way to reset a
    connection, and a provider that does is what a gateway must survive.
    """

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        scope[_TRANSPORT] = getattr(getattr(send, "__self__", None), "transport", None)
        await app(scope, receive, send)

    return wrapped


async def drop_connection(scope: Scope, receive: Receive, *, reset: bool) -> None:
    """Drop the connection: with a TCP reset, or by closing it before the answer is complete.

    Raises:
        ConnectionDroppedError: The server's transport cannot be reached.
    """
    transport = scope.get(_TRANSPORT)
    if transport is None:
        raise ConnectionDroppedError("dropped on purpose")
    if reset:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()
    await wait_unless_gone(receive, _DROPPED_WITHIN_S)


async def wait_unless_gone(receive: Receive, seconds: float) -> bool:
    """Wait, but not for a client that has gone; say whether it is still there.

    The request's body must have been read.
    """
    if seconds <= 0:
        return True
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return True
    return False


class PacedResponse(Response):
    """A body that waits before it leaves.

    Args:
        body: The whole body.
        arrival: Where the outcome is noted.
        wait_s: Wait before the first byte.
        cut: Send half of the body, then drop the connection.
        outcome: What to note when all of it was sent.
        status: HTTP status.
        headers: More headers.
    """

    def __init__(
        self,
        body: str,
        arrival: Arrival,
        *,
        wait_s: float = 0.0,
        cut: bool = False,
        outcome: str = "answered",
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(body, status_code=status, headers=headers, media_type="application/json")
        self._arrival, self._wait_s, self._cut, self._outcome = arrival, wait_s, cut, outcome

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not await wait_unless_gone(receive, self._wait_s):
            self._arrival.outcome = "client_gone"
            return
        self._arrival.outcome = self._outcome
        if not self._cut:
            await super().__call__(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await drop_connection(scope, receive, reset=False)


class PacedStream(Response):
    """Server-sent events that wait before the first byte and between tokens.

    Args:
        frames: The events.
        arrival: Where the outcome is noted.
        first_byte_s: Wait before the first byte.
        per_token_s: Wait before each paced event.
        stop_after: Drop the connection after this many events; None for a whole stream.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        arrival: Arrival,
        *,
        first_byte_s: float,
        per_token_s: float,
        stop_after: int | None = None,
    ) -> None:
        super().__init__(headers=_STREAM_HEADERS)
        del self.headers["content-length"]
        self._frames, self._arrival = frames, arrival
        self._first_byte_s, self._per_token_s, self._stop_after = first_byte_s, per_token_s, stop_after

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._arrival.outcome = "client_gone"  # unless the end is reached
        if not await wait_unless_gone(receive, self._first_byte_s):
            return
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for place, frame in enumerate(self._frames):
            if place == self._stop_after:
                self._arrival.outcome = "truncated_stream"
                await drop_connection(scope, receive, reset=False)
                return
            if frame.paced and not await wait_unless_gone(receive, self._per_token_s):
                return
            await send({"type": "http.response.body", "body": frame.data.encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        self._arrival.outcome = "answered"


class DroppedConnection(Response):
    """No answer at all: the connection is reset, at once or after it hung for a while.

    Args:
        arrival: Where the outcome is noted.
        outcome: What to note.
        hang_s: How long the client waits in vain.
    """

    def __init__(self, arrival: Arrival, *, outcome: str, hang_s: float) -> None:
        super().__init__()
        self._arrival, self._outcome, self._hang_s = arrival, outcome, hang_s

    @override
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._arrival.outcome = self._outcome
        if await wait_unless_gone(receive, self._hang_s):
            await drop_connection(scope, receive, reset=True)
