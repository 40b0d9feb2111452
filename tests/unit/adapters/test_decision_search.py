from pathlib import Path
from typing import Any

import pytest

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_search import Cursor, find_decision, find_decisions
from tiergate.adapters.decision_tables import build_values


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path, build_row: Any) -> Any:
    url = f"sqlite:///{tmp_path}/decisions.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    rows = [build_row(f"d-{n}", ts=float(n), final_tier="simple" if n % 2 else "medium") for n in range(6)]
    database.upsert([build_values(row, 1) for row in rows])
    yield database
    database.close()


def ids(database: Any, **options: Any) -> list[str]:
    with database.snapshot() as connection:
        return [row["decision_id"] for row in find_decisions(connection, **options)]


def test_filters_and_windows_narrow_the_list(database: Any) -> None:
    assert ids(database, where={"final_tier": "simple"}) == ["d-1", "d-3", "d-5"]
    assert ids(database, where={"final_tier": "simple", "status": "ok"}, between=(2.0, 5.0)) == ["d-3"]
    assert ids(database, where={"final_tier": "nothing"}) == []


def test_both_directions_go_on_where_they_stopped(database: Any) -> None:
    assert ids(database, limit=2, newest_first=True) == ["d-5", "d-4"]
    assert ids(database, limit=2, newest_first=True, after=Cursor(ts=4.0, decision_id="d-4")) == ["d-3", "d-2"]
    assert ids(database, limit=2, after=Cursor(ts=1.0, decision_id="d-1")) == ["d-2", "d-3"]


def test_what_is_no_column_of_the_search_is_refused(database: Any) -> None:
    with pytest.raises(ValueError, match="record"):
        ids(database, where={"record": "x"})


def test_one_decision_or_none(database: Any) -> None:
    with database.snapshot() as connection:
        found = find_decision(connection, "d-2")
        assert found is not None
        assert found["feedback"] is None
        assert find_decision(connection, "none") is None
