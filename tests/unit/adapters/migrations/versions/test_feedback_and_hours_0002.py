import importlib
from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from tiergate.adapters.decision_schema import migrate

NEW = {"tiergate_feedback", "tiergate_hours", "tiergate_hour_decisions", "tiergate_hour_calls", "tiergate_hour_scores"}


def test_it_goes_up_down_and_up_again(tmp_path: Any) -> None:
    module = importlib.import_module("tiergate.adapters.migrations.versions.feedback_and_hours_0002")
    assert (module.revision, module.down_revision) == ("0002", "0001")
    engine = sa.create_engine(f"sqlite:///{tmp_path}/decisions.db")
    with engine.begin() as connection:
        migrate(connection)
        assert set(sa.inspect(connection).get_table_names()) >= NEW
        with Operations.context(MigrationContext.configure(connection)):
            module.downgrade()
            assert not set(sa.inspect(connection).get_table_names()) & NEW
            (index,) = [
                i for i in sa.inspect(connection).get_indexes("tiergate_decisions") if str(i["name"]).endswith("_ts")
            ]
            assert index["column_names"] == ["ts", "decision_id"]
            module.upgrade()
        assert set(sa.inspect(connection).get_table_names()) >= NEW
    engine.dispose()
