"""Blocks of columns: what they say is what the rows say, whichever hours are packed."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from tests.unit.adapters.conftest import NOW_HOUR, at, tidy, write

from tiergate.adapters import decision_blocks
from tiergate.adapters.decision_columns import DecisionColumns, hash_id
from tiergate.adapters.decision_database import DecisionDatabase, parse_url, read_decision_columns
from tiergate.adapters.decision_feedback import FeedbackRow, write_feedback
from tiergate.adapters.decision_tables import BLOCKS

Rows = Callable[..., dict[str, Any]]


def costs(columns: DecisionColumns) -> dict[int, float]:
    return dict(zip(columns.ids.tolist(), columns.cost_usd.tolist(), strict=True))


def packed(database: DecisionDatabase) -> dict[int, int]:
    with database.snapshot() as connection:
        query = sa.select(BLOCKS.c.hour, sa.func.sum(BLOCKS.c.decisions)).group_by(BLOCKS.c.hour)
        return {hour: int(decisions) for hour, decisions in connection.execute(query)}


def test_the_columns_are_the_same_before_and_after_packing(
    database: DecisionDatabase, build_row: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision_blocks, "ROWS_PER_BLOCK", 4)
    write(database, *(build_row(f"d-{n}", ts=at(n % 7), cost_usd=n / 8) for n in range(40)))
    before = costs(database.read_columns())
    tidy(database)
    assert sum(packed(database).values()) >= 34  # the last hour is not over
    assert costs(database.read_columns()) == before
    assert len(before) == 40


def test_an_empty_log_has_empty_columns(database: DecisionDatabase) -> None:
    tidy(database)
    assert len(database.read_columns()) == 0


def test_a_late_row_takes_its_hour_s_block_away_until_it_is_packed_again(
    database: DecisionDatabase, build_row: Rows
) -> None:
    write(database, build_row("d-1", ts=at(5)), build_row("d-2", ts=at(3)))
    tidy(database)
    assert packed(database)[NOW_HOUR - 5] == 1
    assert packed(database)[NOW_HOUR - 4] == 0
    write(database, build_row("d-3", ts=at(5)))
    assert NOW_HOUR - 5 not in packed(database)
    assert len(database.read_columns()) == 3
    tidy(database)
    assert packed(database)[NOW_HOUR - 5] == 2
    assert len(database.read_columns()) == 3


def test_feedback_that_came_after_packing_counts(database: DecisionDatabase, build_row: Rows) -> None:
    write(database, *(build_row(f"d-{n}", ts=at(n + 2)) for n in range(4)))
    tidy(database)
    with database.transaction() as connection:
        write_feedback(connection, FeedbackRow(decision_id="d-1", source="user", ts=time.time(), score=0.3))
        write_feedback(connection, FeedbackRow(decision_id="d-2", source="user", ts=time.time(), wrong_cache_hit=True))
        write_feedback(connection, FeedbackRow(decision_id="d-3", source="judge", ts=time.time(), score=0.9))
    columns = database.read_columns()
    quality = dict(zip(columns.ids.tolist(), columns.quality.tolist(), strict=True))
    assert quality[hash_id("d-1")] == 0.3
    assert all(np.isnan(quality[hash_id(name)]) for name in ("d-0", "d-2", "d-3"))


def test_blocks_go_with_the_decisions_they_are_made_of(tmp_path: Path, build_row: Rows) -> None:
    url = f"sqlite:///{tmp_path}/decisions.db"
    keeper = DecisionDatabase(parse_url(url))
    keeper.open_schema()
    write(keeper, *(build_row(f"d-{n}", ts=at(24 * n + 2)) for n in range(6)))
    tidy(keeper)
    assert sum(packed(keeper).values()) == 6
    keeper.close()
    forgetful = DecisionDatabase(parse_url(url), retention_days=3)
    tidy(forgetful)
    assert sum(packed(forgetful).values()) == len(forgetful.read_columns()) == 3
    forgetful.close()
    assert len(read_decision_columns(url)) == 3
