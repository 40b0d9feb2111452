"""Asks for a reload on SIGHUP, and when an artifact or the gate's calibration has changed."""

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tiergate.artifact import digest_of

POLL_S = 2.0

_logger = logging.getLogger(__name__)


class ReloadWatch:
    """A thread that looks at files, and a handler of SIGHUP. Both only wake it; it calls `reload` itself.

    Args:
        files: Returns the files in use, such as an artifact's manifest; a folder above may be a link that moves.
        reload: Loads policy and artifacts anew; must not raise for a bad file.
        poll_s: How often the files are looked at, in seconds.
    """

    def __init__(
        self, files: Callable[[], Sequence[Path]], reload: Callable[[], Any], *, poll_s: float = POLL_S
    ) -> None:
        self._files, self._reload, self._poll_s = files, reload, poll_s
        self._wake, self._stopped = threading.Event(), threading.Event()
        self._asked = False
        self._thread = threading.Thread(target=self._run, name="tiergate-reload", daemon=True)

    def start(self) -> None:
        """Begin; SIGHUP is handled only where the main thread may set a handler."""
        self._seen = self._digests()
        if threading.current_thread() is threading.main_thread() and hasattr(signal, "SIGHUP"):
            signal.signal(signal.SIGHUP, lambda _number, _frame: self.ask())
        self._thread.start()

    def ask(self) -> None:
        """Ask for a reload, whether or not a file has changed."""
        self._asked = True
        self._wake.set()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        self._wake.set()
        if self._thread.is_alive() and threading.current_thread() is not self._thread:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self._wake.wait(self._poll_s)
            self._wake.clear()
            if self._stopped.is_set():
                return
            seen = self._digests()
            if self._asked or seen != self._seen:
                # Noted before the reload: a bad file is refused once, not at each look.
                self._asked, self._seen = False, seen
                _logger.info("policy and artifacts are read anew")
                self._reload()

    def _digests(self) -> tuple[str, ...]:
        return tuple(map(_digest, self._files()))


def _digest(file: Path) -> str:
    try:
        return digest_of(file.read_bytes())
    except OSError:  # between the two renames of a writer, or gone: another look will tell
        return ""
