"""What is particular to the embedded store: crashes, faults, locks, and the optimise."""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiergate.adapters import qdrant_edge_process, qdrant_edge_store
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.adapters.stored_entry import EntryCodec, point_id
from tiergate.errors import ConfigurationError, StoreError
from tiergate.ports import Selection, StoredAnswer, Vector

DIMENSIONS = 16
DIGEST = "e" * 64

# Stores entries and acknowledges each on stdout, until it is killed.
WRITER = f"""
import asyncio, sys
import numpy as np
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.ports import StoredAnswer

async def main(folder, first):
    store = QdrantEdgeStore(folder, {DIMENSIONS}, "{DIGEST}")
    store.open()
    number = first
    while True:
        vector = np.random.default_rng(number).normal(size={DIMENSIONS}).astype(np.float32)
        await store.store(StoredAnswer(
            entry_id=str(number), tenant="t", context_key="c", prompt=f"p{{number}}",
            vector=vector / np.linalg.norm(vector), body={{"n": number}}, tier="simple", confidence=None,
            cost_usd=0.0, stored_at=0.0, expires_at=1e10))
        print(number, flush=True)
        number += 1

import pathlib
asyncio.run(main(pathlib.Path(sys.argv[1]), int(sys.argv[2])))
"""


def unit(seed: int) -> Vector:
    vector = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    return vector / np.linalg.norm(vector)


def answer(number: int, tenant: str = "t") -> StoredAnswer:
    return StoredAnswer(
        entry_id=str(number),
        tenant=tenant,
        context_key="c",
        prompt=f"p{number}",
        vector=unit(number),
        body={"n": number},
        tier="simple",
        confidence=None,
        cost_usd=0.0,
        stored_at=0.0,
        expires_at=1e10,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
async def store(folder: Path) -> AsyncIterator[QdrantEdgeStore]:
    made = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    made.open()
    yield made
    await made.aclose()


async def assert_holds(store: QdrantEdgeStore, numbers: range) -> None:
    """Every entry is there, by its prompt and by its vector."""
    for number in numbers:
        exact = await store.look_up_exact("t", "c", f"p{number}", now=1.0)
        assert exact is not None, f"entry {number} is lost"
        assert exact.answer.body == {"n": number}
        (near,) = await store.look_up("t", "c", unit(number), now=1.0)
        assert near.answer.entry_id == str(number)


def start_writer(folder: Path, first: int) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WRITER, str(folder), str(first)], stdout=subprocess.PIPE, text=True)


async def test_a_sigkill_loses_nothing_that_was_acknowledged(folder: Path) -> None:
    first = 0
    for round_number in range(int(os.environ.get("TIERGATE_CRASH_ROUNDS", "5"))):
        writer = start_writer(folder, first)
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(40 + 7 * (round_number % 5))]
        writer.send_signal(signal.SIGKILL)
        acknowledged += [int(line) for line in writer.stdout.read().splitlines()]
        writer.wait()
        assert acknowledged[0] == first
        first = acknowledged[-1] + 1
        store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
        store.open()
        await assert_holds(store, range(first))
        await store.aclose()


