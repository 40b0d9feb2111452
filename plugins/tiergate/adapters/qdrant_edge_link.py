"""The proxy's end of a Qdrant Edge process: starts it, sends it requests, notices when it is gone.

A message is JSON, a zero byte, and float32 values; an answer repeats its request's `id`.
"""

import json
import shutil
import socket
import subprocess
import sys
import threading
from contextlib import nullcontext
from io import BytesIO
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from tiergate.errors import StoreError

Channel = Literal["look_up", "store"]

# -P: nothing in the folder that the proxy was started in may stand in for a module.
_PROCESS = [sys.executable, "-P", "-m", "tiergate.adapters.qdrant_edge_process"]
_START_S = 60.0
_CLOSE_S = 10.0


def encode(message: dict[str, Any], vector: bytes = b"") -> bytes:
    """One message as bytes; `vector` holds float32 values in the machine's byte order."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\0" + vector


def decode(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """The inverse of `encode`."""
    head, _, vector = raw.partition(b"\0")
    message: dict[str, Any] = json.loads(head)
    return message, vector


class EdgeLink:
    """A running Edge process on one shard folder.

    Each channel carries one request at a time, so look-ups do not wait behind stores. All methods block.

    Args:
        folder: The shard's folder; made when missing.
        dimensions: Length of the vectors.
        max_entries: The oldest entries go when there are more; 0 for no limit.

    Raises:
        StoreError: The process could not open the shard.
    """

    def __init__(self, folder: Path, dimensions: int, max_entries: int = 0) -> None:
        self.folder = folder
        pairs = [socket.socketpair() for _ in range(2)]
        theirs = [pair[1] for pair in pairs]
        self._channels: dict[Channel, Connection[Any, Any]] = {
            "look_up": Connection(pairs[0][0].detach()),
            "store": Connection(pairs[1][0].detach()),
        }
        self._locks: dict[Channel, threading.Lock] = {"look_up": threading.Lock(), "store": threading.Lock()}
        self._numbers: dict[Channel, int] = {"look_up": 0, "store": 0}
        self._process = subprocess.Popen(  # noqa: S603 - our own module with our own arguments
            [
                *_PROCESS,
                "serve",
                json.dumps({"folder": str(folder), "dimensions": dimensions, "max_entries": max_entries}),
                *(str(end.fileno()) for end in theirs),
            ],
            stdin=subprocess.DEVNULL,
            pass_fds=[end.fileno() for end in theirs],
        )
        for end in theirs:
            end.close()
        ready, _ = self._receive("store", _START_S)
        if "error" in ready:
            self.kill()
            raise StoreError(f"the answer store in {folder} cannot be opened: {ready['error']}")
        self.points = int(ready["points"])
        self.indexed = int(ready["indexed"])

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def call(
        self, channel: Channel, request: dict[str, Any], vector: bytes = b"", *, timeout_s: float
    ) -> dict[str, Any]:
        """Send a request and return its answer.

        Raises:
            StoreError: The shard answered with an error, took longer than `timeout_s` (then the process is
                ended), or the process is gone.
        """
        return self.call_with_vectors(channel, request, vector, timeout_s=timeout_s)[0]

    def call_with_vectors(
        self, channel: Channel, request: dict[str, Any], vector: bytes = b"", *, timeout_s: float
    ) -> tuple[dict[str, Any], bytes]:
        """Send a request and return its answer with the float32 values that came along.

        Raises:
            StoreError: As `call` does.
        """
        with self._locks[channel]:
            self._numbers[channel] += 1
            number = self._numbers[channel]
            try:
                self._channels[channel].send_bytes(encode({"id": number, **request}, vector))
            except OSError as exc:
                raise StoreError("the answer store's process is gone") from exc
            answer, values = self._receive(channel, timeout_s)
        if "error" in answer:
            raise StoreError(f"the answer store failed: {answer['error']}")
        return answer, values

    def close(self) -> None:
        """Hang up, and wait until the process has flushed."""
        for channel, lock in self._locks.items():
            with lock:
                self._channels[channel].close()
        try:
            self._process.wait(_CLOSE_S)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End the process now. What it acknowledged is in its write-ahead log."""
        self._process.kill()
        self._process.wait()

    def _receive(self, channel: Channel, timeout_s: float) -> tuple[dict[str, Any], bytes]:
        connection = self._channels[channel]
        try:
            if not connection.poll(timeout_s):
                self.kill()
                raise StoreError(f"the answer store did not answer within {timeout_s:g} s")
            return decode(connection.recv_bytes())
        except (EOFError, OSError) as exc:
            self.kill()
            raise StoreError(f"the answer store's process ended with status {self._process.returncode}") from exc


class EdgeOptimiser:
    """A process that builds the indexes of a shard in a copy of its folder.

    Args:
        source: Folder to copy; nobody may write to it until `copy` returns.
        target: Folder to make.

    Raises:
        StoreError: `target` exists.
    """

    def __init__(self, source: Path, target: Path) -> None:
        if target.exists():
            raise StoreError(f"{target} exists already")
        self.target = target
        self._source = source
        self._process: subprocess.Popen[bytes] | None = None

    def copy(self) -> None:
        """Start the process and block until the copy is made.

        Raises:
            StoreError: The copy could not be made.
        """
        self._process = subprocess.Popen(  # noqa: S603 - our own module with our own arguments
            [*_PROCESS, "optimise", str(self._source), str(self.target)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        with self._process.stdout or nullcontext(BytesIO()) as output:
            if output.readline() != b"copied\n":
                raise StoreError(f"the answer store could not be copied to {self.target}")

    def wait(self) -> None:
        """Block until the indexes are built.

        Raises:
            StoreError: The process failed.
        """
        if self._process is None or self._process.wait() != 0:
            self.discard()
            raise StoreError(f"optimising the answer store into {self.target} failed")

    def end(self) -> None:
        """End the process if it still runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def discard(self) -> None:
        """End the process and remove what it made."""
        self.end()
        shutil.rmtree(self.target, ignore_errors=True)
