"""Real processes: they come up, say why when they do not, and are gone with their whole group afterwards."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tiergate.demo import proxy_process
from tiergate.demo.proxy_process import ProcessError, _running, _wait_until_ready, free_port, new_key, run_provider


def test_a_free_port_can_be_listened_on() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


def test_keys_are_random() -> None:
    assert new_key() != new_key()
    assert len(new_key()) > 20


def test_a_provider_serves_within_the_block_and_stops_after_it(tmp_path: Path) -> None:
    with run_provider("first", tmp_path) as provider:
        assert httpx.get(f"{provider.url}/health", trust_env=False).is_success
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{provider.url}/health", trust_env=False)


def test_a_process_that_ends_early_is_told_with_its_last_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with _running([sys.executable, "-c", "raise SystemExit('no such policy')"], log, {}, tmp_path) as process:
        process.wait()
        with pytest.raises(ProcessError, match=r"(?s)exit status 1.*no such policy"):
            _wait_until_ready("http://127.0.0.1:1/health", process, log)


CHILD = "import time; time.sleep(60)"
PARENT = (
    "import subprocess, sys, time; "
    f"p = subprocess.Popen([sys.executable, '-c', '{CHILD}']); print(p.pid, flush=True); time.sleep(60)"
)


def test_a_child_left_behind_goes_with_the_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proxy_process, "GROUP_STOP_S", 0.1)
    log = tmp_path / "log"
    with _running([sys.executable, "-c", PARENT], log, {}, tmp_path) as process:
        while not log.read_text().strip():
            assert process.poll() is None
            time.sleep(0.02)
    deadline = time.monotonic() + 10
    child = Path(f"/proc/{log.read_text().strip()}/stat")
    while child.exists() and child.read_text().split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not child.exists() or child.read_text().split()[2] == "Z"
    assert process.returncode is not None
    assert os.path.exists(log)  # noqa: PTH110


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_what_was_started(tmp_path: Path, number: signal.Signals) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from tiergate.demo.proxy_process import _running, interrupted_by_signals\n"
        "command = [sys.executable, '-c', 'import time; time.sleep(60)']\n"
        "with interrupted_by_signals(), _running(command, Path('log'), {}, Path()) as process:\n"
        "    print(process.pid, flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as outer:
        assert outer.stdout is not None
        child = int(outer.stdout.readline())
        outer.send_signal(number)
        outer.wait(timeout=30)
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_handlers_are_as_before_after_the_block() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), proxy_process.interrupted_by_signals():
        signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGTERM) == before
