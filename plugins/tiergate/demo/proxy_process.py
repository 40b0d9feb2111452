"""Real processes on free ports: stand-in providers and `litellm --config`, for walks and tests."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from tiergate.demo.background import BackgroundProvider
from tiergate.errors import TiergateError

START_S = 180.0
STOP_S = 15.0
GROUP_STOP_S = 5.0


class ProcessError(TiergateError):
    """A process did not come up; the message holds the end of its output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyProcess:
    """A running LiteLLM Proxy.

    Attributes:
        url: Where it listens, without a path.
        master_key: Its master key.
        process: The process; its group holds the workers.
        log: File with its output.
        folder: Its working directory, where relative paths of policy.yaml lead.
    """

    url: str
    master_key: str
    process: subprocess.Popen[bytes]
    log: Path
    folder: Path

    def client(self, key: str | None = None, *, timeout_s: float = 60.0) -> httpx.Client:
        """Return an HTTP client with the proxy's address and a key, the master key by default."""
        headers = {"Authorization": f"Bearer {key or self.master_key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout_s, trust_env=False)

    def kill(self) -> None:
        """Send SIGKILL to the whole process group, as a crash would."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def output(self) -> str:
        """Return everything the proxy has printed so far."""
        return self.log.read_text(encoding="utf-8", errors="replace")


@contextmanager
def interrupted_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the block as Ctrl-C does, so that the processes started in it end too.

    They are leaders of sessions of their own: neither a closed terminal nor `kill` reaches them. Main thread only.
    """
    before = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def free_port() -> int:
    """Return a port of the loopback interface that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def run_provider(name: str, folder: Path, *, scenario: str = "default") -> Iterator[BackgroundProvider]:
    """Run a stand-in provider as a process of its own for the duration of the block.

    Raises:
        ProcessError: It did not start.
    """
    url = f"http://127.0.0.1:{(port := free_port())}"
    command = [sys.executable, "-m", "tiergate.demo.provider"]
    command += ["--port", str(port), "--name", name, "--scenario", scenario]
    with _running(command, folder / f"{name}.log", {}, folder) as process:
        _wait_until_ready(f"{url}/health", process, folder / f"{name}.log")
        yield BackgroundProvider(url)


@contextmanager
def run_proxy(
    config: Path,
    folder: Path,
    *,
    port: int = 0,
    environ: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
    prelude: str = "",
) -> Iterator[ProxyProcess]:
    """Run a real `litellm --config` for the duration of the block.

    Args:
        config: LiteLLM's config.yaml.
        folder: Working directory; relative paths of policy.yaml lead there.
        port: 0 takes a free one.
        environ: Added to the environment.
        options: Added to the command line.
        prelude: Python that the process runs before LiteLLM; ends with a semicolon.

    Raises:
        ProcessError: It did not come up.
    """
    environ = dict(environ or {})
    master_key = environ.get("LITELLM_MASTER_KEY") or os.environ.get("LITELLM_MASTER_KEY") or new_key()
    port = port or free_port()
    url, log = f"http://127.0.0.1:{port}", folder / "litellm.log"
    command = [
        sys.executable,
        "-c",
        f"{prelude}from litellm import run_server; run_server()",
        "--config",
        str(config.resolve()),
    ]
    command += ["--host", "127.0.0.1", "--port", str(port), *options]
    settings = {"LITELLM_MASTER_KEY": master_key, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **environ}
    with _running(command, log, settings, folder) as process:
        _wait_until_ready(f"{url}/health/liveliness", process, log)
        yield ProxyProcess(url=url, master_key=master_key, process=process, log=log, folder=folder)


def quickstart_variables(first: BackgroundProvider, second: BackgroundProvider) -> dict[str, str]:
    """Return the environment variables by which the quickstart's config.yaml finds its two providers."""
    return {
        "STANDIN_OPENAI_BASE": f"{first.url}/v1",
        "STANDIN_ANTHROPIC_BASE": first.url,
        "STANDIN_SECOND_BASE": f"{second.url}/v1",
        "STANDIN_KEY": "stand-in",
    }


@contextmanager
def run_quickstart(
    config: Path, folder: Path, *, port: int = 0, environ: Mapping[str, str] | None = None
) -> Iterator[tuple[ProxyProcess, BackgroundProvider, BackgroundProvider]]:
    """Run two stand-in providers and a proxy that knows them by the quickstart's variables."""
    with ExitStack() as stack:
        first = stack.enter_context(run_provider("first", folder, scenario="quickstart"))
        second = stack.enter_context(run_provider("second", folder, scenario="quickstart"))
        settings = {**quickstart_variables(first, second), **(environ or {})}
        proxy = stack.enter_context(run_proxy(config, folder, port=port, environ=settings))
        yield proxy, first, second


def new_key() -> str:
    """Return a random key; LiteLLM refuses well-known ones."""
    return f"sk-{secrets.token_urlsafe(24)}"


@contextmanager
def _running(
    command: Sequence[str], log: Path, environ: Mapping[str, str], folder: Path
) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  our own command
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, **environ},
            cwd=folder,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process, then wait for the rest of its group: the answer store's process writes until it ends.

    SIGTERM goes to the process alone, which ends its own children; SIGKILL goes to whatever is left.
    """
    if process.poll() is None:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=STOP_S)
    deadline = time.monotonic() + GROUP_STOP_S
    while _group_lives(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            if httpx.get(url, timeout=2, trust_env=False).is_success:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    tail = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-25:])
    raise ProcessError(f"{url} did not come up (exit status {process.poll()}). Its last output:\n{tail}")
