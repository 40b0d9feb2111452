import asyncio
import threading

import pytest

from tiergate.adapters.inference_pool import InferencePool
from tiergate.errors import QueueFullError, ServingError


async def test_runs_on_another_thread_and_returns_the_result() -> None:
    pool = InferencePool()
    assert await pool.run(threading.get_ident) != threading.get_ident()
    assert await pool.run(int, "7") == 7
    await pool.aclose()


async def test_the_functions_own_error_comes_through() -> None:
    pool = InferencePool()
    with pytest.raises(ZeroDivisionError):
        await pool.run(divmod, 1, 0)
    await pool.aclose()


async def test_a_full_queue_refuses_at_once_and_takes_work_again_later() -> None:
    pool = InferencePool(threads=1, max_queue=1)
    gate = threading.Event()
    waiting = [asyncio.create_task(pool.run(gate.wait)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(QueueFullError):
        await pool.run(int)
    gate.set()
    assert await asyncio.gather(*waiting) == [True, True]
    assert await pool.run(int) == 0
    await pool.aclose()


async def test_a_cancelled_caller_frees_its_place_when_its_work_ends() -> None:
    pool = InferencePool(threads=1, max_queue=1)
    gate = threading.Event()
    running, queued = (asyncio.create_task(pool.run(gate.wait)) for _ in range(2))
    await asyncio.sleep(0.05)
    queued.cancel()
    await asyncio.sleep(0)
    third = asyncio.create_task(pool.run(int))
    await asyncio.sleep(0)
    gate.set()
    assert await running
    assert await third == 0
    await pool.aclose()


async def test_a_closed_pool_refuses() -> None:
    pool = InferencePool()
    await pool.aclose()
    with pytest.raises(ServingError, match="closed"):
        await pool.run(int)


@pytest.mark.parametrize(("threads", "max_queue"), [(0, 1), (1, -1)])
def test_sizes_are_checked(threads: int, max_queue: int) -> None:
    with pytest.raises(ValueError, match="threads"):
        InferencePool(threads, max_queue)
