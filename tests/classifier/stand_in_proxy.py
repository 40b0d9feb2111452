"""A stand-in for the running proxy over real HTTP: prices, answers by model group, faults."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class StandInProxy(ThreadingHTTPServer):
    """Counts what it is asked; `answers` says what each group replies, `failures` how often it fails first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: dict[str, str] = {}
        self.failures: Counter[str] = Counter()
        self.failure_status = 500
        self.asked: list[dict[str, Any]] = []
        self.cost_header: str | None = "0.001"
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        price = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
        groups = ("tier-simple", "tier-medium", "tier-frontier", "judge")
        entries: list[dict[str, Any]] = [{"model_name": name, "model_info": price} for name in groups]
        self._send(200, {"data": [*entries, {"model_name": "free", "model_info": {}}]})

    def do_POST(self) -> None:
        served: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with served.lock:
            served.asked.append(body)
            failing = served.failures[body["model"]] > 0
            served.failures[body["model"]] -= failing
        if failing:
            self._send(served.failure_status, {"error": "ordered"})
            return
        text = served.answers.get(body["model"], f"An answer of {body['model']}.")
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": 10, "completion_tokens": 5}
        self._send(200, {"choices": [{"message": message}], "usage": usage}, cost=served.cost_header)

    def _send(self, status: int, body: Any, cost: str | None = None) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(data)))
        if cost is not None:
            self.send_header("x-litellm-response-cost", cost)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@contextmanager
def running_proxy() -> Iterator[StandInProxy]:
    """Run it for the duration of the block."""
    server = StandInProxy()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
