"""The statements of the pages on privacy do what they say."""

import re
import sqlite3
import time
from pathlib import Path

import sqlalchemy as sa

from tiergate.adapters.decision_tables import DECISIONS, FEEDBACK, METADATA
from tiergate.hooks.tenant import hash_identity
from tiergate.http.api import InvalidateBody

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
STEPS = (ROOT / "docs" / "how-to" / "delete-personal-data.md").read_text(encoding="utf-8")


def write_log(file: Path) -> None:
    """Write a log with a decision of today and one of forty days ago, by two tenants."""
    engine = sa.create_engine(f"sqlite:///{file}")
    METADATA.create_all(engine)
    rows = [
        {"decision_id": name, "ts": time.time() - days * 86400, "tenant": tenant, "recorded_at": 0, "record": {}}
        for name, days, tenant in (("new", 0, hash_identity("user", "USER_ID")), ("old", 40, "other"))
    ]
    with engine.begin() as connection:
        connection.execute(sa.insert(DECISIONS), rows)
        said = [{"decision_id": name, "source": "user", "ts": 0, "wrong_cache_hit": False} for name in ("new", "old")]
        connection.execute(sa.insert(FEEDBACK), [{"comment": "", **row} for row in said])
    engine.dispose()


def left(file: Path, *statements: str, table: str = "tiergate_decisions") -> list[str]:
    with sqlite3.connect(file) as connection:
        for statement in statements:
            connection.execute(statement)
        return [row[0] for row in connection.execute(f"SELECT decision_id FROM {table}")]  # noqa: S608  two names


def test_what_is_older_than_thirty_days_goes(tmp_path: Path) -> None:
    write_log(tmp_path / "decisions.db")
    found = re.search(r'sqlite3 data/decisions.db "(.+)"', PAGE)
    assert found is not None
    assert left(tmp_path / "decisions.db", found[1]) == ["new"]


def test_one_person_s_decisions_and_feedback_go(tmp_path: Path) -> None:
    write_log(tmp_path / "decisions.db")
    asked = re.search(r"hash_identity\('(\w+)', '(\w+)'\)", STEPS)
    assert asked is not None
    statements = [
        line.strip().replace("HASH", hash_identity(asked[1], asked[2]))
        for line in STEPS.splitlines()
        if line.strip().startswith("DELETE FROM")
    ]
    assert len(statements) == 2
    assert left(tmp_path / "decisions.db", *statements) == ["old"]
    assert left(tmp_path / "decisions.db", table="tiergate_feedback") == ["old"]


def test_the_body_of_the_call_that_removes_answers_is_accepted() -> None:
    found = re.search(r"-d '(\{.+\})'", STEPS)
    assert found is not None
    body = InvalidateBody.model_validate_json(found[1])
    assert (body.scope, body.older_than_s) == ("HASH", 0)