async def test_a_sigkill_of_the_shard_process_fails_one_call_and_loses_nothing(
    store: QdrantEdgeStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(50):
        await store.store(answer(number))
    link = store._link
    assert link is not None
    link._process.send_signal(signal.SIGBUS)  # what a full disk does to a memory-mapped write
    link._process.wait()
    with pytest.raises(StoreError, match="started again in a few seconds"):
        await store.look_up("t", "c", unit(1), now=1.0)
    monkeypatch.setattr(qdrant_edge_store, "_RESTART_AFTER_S", 0.0)
    await assert_holds(store, range(50))


async def test_a_shard_process_that_hangs_is_ended(store: QdrantEdgeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_edge_store, "_LOOK_UP_S", 0.2)
    link = store._link
    assert link is not None
    link._process.send_signal(signal.SIGSTOP)
    with pytest.raises(StoreError, match=r"did not answer within 0\.2 s"):
        await store.look_up("t", "c", unit(1), now=1.0)
    assert not link.alive


@pytest.mark.parametrize("what", ["whole folder", "shard"])
async def test_a_folder_that_is_removed_gives_store_errors(store: QdrantEdgeStore, folder: Path, what: str) -> None:
    await store.store(answer(1))
    shutil.rmtree(folder if what == "whole folder" else folder / DIGEST[:16])
    with pytest.raises(StoreError):
        await store.store(answer(2))
    with pytest.raises(StoreError):
        await store.look_up("t", "c", unit(1), now=1.0)
    with pytest.raises(StoreError):
        await store.look_up_exact("t", "c", "p1", now=1.0)


async def _fill(store: QdrantEdgeStore) -> StoreError:
    for number in range(100_000):
        try:
            await store.store(answer(number))
        except StoreError as exc:
            return exc
    raise AssertionError


@contextmanager
def small_disk(folder: Path, size: str) -> Iterator[Path]:
    """A disk of its own for `folder`; skips the test where mounting is not allowed."""
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], check=False).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.mark.parametrize(("size", "fits"), [("60m", False), ("83m", True)])
async def test_a_full_disk_gives_store_errors_and_look_ups_go_on(tmp_path: Path, size: str, *, fits: bool) -> None:
    with small_disk(tmp_path, size):
        store = QdrantEdgeStore(tmp_path / "cache", DIMENSIONS, DIGEST)
        store.open()
        if fits:
            await store.store(answer(1))
        (tmp_path / "ballast").write_bytes(bytes(20_000_000))
        with pytest.raises(StoreError, match="free on the disk"):
            await store.store(answer(2))
        found = await store.look_up("t", "c", unit(1), now=1.0)
        assert [each.answer.entry_id for each in found] == (["1"] if fits else [])
        await store.aclose()


def test_a_read_only_disk_stops_start_up(tmp_path: Path) -> None:
    with small_disk(tmp_path, "10m"):
        subprocess.run(["mount", "-o", "remount,ro", tmp_path], check=True)
        with pytest.raises(ConfigurationError, match="Read-only file system") as caught:
            QdrantEdgeStore(tmp_path / "cache", DIMENSIONS, DIGEST).open()
    assert caught.value.key == "semantic_cache.store.path"


def test_a_second_process_is_told_of_the_server_store(folder: Path) -> None:
    writer = start_writer(folder, 0)
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        with pytest.raises(ConfigurationError) as caught:
            QdrantEdgeStore(folder, DIMENSIONS, DIGEST).open()
    finally:
        writer.kill()
        writer.wait()
    assert caught.value.file == str(folder)
    assert "store: {kind: server, url:" in caught.value.fix


