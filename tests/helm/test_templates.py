from pathlib import Path

import pytest
from helm.chartgen.places import CHART

TEMPLATES = CHART / "templates"
HERE = Path(__file__).parent
SUITES = {"NOTES.txt": "test_notes.py", "tests/smoke.yaml": "test_smoke.py"}
NAMES = sorted(
    str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*") if path.is_file() and path.suffix != ".tpl"
)


@pytest.mark.parametrize("name", NAMES)
def test_every_template_has_a_suite(name: str) -> None:
    path = Path(name)
    suite = SUITES.get(name, str(path.with_name(f"test_{path.stem.replace('-', '_')}.py")))
    assert (HERE / suite).is_file()
    assert name in (HERE / suite).read_text(encoding="utf-8") or name == "requirements.yaml"


def test_the_values_stay_short() -> None:
    assert len((CHART / "values.yaml").read_text(encoding="utf-8").splitlines()) <= 300
