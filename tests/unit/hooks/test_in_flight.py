"""The registry of requests in flight: bounded, swept, and no alias outlives its entry."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.decisions import CacheDecision, CacheOutcome, Reason, RouteDecision, RouteOutcome
from tiergate.exchange import Request
from tiergate.hooks.in_flight import InFlight, InFlightRegistry
from tiergate.stages.prompt_vector import PromptVector
from tiergate.telemetry.names import Stage
from tiergate.testing import FakeEmbedder


def entry(call_id: str, started: float = 0.0) -> InFlight:
    return InFlight(
        request=Request(call_id=call_id, endpoint="chat_completions", entry_model="auto", tenant=None, prompt="p"),
        host=call_id,
        vector=PromptVector(FakeEmbedder(), "p"),
        started_at=0.0,
        started=started,
        body={},
        metadata={},
        cache=CacheDecision(outcome=CacheOutcome.MISS, reason=Reason.NO_NEIGHBOUR),
        route=RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.DISABLED),
    )


@pytest.mark.parametrize("call_id", [None, 7, ["a"], {}, b"a", "other"])
def test_what_is_no_known_id_finds_nothing(call_id: Any) -> None:
    registry = InFlightRegistry()
    registry.add(entry("a"))
    assert registry.get(call_id, None) is None


def test_an_entry_is_found_by_its_id_and_its_aliases_until_it_is_removed() -> None:
    registry, one = InFlightRegistry(), entry("a")
    registry.add(one)
    registry.alias("a-2", one, "medium")
    assert registry.get("a", "a") is registry.get("a-2", None) is one
    assert one.call_tiers == {"a-2": "medium"}
    registry.remove(one)
    assert registry.get("a", "a") is registry.get("a-2", None) is None
    registry.remove(one)


def test_removing_an_entry_leaves_another_one_of_the_same_id() -> None:
    registry, old, new = InFlightRegistry(), entry("a"), entry("a")
    registry.add(new)
    registry.remove(old)
    assert registry.get("a", "a") is new


def test_a_forgotten_entry_gets_no_alias() -> None:
    registry, one = InFlightRegistry(), entry("a")
    registry.alias("a-2", one, "medium")
    assert registry.get("a-2", None) is None
    assert one.call_tiers == {"a-2": "medium"}


def test_the_sweep_forgets_the_old_once_with_their_aliases() -> None:
    registry = InFlightRegistry(max_age_s=10)
    old, young = entry("old", 0.0), entry("young", 5.0)
    registry.add(old)
    registry.add(young)
    registry.alias("old-2", old, "medium")
    assert list(registry.sweep(9.9)) == []
    assert list(registry.sweep(10.0)) == [old]
    assert registry.get("old-2", None) is None
    assert list(registry.sweep(10.0)) == []
    assert list(registry.sweep(15.0)) == [young]
    assert len(registry) == 0


def test_too_many_entries_push_the_oldest_out_whole() -> None:
    registry = InFlightRegistry(max_entries=2)
    entries = [entry(name) for name in "abc"]
    registry.add(entries[0])
    registry.alias("a-2", entries[0], "medium")
    for later in entries[1:]:
        registry.add(later)
    assert list(registry.sweep(0.0)) == [entries[0]]
    assert registry.get("a", "a") is registry.get("a-2", None) is None
    assert len(registry) == 2


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["add", "alias", "remove", "sweep"]))))
def test_no_sequence_leaves_more_than_the_bound_or_an_orphaned_alias(steps: list[tuple[str, str]]) -> None:
    registry, known, now = InFlightRegistry(max_entries=3, max_age_s=8), {name: entry(name) for name in "abcdef"}, 0.0
    aliases = 0
    for name, step in steps:
        now += 1
        if step == "add":
            known[name] = entry(name, now)
            if not registry.holds(name):
                registry.add(known[name])
        elif step == "alias":
            aliases += 1
            registry.alias(f"alias-{aliases}", known[name], "medium")
        elif step == "remove":
            registry.remove(known[name])
        swept = list(registry.sweep(now))
        assert len({id(one) for one in swept}) == len(swept)
        assert len(registry) <= 3
        assert all(registry.get(one.request.call_id, one.host) is one for one in registry._aliases.values())


def test_stages_are_timed_from_the_arrival() -> None:
    one = entry("a", started=100.0)
    one.add_stage(Stage.INTENT_ROUTER, 100.25, 100.75)
    assert one.stage_start_ms == {Stage.INTENT_ROUTER: 250.0}
    assert one.stage_ms == {Stage.INTENT_ROUTER: 500.0}
    assert one.since_start_ms(101.0) == 1000.0
