import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tiergate.telemetry.json_log import build_handler, log_decision
from tiergate.telemetry.record import DecisionRecord


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    logger = logging.getLogger("tiergate.decision")
    written = io.StringIO()
    handler = build_handler(written)
    logger.addHandler(handler)
    yield written
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


def test_a_decision_is_one_json_line(escalated: DecisionRecord, stream: io.StringIO) -> None:
    logging.getLogger("tiergate.decision").setLevel(logging.INFO)
    log_decision(escalated)
    log_decision(escalated)
    lines = stream.getvalue().splitlines()
    assert [json.loads(line) for line in lines] == [escalated.to_line()] * 2
    assert "a secret question" not in stream.getvalue()


def test_nothing_is_written_when_the_level_is_off(escalated: DecisionRecord, stream: io.StringIO) -> None:
    logging.getLogger("tiergate.decision").setLevel(logging.WARNING)
    log_decision(escalated)
    assert not stream.getvalue()


def test_importing_installs_no_handler() -> None:
    code = (
        "import logging, tiergate.telemetry.json_log; "
        "logger = logging.getLogger('tiergate.decision'); "
        "assert logger.level == logging.NOTSET; assert not logger.handlers; assert not logging.getLogger().handlers"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
