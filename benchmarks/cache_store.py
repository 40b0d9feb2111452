"""What the embedded answer store costs: look-ups, stores, opening, memory and disk.

    python benchmarks/cache_store.py                  10 000 and 100 000 entries
    python benchmarks/cache_store.py --sizes 1000000 --tenants 50

Vectors are drawn around 2 000 topics, so that they have neighbours as prompts have. Two shapes: 50
tenants, and all entries of one tenant and context, which is the worst case. Bodies are 1 500 characters.

Filling runs at low priority and the timed part, where the machine allows it, before everything else, so that other work
on a shared machine shows as little as it can. The first thousand look-ups after an optimise or a start fault the files'
pages into the process and stand apart; `look_up` is what comes after them. Rows of other sizes in the result file stay,
each with its own load.
"""

import argparse
import asyncio
import json
import os
import platform
import tempfile
import time
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import qdrant_edge as edge
from numpy.typing import NDArray

from tiergate.adapters.qdrant_edge_link import encode
from tiergate.adapters.qdrant_edge_process import _Server, open_shard
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.adapters.stored_entry import EntryCodec, point_id, scope_id
from tiergate.ports import StoredAnswer

RESULTS = Path(__file__).parent / "results" / "cache_store.json"
DIMENSIONS = 384
DIGEST = "b" * 64
LOOK_UPS = 1_000
BATCH, TIMED_STORES = 1_000, 10_000
"""How many entries go in at a time while the store is filled; how many of the last are stored one by one and timed."""

LOW, HIGH = 10, -20
"""Niceness while the store is filled and optimised by itself, and while something is timed."""
BODY = {"choices": [{"message": {"content": "x" * 1500}}]}


def draw_vectors(count: int, seed: int) -> NDArray[np.float32]:
    """Unit vectors around 2 000 topics, shape (count, DIMENSIONS)."""
    topics = np.random.default_rng(7).normal(size=(2_000, DIMENSIONS)).astype(np.float32)
    random = np.random.default_rng(seed)
    noise = random.normal(size=(count, DIMENSIONS)).astype(np.float32)
    vectors = topics[random.integers(0, len(topics), count)] + 0.7 * noise
    unit: NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def spread(seconds: list[float]) -> dict[str, float]:
    """Percentiles in milliseconds."""
    p50, p99, top = np.percentile(seconds, [50, 99, 100]) * 1000.0
    return {"n": len(seconds), "p50_ms": round(p50, 3), "p99_ms": round(p99, 3), "max_ms": round(top, 3)}


def disk_bytes(folder: Path) -> int:
    """Bytes that the folder's files take on the disk, holes not counted."""
    return sum(file.stat().st_blocks * 512 for file in folder.rglob("*") if file.is_file())


def memory_kib(store: QdrantEdgeStore) -> dict[str, int]:
    """Memory of the shard's process: all that is resident, and the part that is not file pages."""
    link = store._link  # noqa: SLF001 - the figure is not part of the port
    if link is None:
        return {}
    lines = Path(f"/proc/{link._process.pid}/status").read_text(encoding="utf-8").splitlines()  # noqa: SLF001
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    return {
        "resident_kib": int(fields["VmRSS"].split()[0]),
        "anonymous_kib": int(fields["RssAnon"].split()[0]),
    }


def make_answer(number: int, tenants: int, vector: NDArray[np.float32]) -> StoredAnswer:
    """The entry of this number."""
    return StoredAnswer(
        entry_id=str(number),
        tenant=f"tenant-{number % tenants}",
        context_key="context",
        prompt=f"prompt {number}: how do I do this",
        vector=vector,
        body=BODY,
        tier="simple",
        confidence=0.9,
        cost_usd=0.001,
        stored_at=1.0,
        expires_at=1e10,
    )


def prefer(store: QdrantEdgeStore, niceness: int) -> int:
    """Set the priority of every thread of this process and of the shard's; return the one that is in force."""
    link = store._link  # noqa: SLF001 - the shard's process is not part of the port
    pids = [os.getpid()] if link is None else [os.getpid(), link._process.pid]  # noqa: SLF001
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(PermissionError, ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, int(thread.name), niceness)
    return os.getpriority(os.PRIO_PROCESS, 0)


async def measure_look_ups(
    store: QdrantEdgeStore, vectors: NDArray[np.float32], tenants: int, count: int = LOOK_UPS, seed: int = 3
) -> dict[str, Any]:
    """Time look-ups of slightly changed prompts, and see whether the right entry comes back."""
    random = np.random.default_rng(seed)
    seconds, found = [], 0
    for number in random.integers(0, len(vectors), count):
        query = vectors[number] + 0.02 * random.normal(size=DIMENSIONS).astype(np.float32)
        query /= np.linalg.norm(query)
        begin = time.perf_counter()
        near = await store.look_up(f"tenant-{number % tenants}", "context", query.astype(np.float32), now=2.0)
        seconds.append(time.perf_counter() - begin)
        found += bool(near) and near[0].answer.entry_id == str(number)
    return {**spread(seconds), "right_entry_first": round(found / count, 4)}


async def measure_exact(store: QdrantEdgeStore, count: int, tenants: int) -> dict[str, Any]:
    """Time exact look-ups."""
    seconds = []
    for number in np.random.default_rng(4).integers(0, count, LOOK_UPS):
        prompt = f"prompt {number}: how do I do this"
        begin = time.perf_counter()
        if await store.look_up_exact(f"tenant-{number % tenants}", "context", prompt, now=2.0) is None:
            raise AssertionError(prompt)
        seconds.append(time.perf_counter() - begin)
    return spread(seconds)


