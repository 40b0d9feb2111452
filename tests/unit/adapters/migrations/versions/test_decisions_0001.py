import importlib
from typing import Any

import sqlalchemy as sa

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_schema import migrate
from tiergate.adapters.decision_tables import METADATA, SCHEMA_VERSION


def test_a_log_from_before_migrations_keeps_its_rows(tmp_path: Any) -> None:
    url = parse_url(f"sqlite:///{tmp_path}/decisions.db")
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        migrate(connection, "0001")
        connection.execute(sa.text("DROP TABLE tiergate_migrations"))
        connection.execute(sa.text("INSERT INTO tiergate_schema (version, opened_at) VALUES (1, 0)"))
        table = METADATA.tables["tiergate_decisions"]
        row = {"decision_id": "d-1", "recorded_at": 1, "record": {"decision_id": "d-1", "final_tier": "simple"}}
        connection.execute(sa.insert(table).values(row))
    database = DecisionDatabase(url)
    database.open_schema()
    assert database.read_decision("d-1") == row["record"]
    with engine.connect() as connection:
        versions = connection.scalars(sa.text("SELECT version FROM tiergate_schema ORDER BY version")).all()
    assert list(versions) == [1, SCHEMA_VERSION]
    database.close()
    engine.dispose()


def test_it_is_the_first() -> None:
    module = importlib.import_module("tiergate.adapters.migrations.versions.decisions_0001")
    assert (module.revision, module.down_revision) == ("0001", None)
