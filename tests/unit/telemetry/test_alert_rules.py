import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tiergate.telemetry.alert_rules import ALERTS, build_rules

SHIPPED = Path(__file__).parents[3] / "litellm_config" / "observability"


def promtool(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    return subprocess.run([tool, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def test_promtool_accepts_the_rules_and_their_tests_pass() -> None:
    folder = SHIPPED / "alerts"
    checked = promtool("check", "rules", "rules.yaml", folder=folder)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(ALERTS)} rules found" in checked.stdout
    tested = promtool("test", "rules", "rules_test.yaml", folder=folder)
    assert tested.returncode == 0, tested.stderr + tested.stdout


def test_the_tests_of_the_rules_notice_alerts_that_never_fire(tmp_path: Path) -> None:
    rules = build_rules()
    for rule in rules["groups"][0]["rules"]:
        rule["expr"] = f"({rule['expr']}) and on() vector(0) > 1"
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    shutil.copy(SHIPPED / "alerts" / "rules_test.yaml", tmp_path)
    tested = promtool("test", "rules", "rules_test.yaml", folder=tmp_path)
    assert tested.returncode == 1
    assert set(re.findall(r"alertname: (\w+)", tested.stderr + tested.stdout)) == {a.name for a in ALERTS}
