"""Select, ask, grade, and go on where it stopped."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.classifier.labels import label_row, policy_of
from tests.classifier.stand_in_proxy import StandInProxy, running_proxy

from tiergate_classifier.label import LabelSettings, choose_rows, label_rows, plan_label
from tiergate_classifier.label_rows import LabelRow, load_labels
from tiergate_classifier.selection import Candidate
from tiergate_classifier.tier_replay import CostCapReachedError, Journal, ProxyClient

POLICY = policy_of()


@pytest.fixture
def served() -> Iterator[StandInProxy]:
    with running_proxy() as proxy:
        yield proxy


def rows_of(n: int, **fields: Any) -> tuple[LabelRow, ...]:
    return tuple(label_row(f"r{at}", at, prompt=f"Question {at}?", **fields) for at in range(n))


async def run(
    served: StandInProxy, rows: tuple[LabelRow, ...], settings: LabelSettings, *, cap: float = 1.0
) -> tuple[LabelRow, ...]:
    journal = Journal(settings.journal)
    async with ProxyClient(served.url, "k", journal, max_cost_usd=cap, max_tokens=100, concurrency=1) as client:
        prices = await client.prices()
        plan = plan_label(rows, POLICY, prices, settings)
        return await label_rows(plan, POLICY, client, prices, settings, lambda: None)


async def test_every_tier_is_asked_once_and_graded_by_the_rule(served: StandInProxy, tmp_path: Path) -> None:
    served.answers["tier-simple"] = "wrong"
    settings = LabelSettings(out=tmp_path / "labels.jsonl")
    done = await run(served, rows_of(3, rule={"kind": "not_contains", "value": "wrong"}), settings)
    assert [dict(row.quality) for row in done] == [{"simple": 0.0, "medium": 1.0, "frontier": 1.0}] * 3
    assert len(served.asked) == 9
    assert [row.id for row in load_labels(settings.out)] == ["r0", "r1", "r2"]
    assert not settings.selection.exists()


async def test_at_the_cap_it_stops_and_a_second_run_goes_on(served: StandInProxy, tmp_path: Path) -> None:
    settings = LabelSettings(out=tmp_path / "labels.jsonl")
    rows = rows_of(4, reference="answer")
    with pytest.raises(CostCapReachedError):
        await run(served, rows, settings, cap=0.0045)
    asked = len(served.asked)
    assert 0 < asked < 12
    assert not settings.out.exists()
    left = plan_label(rows, POLICY, {}, settings)
    assert (left.calls, left.spent_usd) == (12 - asked, pytest.approx(0.001 * asked))
    await run(served, rows, settings)
    assert len(served.asked) == 12


async def test_the_judge_is_asked_in_both_orders_for_each_vote(served: StandInProxy, tmp_path: Path) -> None:
    served.answers["judge"] = "A"  # whatever stands first: half of the verdicts, so no liking for a place counts
    settings = LabelSettings(out=tmp_path / "labels.jsonl", judge_group="judge", votes=2)
    (done,) = await run(served, rows_of(1), settings)
    assert (done.quality, done.graded_by) == ({"frontier": 1.0, "simple": 0.5, "medium": 0.5}, "judge")
    assert sum(body["model"] == "judge" for body in served.asked) == 8
    served.answers["judge"] = "no idea"
    other = replace(settings, out=tmp_path / "other.jsonl")
    (undecided,) = await run(served, rows_of(1), other)
    assert undecided.quality == {"frontier": 1.0}


async def test_for_people_the_judge_is_not_asked_and_text_can_be_left_out(served: StandInProxy, tmp_path: Path) -> None:
    settings = LabelSettings(out=tmp_path / "a.jsonl", judge_group="judge", grading="human", keep_text=False)
    await run(served, rows_of(1), settings)
    (row,) = load_labels(settings.out)
    assert (row.quality, row.prompt, row.answers) == ({}, None, {})
    assert all(body["model"] != "judge" for body in served.asked)


def test_the_plan_counts_calls_cost_and_groups_without_a_price(tmp_path: Path) -> None:
    settings = LabelSettings(out=tmp_path / "labels.jsonl", judge_group="judge")
    plan = plan_label(rows_of(2), POLICY, {}, settings)
    assert plan.calls == 2 * 3 + 2 * 4
    assert plan.unpriced == ("judge", "tier-frontier", "tier-medium", "tier-simple")


def test_an_interrupted_run_keeps_its_draw(tmp_path: Path) -> None:
    settings = LabelSettings(out=tmp_path / "labels.jsonl")
    candidates = [Candidate(row=row) for row in rows_of(30)]
    drawn = choose_rows(candidates, 10, settings, min_quality=0.9, seed=0)
    again = choose_rows([], 10, settings, min_quality=0.9, seed=5)
    assert [row.id for row in drawn] == [row.id for row in again]
