"""The site builds strict, and the pages have the parts that they promise."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
HOW_TOS = sorted((DOCS / "how-to").glob("*.md"))


@pytest.mark.slow
def test_the_site_builds_strict(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    pages = {str(path.relative_to(tmp_path / "site")) for path in (tmp_path / "site").rglob("*.html")}
    assert {"tutorial.html", "runbook.html", "repository/litellm_config/index.html"} <= pages
    assert "repository/litellm_config/recipes/agent-stack/index.html" in pages


@pytest.mark.slow
def test_a_broken_link_fails_the_build(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text("# A\n\n[b](nowhere.md)\n", encoding="utf-8")
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    for key in ("hooks", "nav", "exclude_docs"):
        del config[key]
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict"]
    built = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert built.returncode != 0
    assert "nowhere.md" in built.stdout + built.stderr


@pytest.mark.parametrize("page", HOW_TOS, ids=lambda page: page.stem)
def test_a_how_to_ends_with_verify_and_troubleshooting(page: Path) -> None:
    headings = re.findall(r"^## (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    assert [name for name in headings if name in {"Verify", "Troubleshooting"}] == ["Verify", "Troubleshooting"]


def test_every_alert_has_its_section_in_the_runbook() -> None:
    files = [ROOT / "helm" / "tiergate" / "files" / "alerts.yaml"]
    files += (ROOT / "litellm_config" / "observability").glob("alerts/rules.yaml")
    alerts = {
        rule["alert"]
        for file in files
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }
    steps = yaml.safe_load((DOCS / "runbook_steps.yaml").read_text(encoding="utf-8"))
    assert alerts <= set(steps)
    assert all(set(step) == {"look", "act", "over"} for step in steps.values())
    sections = set(re.findall(r"^## (.+)$", (DOCS / "runbook.md").read_text(encoding="utf-8"), re.MULTILINE))
    assert sections == alerts


def test_every_page_of_the_site_is_in_the_index_or_the_navigation() -> None:
    known = (ROOT / "mkdocs.yml").read_text(encoding="utf-8") + (DOCS / "index.md").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        assert str(page.relative_to(DOCS)) in known or page.parent.name in {"reference", "how-to", "decisions"}, page
