"""One JSON line for each decision, through the standard logger `tiergate.decision`.

Importing this installs nothing; the composition root adds `build_handler()` to the logger, or leaves it to the host's.
"""

import json
import logging
from typing import TextIO

from tiergate.telemetry.names import DECISION_LOGGER
from tiergate.telemetry.record import DecisionRecord


def log_decision(record: DecisionRecord) -> None:
    """Write the record, without prompt and embedding, as one line at level INFO. Free when the level is off."""
    logger = logging.getLogger(DECISION_LOGGER)
    if logger.isEnabledFor(logging.INFO):
        logger.info("%s", json.dumps(record.to_line(), separators=(",", ":"), allow_nan=False))


def build_handler(stream: TextIO | None = None) -> logging.Handler:
    """Return a handler that writes the bare lines to `stream`, by default standard error."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler
