"""Invalidation with its audit line, recall, export and import."""

import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from tiergate.decisions import Reason
from tiergate.errors import StoreError
from tiergate.ports import Selection
from tiergate.stages.cache_upkeep import CacheUpkeep, export_entry, import_entry

CAPITAL = "What is the capital of Portugal?"


def upkeep_of(bench: Any) -> CacheUpkeep:
    return CacheUpkeep(store=bench.store, clock=bench.clock, flights=bench.cache.flights, grey_zone=bench.grey_zone)


@pytest.mark.parametrize("dry_run", [True, False])
async def test_an_invalidation_leaves_an_audit_line(
    bench: Any, caplog: pytest.LogCaptureFixture, *, dry_run: bool
) -> None:
    await bench.ask(CAPITAL, tags=("doc:1",))
    await bench.ask("Name a river in Africa", tags=("doc:2",))
    with caplog.at_level(logging.WARNING, "tiergate.cache.audit"):
        done = await upkeep_of(bench).invalidate(Selection(tag="doc:1", prompt=CAPITAL), actor="admin", dry_run=dry_run)
    assert (done.entries, done.dry_run, len(bench.store.entries)) == (1, dry_run, 2 if dry_run else 1)
    line = json.loads(caplog.messages[-1])
    assert (line["action"], line["actor"], line["entries"], line["dry_run"]) == ("invalidate", "admin", 1, dry_run)
    assert CAPITAL not in caplog.text


async def test_what_was_invalidated_is_not_handed_to_latecomers_of_its_flight(bench: Any) -> None:
    await bench.ask(CAPITAL)
    await upkeep_of(bench).invalidate(Selection(), actor="admin")
    assert (await bench.ask(CAPITAL)).reason is Reason.NO_NEIGHBOUR


async def test_a_recalled_wrong_hit_is_gone_and_pairs_like_it_are_refused(bench: Any) -> None:
    asked = "What is the big capital of Portugal?"
    await bench.ask(CAPITAL)
    found = await bench.look_up(bench.request(asked))
    assert found.decision.reason is Reason.SIMILAR_ENOUGH
    vector = await bench.embedder.embed(asked)
    assert await upkeep_of(bench).recall(found.decision.entry_id, actor="feedback", asked=vector) == 1
    bench.clock.advance(60)
    assert (await bench.ask(CAPITAL)).reason is Reason.NO_NEIGHBOUR
    bench.clock.advance(60)
    assert (await bench.ask(asked)).reason is Reason.RECALLED
    bench.clock.advance(60)
    assert (await bench.ask(CAPITAL)).reason is Reason.EXACT_MATCH


async def test_an_entry_makes_the_round_trip_and_another_encoder_embeds_it_anew(bench: Any) -> None:
    await bench.ask(CAPITAL, tags=("x",))
    (entry,) = bench.store.entries.values()
    line = export_entry(entry, encoder_digest=bench.embedder.digest)
    bench.embedder.calls.clear()
    same = await import_entry(line, bench.embedder)
    assert bench.embedder.calls == []
    assert same.vector == pytest.approx(entry.vector, abs=1e-6)
    assert replace(same, vector=entry.vector) == entry
    bench.embedder.digest = "another"
    again = await import_entry(line, bench.embedder)
    assert bench.embedder.calls == [CAPITAL]
    assert again.prompt == CAPITAL


@pytest.mark.parametrize("line", ["{", "[]", "{}", '{"prompt": 1}', "[" * 100_000])
async def test_what_is_no_entry_is_refused(bench: Any, line: str) -> None:
    with pytest.raises(StoreError, match="no exported entry"):
        await import_entry(line, bench.embedder)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("entry_id", 1), ("prompt", None), ("expires_at", "soon"), ("cost_usd", float("nan")), ("body", "text"),
        ("confidence", "high"), ("tags", [1]), ("vector", [float("inf")]),
    ],
)  # fmt: skip
async def test_an_entry_with_a_field_of_the_wrong_kind_is_refused_by_its_name(
    bench: Any, field: str, value: Any
) -> None:
    await bench.ask(CAPITAL)
    (entry,) = bench.store.entries.values()
    line = json.loads(export_entry(entry, encoder_digest=bench.embedder.digest)) | {field: value}
    with pytest.raises(StoreError, match=field):
        await import_entry(json.dumps(line), bench.embedder)
