from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_schema import MIGRATIONS, migrate
from tiergate.adapters.decision_tables import METADATA, SCHEMA_VERSION, build_values
from tiergate.errors import DecisionLogError


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Any) -> sa.Engine:
    url = f"sqlite:///{tmp_path}/decisions.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    return sa.create_engine(parse_url(url))


def url_of(engine: sa.Engine) -> sa.URL:
    return parse_url(engine.url.set(drivername=engine.url.get_backend_name()).render_as_string(hide_password=False))


def test_the_migrations_make_the_tables_that_the_code_uses(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        migrate(connection)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": "tiergate_migrations"})
        changes = [change for found in compare_metadata(context, METADATA) for change in as_list(found)]
        # Comments on columns are for those who read the code.
        assert [change for change in changes if change[0] != "modify_comment"] == []
        made = {name: index_columns(connection, name) for name in METADATA.tables}
    declared = {
        name: {str(index.name): [column.name for column in index.columns] for index in table.indexes}
        for name, table in METADATA.tables.items()
    }
    assert made == declared
    engine.dispose()


def as_list(found: Any) -> list[Any]:
    return found if isinstance(found, list) else [found]


def index_columns(connection: sa.Connection, table: str) -> dict[str, list[str | None]]:
    return {str(index["name"]): list(index["column_names"]) for index in sa.inspect(connection).get_indexes(table)}


def test_a_log_from_before_migrations_keeps_its_rows(engine: sa.Engine, build_row: Any) -> None:
    with engine.begin() as connection:
        migrate(connection, "0001")
        connection.execute(sa.text("DROP TABLE tiergate_migrations"))
        connection.execute(sa.text("INSERT INTO tiergate_schema (version, opened_at) VALUES (1, 0)"))
        table = METADATA.tables["tiergate_decisions"]
        connection.execute(sa.insert(table).values(build_values(build_row("d-1"), 1)))
    database = DecisionDatabase(url_of(engine))
    database.open_schema()
    row = database.read_decision("d-1")
    assert row is not None
    assert row["final_tier"] == "simple"
    with engine.connect() as connection:
        versions = connection.scalars(sa.text("SELECT version FROM tiergate_schema ORDER BY version")).all()
    assert list(versions) == [1, SCHEMA_VERSION]
    database.close()
    engine.dispose()


def test_down_and_up_again(engine: sa.Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        migrate(connection)
        config.attributes["connection"] = connection
        command.downgrade(config, "0001")
        assert index_columns(connection, "tiergate_decisions")["ix_tiergate_decisions_ts"] == ["ts", "decision_id"]
        command.downgrade(config, "base")
        assert sa.inspect(connection).get_table_names() == ["tiergate_migrations"]
        migrate(connection)
        assert "tiergate_feedback" in sa.inspect(connection).get_table_names()
    engine.dispose()


def test_a_revision_that_is_not_known_is_refused(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        migrate(connection)
        connection.execute(sa.text("UPDATE tiergate_migrations SET version_num = '9999'"))
    with engine.connect() as connection, pytest.raises(DecisionLogError, match="cannot be migrated"):
        migrate(connection)
    engine.dispose()
