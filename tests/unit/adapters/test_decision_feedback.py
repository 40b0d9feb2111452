from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_feedback import FeedbackRow, read_feedback, write_feedback
from tiergate.adapters.decision_tables import build_values


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, build_row: Any) -> Iterator[DecisionDatabase]:
    url = f"sqlite:///{tmp_path}/decisions.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    hit = build_row("hit", ts=200.0, cache={"outcome": "hit"}, gate={"outcome": "skipped", "confidence": 0.9})
    weak = build_row("weak", ts=300.0, gate={"outcome": "escalated", "confidence": 0.4})
    database.upsert([build_values(row, 1) for row in (build_row("good", ts=100.0), hit, weak)])
    yield database
    database.close()


def keep(database: DecisionDatabase, decision_id: str, **said: Any) -> None:
    said = {"source": "user", "ts": 1.0} | said
    with database.transaction() as connection:
        write_feedback(connection, FeedbackRow(decision_id=decision_id, **said))


def read(database: DecisionDatabase, start: float = 0.0, end: float = 1000.0) -> dict[str, Any]:
    with database.snapshot() as connection:
        return read_feedback(connection, start, end)


def test_only_answers_whose_confidence_is_known_are_graded(database: DecisionDatabase) -> None:
    for decision_id in ("good", "hit", "weak"):
        keep(database, decision_id, score=0.5)
    found = read(database)
    assert found["graded"] == [(0.95, 0.5)]
    assert (found["hits"], found["wrong_hits"], found["scores"], found["mean_score"]) == (1, 0, 3, 0.5)


def test_the_last_word_of_a_source_counts(database: DecisionDatabase) -> None:
    keep(database, "good", score=0.0)
    keep(database, "good", score=1.0)
    assert read(database)["graded"] == [(0.95, 1.0)]
    keep(database, "good", source="judge", score=0.25, probability=0.1)
    assert sorted(read(database)["graded"]) == [(0.95, 0.25), (0.95, 1.0)]
    row = database.read_decision("good")
    assert row is not None
    assert row["feedback"]["score"] == 1.0


def test_feedback_belongs_to_the_time_of_its_decision(database: DecisionDatabase) -> None:
    keep(database, "good", score=1.0, ts=5000.0)
    assert read(database, 0, 101)["scores"] == 1
    assert read(database, 101, 9000)["scores"] == 0


def test_feedback_on_an_unknown_decision_waits_in_no_diagram(database: DecisionDatabase) -> None:
    keep(database, "unknown", score=1.0)
    assert read(database)["scores"] == 0


def test_wrong_hits_are_counted_among_judged_ones(database: DecisionDatabase) -> None:
    keep(database, "hit", wrong_cache_hit=True)
    found = read(database)
    assert (found["hits"], found["wrong_hits"], found["mean_score"]) == (1, 1, None)
