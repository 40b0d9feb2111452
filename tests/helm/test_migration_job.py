import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.helm.conftest import Chart, Document

TEMPLATE = "migration-job.yaml"


def container_of(document: Document) -> dict[str, Any]:
    return document["spec"]["template"]["spec"]["containers"][0]


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_it_runs_before_the_pods_and_needs_nothing_that_is_made_later(production: Chart) -> None:
    document = production.document(TEMPLATE)
    assert document["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    pod = document["spec"]["template"]["spec"]
    assert "serviceAccountName" not in pod
    assert [volume["name"] for volume in pod["volumes"]] == ["tmp"]
    assert "envFrom" not in container_of(document)


def test_it_gets_both_database_urls_from_the_secret(production: Chart) -> None:
    entries = {entry["name"]: entry for entry in container_of(production.document(TEMPLATE))["env"]}
    for name in ("TIERGATE_DECISION_LOG_URL", "DATABASE_URL"):
        assert entries[name]["valueFrom"]["secretKeyRef"] == {"name": "postgresql", "key": name}


def test_it_runs_without_privileges(production: Chart) -> None:
    document = production.document(TEMPLATE)
    assert document["spec"]["template"]["spec"]["securityContext"]["runAsNonRoot"] is True
    assert container_of(document)["securityContext"]["readOnlyRootFilesystem"] is True
    assert document["spec"]["template"]["spec"]["restartPolicy"] == "Never"


def test_its_script_makes_the_decision_logs_tables(production: Chart, tmp_path: Path) -> None:
    container = container_of(production.document(TEMPLATE))
    assert container["command"] == ["python", "-c"]
    database = tmp_path / "decisions.db"
    environ = {key: value for key, value in os.environ.items() if key != "DATABASE_URL"}
    environ["TIERGATE_DECISION_LOG_URL"] = f"sqlite:///{database}"
    done = subprocess.run(
        [sys.executable, "-c", *container["args"]], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(database) as connection:
        tables = {row[0] for row in connection.execute("select name from sqlite_master where type='table'")}
    assert "decisions" in " ".join(tables)
