from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from tiergate.adapters.decision_database import parse_url
from tiergate.adapters.decision_schema import migrate
from tiergate.adapters.decision_tables import METADATA
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


def test_a_revision_that_is_not_known_is_refused(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        migrate(connection)
        connection.execute(sa.text("UPDATE tiergate_migrations SET version_num = '9999'"))
    with engine.connect() as connection, pytest.raises(DecisionLogError, match="cannot be migrated"):
        migrate(connection)
    engine.dispose()
