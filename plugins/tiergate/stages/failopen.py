"""The one place that swallows errors: a stage that fails lets the request through, and says why."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

from tiergate.decisions import Reason
from tiergate.errors import ControlRefusedError, QueueFullError

logger = logging.getLogger("tiergate.failopen")

T = TypeVar("T")

_reraise: ContextVar[bool] = ContextVar("tiergate_reraise", default=False)


@contextmanager
def errors_raised() -> Iterator[None]:
    """Raise inside the block what would be swallowed, so that tests never hide a defect."""
    token = _reraise.set(True)
    try:
        yield
    finally:
        _reraise.reset(token)


def reason_of(exc: BaseException) -> Reason:
    """Return the closed reason that stands in the record for an error."""
    if isinstance(exc, TimeoutError):
        return Reason.BUDGET_EXCEEDED
    if isinstance(exc, QueueFullError):
        return Reason.QUEUE_FULL
    return Reason.STAGE_FAILED


@contextmanager
def suppressed(stage: str) -> Iterator[None]:
    """Swallow and log what goes wrong inside the block, except a refusal that the client must see."""
    try:
        yield
    except ControlRefusedError:
        raise
    except Exception as exc:
        if _reraise.get():
            raise
        logger.warning("%s failed (%s: %s); the request goes on without it", stage, type(exc).__name__, exc)


async def fail_open(
    stage: str, action: Awaitable[T], *, budget_ms: float, otherwise: Callable[[Reason, Exception], T]
) -> T:
    """Await a stage's work within its budget; on any error return what `otherwise` makes of it.

    Args:
        stage: Stem of the stage, for the log line.
        action: The work.
        budget_ms: Time budget in milliseconds.
        otherwise: Gives the decision of the failed stage from the reason and the error.

    Returns:
        The result of the work, or of `otherwise`.

    Raises:
        ControlRefusedError: A refusal is an answer to the client, not trouble.
    """
    try:
        async with asyncio.timeout(budget_ms / 1000):
            return await action
    except ControlRefusedError:
        raise
    except Exception as exc:
        if _reraise.get() and not isinstance(exc, TimeoutError | QueueFullError):
            raise
        logger.warning("%s failed (%s: %s); the request goes on without it", stage, type(exc).__name__, exc)
        return otherwise(reason_of(exc), exc)
