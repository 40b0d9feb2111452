import importlib
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tiergate.adapters.decision_schema import migrate


def test_it_goes_up_down_and_up_again(tmp_path: Any) -> None:
    module = importlib.import_module("tiergate.adapters.migrations.versions.blocks_0003")
    assert (module.revision, module.down_revision) == ("0003", "0002")
    engine = sa.create_engine(f"sqlite:///{tmp_path}/decisions.db")
    with engine.begin() as connection:
        migrate(connection, "0002")
        assert not sa.inspect(connection).has_table("tiergate_blocks")
        migrate(connection)
        with Operations.context(MigrationContext.configure(connection)):
            module.downgrade()
            assert not sa.inspect(connection).has_table("tiergate_blocks")
            module.upgrade()
        columns = {column["name"] for column in sa.inspect(connection).get_columns("tiergate_blocks")}
        assert columns == {"hour", "part", "decisions", "columns"}
    engine.dispose()
