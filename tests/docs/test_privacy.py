"""The statements of the privacy page do what it says."""

import re
import sqlite3
import time
from pathlib import Path

import sqlalchemy as sa

from tiergate.adapters.decision_tables import DECISIONS, METADATA
from tiergate.hooks.tenant import hash_identity

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")


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
    engine.dispose()


def left(file: Path, statement: str) -> list[str]:
    with sqlite3.connect(file) as connection:
        connection.execute(statement)
        return [row[0] for row in connection.execute("SELECT decision_id FROM tiergate_decisions")]


def test_what_is_older_than_thirty_days_goes(tmp_path: Path) -> None:
    write_log(tmp_path / "decisions.db")
    found = re.search(r'sqlite3 data/decisions.db "(.+)"', PAGE)
    assert found is not None
    assert left(tmp_path / "decisions.db", found[1]) == ["new"]


def test_one_person_s_decisions_go(tmp_path: Path) -> None:
    write_log(tmp_path / "decisions.db")
    asked = re.search(r"hash_identity\('(\w+)', '(\w+)'\)", PAGE)
    deleted = re.search(r"`(DELETE FROM tiergate_decisions WHERE tenant = )'HASH'`", PAGE)
    assert asked is not None
    assert deleted is not None
    assert left(tmp_path / "decisions.db", f"{deleted[1]}'{hash_identity(asked[1], asked[2])}'") == ["old"]
