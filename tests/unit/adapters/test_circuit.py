"""When calls are let through, and when not."""

import asyncio

import pytest

from tiergate.adapters.circuit import CircuitBreaker
from tiergate.errors import StoreError
from tiergate.testing import FakeClock


def fail(circuit: CircuitBreaker) -> None:
    with pytest.raises(StoreError, match="down"), circuit.guard():
        raise StoreError("down")


def succeed(circuit: CircuitBreaker) -> None:
    with circuit.guard():
        pass


def test_it_opens_after_failures_in_a_row_and_one_probe_closes_it() -> None:
    clock = FakeClock()
    circuit = CircuitBreaker("it", clock.monotonic, failures=3, rest_s=1.0)
    fail(circuit)
    fail(circuit)
    succeed(circuit)
    for _ in range(3):
        fail(circuit)
    assert circuit.state == "open"
    with pytest.raises(StoreError, match="left alone"):
        succeed(circuit)
    clock.advance(1.0)
    assert circuit.state == "half_open"
    succeed(circuit)
    assert circuit.state == "closed"


def test_each_failed_probe_doubles_the_rest_up_to_a_limit() -> None:
    clock = FakeClock()
    circuit = CircuitBreaker("it", clock.monotonic, failures=1, rest_s=1.0, longest_rest_s=3.0)
    fail(circuit)
    for rest_s in (1.0, 2.0, 3.0, 3.0):
        clock.advance(rest_s - 0.1)
        assert circuit.state == "open"
        clock.advance(0.2)
        fail(circuit)
    clock.advance(3.1)
    succeed(circuit)
    fail(circuit)
    clock.advance(1.0)
    assert circuit.state == "half_open"


async def test_one_call_probes_at_a_time_and_a_cancelled_probe_frees_the_place() -> None:
    clock = FakeClock()
    circuit = CircuitBreaker("it", clock.monotonic, failures=1, rest_s=1.0)
    fail(circuit)
    clock.advance(1.0)

    async def probe() -> None:
        with circuit.guard():
            await asyncio.sleep(3600)

    task = asyncio.create_task(probe())
    await asyncio.sleep(0)
    with pytest.raises(StoreError, match="left alone"):
        succeed(circuit)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    succeed(circuit)
    assert circuit.state == "closed"
