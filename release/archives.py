"""What the wheel and the sdist hold, and what they must not."""

import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

WHEEL_NEEDS = (
    "tiergate/py.typed",
    "tiergate/models/encoder/model.onnx",
    "tiergate/models/intent/manifest.json",
    "tiergate/models/intent/card.md",
    "tiergate/models/pairs/manifest.json",
    "tiergate/_pack/config.yaml",
    "tiergate/_pack/policy.yaml",
    "tiergate/_pack/policy.schema.json",
    "tiergate/_pack/quickstart/config.yaml",
    "tiergate/_pack/recipes/agent-stack/probes.yaml",
    "tiergate/demo/scenarios/recipes.yaml",
    "tiergate_classifier/__init__.py",
)
SDIST_NEEDS = ("pyproject.toml", "LICENSE", "README.md", "CHANGELOG.md", "requirements/run.txt", "mkdocs.yml")
UNWANTED = ("__pycache__", ".pyc", ".db", "/data/", ".log", ".env", "id_rsa", "node_modules", ".venv", "/site/")
WHEEL_TOPS = frozenset({"tiergate", "tiergate_classifier"})
MAX_BYTES = 40_000_000


def check_wheel(path: Path) -> list[str]:
    """Return what is wrong with a wheel."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
    found = [f"{path.name}: {name} is missing" for name in WHEEL_NEEDS if name not in names]
    tops = {name.split("/")[0] for name in names if not name.split("/")[0].endswith(".dist-info")}
    found += [f"{path.name}: has {top} at its top" for top in sorted(tops - WHEEL_TOPS)]
    if not any(name.endswith("licenses/LICENSE") for name in names):
        found.append(f"{path.name}: has no licence")
    return [
        *found,
        *_check_common(path, names),
        *(f"{path.name}: {name} is a test" for name in names if "/tests/" in name),
    ]


def check_sdist(path: Path) -> list[str]:
    """Return what is wrong with an sdist."""
    with tarfile.open(path) as archive:
        names = [name.partition("/")[2] for name in archive.getnames()]
    return [f"{path.name}: {name} is missing" for name in SDIST_NEEDS if name not in names] + _check_common(path, names)


def _check_common(path: Path, names: Sequence[str]) -> list[str]:
    found = [f"{path.name}: {name} does not belong there" for name in names if _is_unwanted(name)]
    size = path.stat().st_size
    return found if size <= MAX_BYTES else [*found, f"{path.name}: {size} bytes, more than {MAX_BYTES}"]


def _is_unwanted(name: str) -> bool:
    """Tell whether a file belongs in no archive; rows that tests read are no run's data."""
    parts = [part for part in UNWANTED if part != "/data/" or not name.startswith("tests/")]
    return any(part in f"/{name}" for part in parts)
