"""The background check publishes what it finds, and lives with a log that is not there."""

import threading
from pathlib import Path

import pytest
from tests.unit.adapters.test_drift_log import POLICY, row, write

from tiergate.drift_watch import DriftWatch
from tiergate.settings import Policy


def policy_of(url: str, **drift: float) -> Policy:
    fields = POLICY.model_dump(mode="json")
    return Policy.model_validate(fields | {"decision_log": {"url": url}, "drift": fields["drift"] | drift})


def test_alarms_are_published_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = write(tmp_path, [*(row(at) for at in range(70)), *(row(at, shift=2.0) for at in range(70, 110))])
    published, policy = threading.Event(), policy_of(url, check_every_s=0.05)
    watch = DriftWatch(lambda: policy, lambda found: published.set() if found else None)
    watch.start()
    assert published.wait(60)
    watch.stop()
    assert "drift of input" in caplog.text


def test_without_a_log_nothing_is_published(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    policy = policy_of(f"sqlite:///{tmp_path / 'none.db'}")
    DriftWatch(lambda: policy, lambda _: pytest.fail("there was nothing to publish")).check()
    assert "could not be checked" in caplog.text


def test_too_few_rows_publish_nothing(tmp_path: Path) -> None:
    policy = policy_of(write(tmp_path, [row(at) for at in range(5)]))
    DriftWatch(lambda: policy, lambda _: pytest.fail("there was nothing to publish")).check()