def test_a_path_that_is_a_file_stops_start_up(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be written") as caught:
        QdrantEdgeStore(tmp_path / "file" / "cache", DIMENSIONS, DIGEST).open()
    assert caught.value.key == "semantic_cache.store.path"


async def _made(folder: Path) -> Path:
    store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    store.open()
    await store.store(answer(1))
    await store.aclose()
    return folder / DIGEST[:16] / "1"


@pytest.mark.parametrize("name", ["edge_config.json", "segments"])
async def test_a_corrupt_shard_stops_start_up_and_frees_the_lock(folder: Path, name: str) -> None:
    shard = await _made(folder)
    damaged = [shard / name] if name.endswith("json") else list((shard / name).rglob("*.json"))
    for file in damaged:
        file.write_text("{ not json")
    for _ in range(2):
        with pytest.raises(ConfigurationError) as caught:
            QdrantEdgeStore(folder, DIMENSIONS, DIGEST).open()
        assert caught.value.file == str(shard)
        assert "move the folder away" in caught.value.fix


@pytest.mark.parametrize(
    ("text", "key"),
    [("{", ""), ('{"schema": 99, "collections": {}}', "schema"), ('{"collections": {}}', "")],
)
async def test_a_manifest_of_another_kind_stops_start_up(folder: Path, text: str, key: str) -> None:
    await _made(folder)
    (folder / "manifest.json").write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        QdrantEdgeStore(folder, DIMENSIONS, DIGEST).open()
    assert (caught.value.file, caught.value.key) == (str(folder / "manifest.json"), key)


async def test_a_missing_shard_stops_start_up(folder: Path) -> None:
    shutil.rmtree(await _made(folder))
    with pytest.raises(ConfigurationError, match="missing"):
        QdrantEdgeStore(folder, DIMENSIONS, DIGEST).open()


async def test_another_encoder_has_a_collection_of_its_own(folder: Path) -> None:
    await _made(folder)
    other = QdrantEdgeStore(folder, DIMENSIONS, "f" * 64)
    other.open()
    assert list(await other.look_up("t", "c", unit(1), now=1.0)) == []
    await other.aclose()
    again = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    again.open()
    await assert_holds(again, range(1, 2))
    await again.aclose()
    assert len(json.loads((folder / "manifest.json").read_text())["collections"]) == 2


async def test_a_lost_manifest_loses_no_entry(folder: Path) -> None:
    await _made(folder)
    (folder / "manifest.json").unlink()
    store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    store.open()
    await assert_holds(store, range(1, 2))
    await store.aclose()


async def test_the_store_opens_itself_on_first_use(folder: Path) -> None:
    store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    await store.store(answer(1))
    await assert_holds(store, range(1, 2))
    await store.aclose()


async def test_an_answer_that_is_not_json_is_refused(store: QdrantEdgeStore) -> None:
    wrong: dict[str, Any] = {"x": object()}
    with pytest.raises(StoreError, match="JSON"):
        await store.store(StoredAnswer(**{**_fields(answer(1)), "body": wrong}))


def _fields(made: StoredAnswer) -> dict[str, Any]:
    return {name: getattr(made, name) for name in StoredAnswer.__slots__}


async def test_an_optimise_keeps_what_was_stored_before_and_during_it(store: QdrantEdgeStore, folder: Path) -> None:
    for number in range(300):
        await store.store(answer(number))
    optimise = asyncio.create_task(store.optimise())
    number = 300
    while not optimise.done():
        await store.store(answer(number))
        await store.look_up("t", "c", unit(number), now=1.0)
        await asyncio.sleep(0.01)
        number += 1
    await optimise
    assert number > 301
    await assert_holds(store, range(number))
    assert [each.name[:2] for each in (folder / DIGEST[:16]).iterdir()] == ["2-"]
    await store.aclose()
    again = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    again.open()
    await assert_holds(again, range(number))
    await again.aclose()


async def test_many_stores_start_an_optimise_by_themselves(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qdrant_edge_store, "_COUNT_EVERY", 20)
    store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST, optimise_after=10)
    store.open()
    for number in range(20):
        await store.store(answer(number))
    deadline = time.monotonic() + 30.0
    while not any((folder / DIGEST[:16]).glob("2-*")) or store._optimising is not None:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    await assert_holds(store, range(20))
    await store.aclose()


