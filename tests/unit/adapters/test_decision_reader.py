import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_feedback import FeedbackRow
from tiergate.adapters.decision_reader import DecisionReader
from tiergate.adapters.decision_rollups import hour_of
from tiergate.adapters.decision_tables import build_values
from tiergate.errors import DecisionLogError


async def test_many_questions_at_once_are_answered_one_after_another(tmp_path: Path, build_row: Any) -> None:
    url = f"sqlite:///{tmp_path}/decisions.db"
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    database.upsert([build_values(build_row(f"d-{n}", ts=time.time()), 1) for n in range(5)])
    reader = DecisionReader(url)
    end = hour_of(time.time()) + 1
    summaries, found, listed, _ = await asyncio.gather(
        asyncio.gather(*(reader.summarise((end - 24, end)) for _ in range(8))),
        reader.find("d-3"),
        reader.search(limit=2, after=None, between=None, where={}),
        reader.keep_feedback(FeedbackRow(decision_id="d-3", source="user", ts=1.0, score=1.0)),
    )
    assert {summary["totals"]["requests"] for summary in summaries} == {5}
    assert found is not None
    assert len(listed) == 2
    await reader.aclose()
    database.close()


async def test_a_log_that_is_gone_is_an_error_of_ours(tmp_path: Path) -> None:
    reader = DecisionReader(f"sqlite:///{tmp_path}/decisions.db")
    with pytest.raises(DecisionLogError):
        await reader.find("d-1")
    await reader.aclose()
