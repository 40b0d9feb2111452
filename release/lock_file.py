"""Lock files: exact versions with hashes, no address, nothing that is known to be bad."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

REFUSED: Mapping[str, tuple[str, ...]] = {"litellm": ("1.107.0",)}
"""Releases that must never be locked: 1.107.0 of LiteLLM was compromised."""

_ENTRY = re.compile(r"^([A-Za-z0-9._-]+)(\[[^\]]*\])?==([^ ;\\]+)")
_HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """One entry of a lock file: name as the index normalises it, version, number of hashes."""

    name: str
    version: str
    hashes: int


def normalise(name: str) -> str:
    """Return a project's name as PEP 503 writes it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(text: str) -> tuple[Locked, ...]:
    """Return the entries of a lock file, in order."""
    entries: list[Locked] = []
    for block in re.sub(r"\\\n\s*", " ", text).splitlines():
        found = _ENTRY.match(block)
        if found:
            entries.append(Locked(name=normalise(found[1]), version=found[3], hashes=len(_HASH.findall(block))))
    return tuple(entries)


def audit_lock(name: str, text: str, direct: Sequence[str]) -> list[str]:
    """Return what is wrong with a lock file.

    Args:
        name: Its name, for messages.
        text: Its content.
        direct: Normalised names of the direct dependencies that it must hold.
    """
    entries = read_lock(text)
    known = {entry.name for entry in entries}
    lines = [line for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line and not line.startswith("#")]
    found = [f"{name}: {line[:60]!r} is not NAME==VERSION" for line in lines if not _ENTRY.match(line)]
    found += [f"{name}: {entry.name} has no hash" for entry in entries if entry.hashes == 0]
    found += [f"{name}: holds an address" for _ in [0] if "://" in text]
    found += [
        f"{name}: {entry.name} {entry.version} is refused"
        for entry in entries
        if entry.version in REFUSED.get(entry.name, ())
    ]
    return found + [f"{name}: {wanted} is not in it" for wanted in direct if wanted not in known]