async def test_a_failed_optimise_leaves_the_old_shard_serving(
    store: QdrantEdgeStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await store.store(answer(1))
    assert store._folder is not None
    monkeypatch.setattr(type(store._folder), "next_shard", lambda _: folder / "lock" / "2")
    with pytest.raises(StoreError, match="could not be copied"):
        await store.optimise()
    await store.store(answer(2))


async def test_closing_during_an_optimise_does_not_wait_for_it(folder: Path) -> None:
    store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    store.open()
    await store.store(answer(1))
    optimise = asyncio.create_task(store.optimise())
    await asyncio.sleep(0.05)
    optimise.cancel()
    await asyncio.gather(optimise, return_exceptions=True)
    await store.aclose()
    again = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    again.open()
    await assert_holds(again, range(1, 2))
    await again.aclose()


async def test_an_entry_that_expired_long_ago_is_deleted_while_idle(folder: Path) -> None:
    await _made(folder)
    server = qdrant_edge_process._Server(folder / DIGEST[:16] / "1", DIMENSIONS, None, None)
    server._purged_at = float("-inf")
    server._now = 1e10 + 3599.0
    server._tidy()
    assert server.do_info({}, b"")["points"] == 1
    server._purged_at = float("-inf")
    server._now = 1e10 + 3601.0
    server._tidy()
    assert server.do_info({}, b"")["points"] == 0
    server._close()


async def test_a_module_of_the_working_folder_does_not_stand_in_for_ours(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiergate").mkdir()
    (tmp_path / "tiergate" / "__init__.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    await _made(folder)


def test_the_folder_is_for_its_owner_only(folder: Path) -> None:
    asyncio.run(_made(folder))
    assert folder.stat().st_mode & 0o077 == 0


async def test_the_oldest_entries_go_when_there_are_too_many(folder: Path) -> None:
    store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST, max_entries=20)
    store.open()
    for number in range(60):
        await store.store(replace(answer(number), stored_at=float(number)))
    assert (await store.stats()).entries <= 20
    left = {int(entry.entry_id) for entry in (await store.browse(Selection())).entries}
    assert left == set(range(60 - len(left), 60))
    await store.aclose()


def write_schema_1(folder: Path) -> None:
    """A folder with three entries as the first version wrote it."""

    def without_new_keys(payload: dict[str, Any]) -> dict[str, Any]:
        old = {key: payload[key] for key in ("scope", "tenant", "context_key", "expires_at", "entry")}
        fields = {key: value for key, value in json.loads(old["entry"]).items() if key not in {"tags", "confirmed_by"}}
        return {**old, "entry": json.dumps(fields)}

    shard = folder / DIGEST[:16] / "1"
    folder.mkdir()
    made = qdrant_edge_process.edge.EdgeShard
    shard.mkdir(parents=True)
    opened = made.create(str(shard), qdrant_edge_process._shard_config(DIMENSIONS))
    for number in range(3):
        entry = answer(number)
        point = qdrant_edge_process.edge.Point(
            point_id(entry.tenant, entry.context_key, entry.prompt),
            [float(value) for value in entry.vector],
            without_new_keys(EntryCodec().to_payload(entry)),
        )
        opened.update(qdrant_edge_process.edge.UpdateOperation.upsert_points([point]))
    opened.flush()
    opened.close()
    (folder / "manifest.json").write_text(
        json.dumps(
            {
                "schema": 1,
                "collections": {
                    DIGEST[:16]: {"encoder_digest": DIGEST, "dimensions": DIMENSIONS, "shard": "1"},
                },
            }
        )
    )


async def test_a_folder_of_schema_1_is_brought_up_to_date(folder: Path) -> None:
    write_schema_1(folder)
    store = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    store.open()
    await assert_holds(store, range(3))
    assert await store.remove(Selection(prompt="p1")) == 1
    assert await store.remove(Selection(entry_ids=("2",))) == 1
    assert await store.remove(Selection(stored_before=1e12)) == 1
    assert json.loads((folder / "manifest.json").read_text())["schema"] == 2
    await store.aclose()


async def test_the_collection_of_the_encoder_before_serves_until_it_is_empty(folder: Path) -> None:
    before = QdrantEdgeStore(folder, DIMENSIONS, DIGEST)
    before.open()
    for number in range(3):
        await before.store(answer(number))
    await before.aclose()
    for left in (3, 0):
        now = QdrantEdgeStore(folder, 2 * DIMENSIONS, "f" * 64)
        now.open()
        old = now.open_previous()
        if left:
            assert old is not None
            await assert_holds(old, range(3))
            assert await old.remove(Selection()) == 3
            await old.aclose()
        else:
            assert old is None
            assert list(json.loads((folder / "manifest.json").read_text())["collections"]) == ["f" * 16]
            assert not (folder / DIGEST[:16]).exists()
        await now.aclose()
