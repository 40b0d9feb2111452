"""Everything that must hold before a release, offline.

python -m release.check: builds wheel and sdist into dist/, looks into both, audits the lock files, checks licences,
writes dist/sbom.json. Known advisories are not looked up: that needs a network (`pip-audit -r requirements/run.txt`).
"""

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

from release.archives import check_sdist, check_wheel
from release.licences import check_licences
from release.lock_file import audit_lock, normalise, read_lock

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
LOCKS = ("run.txt", "image.txt", "dev.txt")


def main() -> int:
    """Run every check; print what is wrong. Return 0 only when nothing is."""
    DIST.mkdir(exist_ok=True)
    for old in (*DIST.glob("tiergate-*.whl"), *DIST.glob("tiergate-*.tar.gz")):
        old.unlink()
    run("-m", "hatchling", "build", "-d", str(DIST))
    (wheel,), (sdist,) = tuple(DIST.glob("*.whl")), tuple(DIST.glob("*.tar.gz"))
    found = [*check_wheel(wheel), *check_sdist(sdist), *check_locks(), *check_shipped_licences()]
    found += check_version(wheel, tag_of_head())
    write_sbom(DIST / "sbom.json")
    for problem in found:
        sys.stdout.write(f"error: {problem}\n")
    sys.stdout.write(f"{wheel.name}, {sdist.name}, sbom.json: {'refused' if found else 'ok'}\n")
    return 1 if found else 0


def run(*arguments: str) -> str:
    """Run this interpreter with arguments and return what it prints."""
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  our own commands
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def check_locks() -> list[str]:
    """Audit the lock files against the direct dependencies of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = [normalise(re.split(r"[\[<>=!;~ ]", item)[0]) for item in project["dependencies"]]
    found = []
    for name in LOCKS:
        found += audit_lock(name, (ROOT / "requirements" / name).read_text(encoding="utf-8"), direct)
    return found


def check_shipped_licences() -> list[str]:
    """Check the licences of what the container holds, as installed here."""
    rows = json.loads(run("-m", "piplicenses", "--format=json", "--from=mixed"))
    locked = read_lock((ROOT / "requirements" / "image.txt").read_text(encoding="utf-8"))
    return check_licences(rows, {entry.name for entry in locked})


def check_version(wheel: Path, tag: str | None) -> list[str]:
    """Check that a tagged commit gives the tag's version, and that the changelog has it."""
    if tag is None:
        return []
    version = wheel.name.split("-")[1]
    found = [] if version == tag.removeprefix("v") else [f"{wheel.name}: the tag is {tag}"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    return found if f"## [{tag.removeprefix('v')}]" in changelog else [*found, f"CHANGELOG.md has no section for {tag}"]


def tag_of_head() -> str | None:
    """Return the tag of the commit; None when it has none."""
    command: Sequence[str] = ("git", "describe", "--exact-match", "--tags")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603  a constant
    return done.stdout.strip() or None


def write_sbom(path: Path) -> None:
    """Write the bill of materials of the container's lock file, CycloneDX JSON, the same bytes each time."""
    lock = str(ROOT / "requirements" / "image.txt")
    run("-m", "cyclonedx_py", "requirements", lock, "--output-reproducible", "--of", "JSON", "-o", str(path))


if __name__ == "__main__":
    sys.exit(main())
