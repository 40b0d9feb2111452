"""Tests for drift in the background, from the log, and tells of alarms."""

import logging
import threading
from collections.abc import Callable, Sequence

from tiergate.adapters.drift_log import check_drift
from tiergate.errors import DecisionLogError
from tiergate.policy.drift import DriftFinding
from tiergate.settings import Policy

_logger = logging.getLogger(__name__)


class DriftWatch:
    """A thread that checks every `drift.check_every_s`. It reads the log on its own connection.

    Args:
        policy: Returns the policy in force.
        publish: Takes the findings of each check.
    """

    def __init__(self, policy: Callable[[], Policy], publish: Callable[[Sequence[DriftFinding]], object]) -> None:
        self._policy, self._publish = policy, publish
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tiergate-drift", daemon=True)

    def start(self) -> None:
        """Begin; the first check comes after one interval."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def check(self) -> None:
        """Check once and publish; trouble with the log is logged."""
        policy = self._policy()
        try:
            findings = check_drift(policy, policy.decision_log.url)
        except DecisionLogError as exc:
            _logger.warning("drift could not be checked: %s", exc)
            return
        if findings is None:
            return
        self._publish(findings)
        for finding in findings:
            if finding.alarm:
                _logger.warning(
                    "drift of %s in %s: %.4f (p %.4g); for example %s",
                    finding.kind.value,
                    finding.domain or "all traffic",
                    finding.statistic,
                    finding.p_value,
                    ", ".join(finding.examples),
                )

    def _run(self) -> None:
        while not self._stopped.wait(self._policy().drift.check_every_s):
            if self._policy().drift.enabled:
                self.check()
