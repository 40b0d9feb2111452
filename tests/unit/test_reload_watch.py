"""A changed manifest or SIGHUP asks for a reload, once."""

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tiergate.reload_watch import ReloadWatch


@pytest.fixture
def kept_handler() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("kept_handler")
def test_a_changed_manifest_and_a_signal_each_reload_once(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    manifest.write_text("one")
    asked, times = threading.Semaphore(0), []

    def reload() -> None:
        times.append(1)
        asked.release()

    watch = ReloadWatch(lambda: [manifest], reload, poll_s=0.02)
    watch.start()
    try:
        manifest.write_text("two")
        assert asked.acquire(timeout=20)
        os.kill(os.getpid(), signal.SIGHUP)
        assert asked.acquire(timeout=20)
        assert not asked.acquire(timeout=0.2)
        manifest.unlink()
        assert asked.acquire(timeout=20)
    finally:
        watch.stop()
    assert len(times) == 3