async def measure_optimise(store: QdrantEdgeStore, vectors: NDArray[np.float32], tenants: int) -> dict[str, Any]:
    """Optimise, with look-ups meanwhile."""
    prefer(store, 0)  # the optimiser starts 10 below this process, as in a proxy
    begin = time.perf_counter()
    optimise = asyncio.create_task(store.optimise())
    await asyncio.sleep(1.0)
    prefer(store, HIGH)
    seconds: list[float] = []
    while not optimise.done():
        number = len(seconds) % len(vectors)
        start = time.perf_counter()
        await store.look_up(f"tenant-{number % tenants}", "context", vectors[number], now=2.0)
        seconds.append(time.perf_counter() - start)
        await asyncio.sleep(0.02)
    await optimise
    return {"seconds": round(time.perf_counter() - begin, 2), "look_ups_meanwhile": spread(seconds)}


def measure_cpu(folder: Path, vectors: NDArray[np.float32], tenants: int) -> dict[str, Any]:
    """CPU time of the shard for one look-up: without waits for a processor, without the way there."""
    shard = next(path.parent for path in folder.glob("*/*/segments"))
    server = _Server(shard, DIMENSIONS, None, None)
    seconds = []
    for number in np.random.default_rng(5).integers(0, len(vectors), LOOK_UPS):
        scope = scope_id(f"tenant-{number % tenants}", "context")
        request = {"id": 1, "do": "nearest", "scope": scope, "now": 2.0, "limit": 1}
        raw = encode(request, vectors[number].tobytes())
        begin = time.process_time()
        server._answer(raw)  # noqa: SLF001 - what the shard's process does with one message
        seconds.append(time.process_time() - begin)
    server._close()  # noqa: SLF001 - as above
    return spread(seconds)


def fill(folder: Path, vectors: NDArray[np.float32], tenants: int, count: int) -> None:
    """Put the first `count` entries into the shard itself, a thousand at a time, at low priority."""
    os.setpriority(os.PRIO_PROCESS, 0, LOW)
    shard = open_shard(next(path.parent for path in folder.glob("*/*/segments")), DIMENSIONS)
    codec = EntryCodec(None)
    for start in range(0, count, BATCH):
        points = []
        for number in range(start, min(start + BATCH, count)):
            answer = make_answer(number, tenants, vectors[number])
            point = point_id(answer.tenant, answer.context_key, answer.prompt)
            points.append(edge.Point(point, vectors[number].tolist(), codec.to_payload(answer)))
        shard.update(edge.UpdateOperation.upsert_points(points))
    shard.flush()
    shard.close()


async def measure(size: int, tenants: int, folder: Path) -> dict[str, Any]:
    """One row: a store of `size` entries of `tenants` tenants."""
    vectors = draw_vectors(size, 1)
    store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    store.open()
    empty = memory_kib(store)
    await store.aclose()
    filled = max(0, size - TIMED_STORES)
    fill(folder, vectors, tenants, filled)
    store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST, optimise_after=10**12)
    store.open()
    prefer(store, HIGH)
    seconds = []
    for number in range(filled, size):
        begin = time.perf_counter()
        await store.store(make_answer(number, tenants, vectors[number]))
        seconds.append(time.perf_counter() - begin)
    row: dict[str, Any] = {"entries": size, "tenants": tenants, "store_through_the_port": spread(seconds)}
    row["load_average_before"] = os.getloadavg()
    row["niceness"] = os.getpriority(os.PRIO_PROCESS, 0)
    row["look_up_before_optimise"] = await measure_look_ups(store, vectors, tenants, 200)
    row["optimise"] = await measure_optimise(store, vectors, tenants)
    prefer(store, HIGH)
    row["look_up_first_1000"] = await measure_look_ups(store, vectors, tenants)
    row["look_up"] = await measure_look_ups(store, vectors, tenants, 2 * LOOK_UPS, seed=6)
    row["look_up_exact"] = await measure_exact(store, size, tenants)
    await store.aclose()
    store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    begin = time.perf_counter()
    store.open()
    row["reopen_ms"] = round((time.perf_counter() - begin) * 1000.0, 1)
    row["look_up_first_1000_after_reopen"] = await measure_look_ups(store, vectors, tenants)
    used = memory_kib(store)
    row["memory_bytes_per_entry"] = {
        name.removesuffix("_kib"): round((used[name] - empty[name]) * 1024 / size) for name in used
    }
    row["disk_bytes_per_entry"] = round(disk_bytes(folder) / size)
    await store.aclose()
    row["look_up_cpu_of_the_shard"] = measure_cpu(folder, vectors, tenants)
    row["load_average_after"] = os.getloadavg()
    return row


async def main() -> None:
    """Measure, print each row, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--tenants", type=int, nargs="+", default=[50, 1])
    options = parser.parse_args()
    for size in options.sizes:
        for tenants in options.tenants:
            with tempfile.TemporaryDirectory() as folder:
                row = await measure(size, tenants, Path(folder) / "cache")
            print(json.dumps(row, indent=2), flush=True)
            write_report(row)


def write_report(row: dict[str, Any]) -> None:
    """Put a row among those of the result file, in the place of an older one of its size and tenants."""
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if RESULTS.exists() else []
    shape = (row["entries"], row["tenants"])
    rows = [*(each for each in kept if (each["entries"], each["tenants"]) != shape), row]
    report = {
        "rows": sorted(rows, key=lambda each: (each["entries"], -each["tenants"])),
        "python": platform.python_version(),
        "cpus": os.cpu_count(),
        "versions": {name: version(name) for name in ("qdrant-edge-py", "numpy")},
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
