"""What is wrong with a configuration: one defect each, an error or a warning."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from typing_extensions import override

from tiergate.errors import ConfigurationError, PolicyError


class Severity(StrEnum):
    """Whether the proxy refuses to start."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defect:
    """One thing that is wrong.

    Attributes:
        severity: An error stops start-up, a warning is logged once.
        file: The file that is wrong.
        key: The key inside the file, dotted; empty when the file as a whole is wrong.
        problem: What is wrong, one sentence without a full stop.
        fix: What to do about it, one sentence without a full stop.
    """

    severity: Severity
    file: str
    key: str
    problem: str
    fix: str

    @override
    def __str__(self) -> str:
        """Write the defect as the error it becomes at start-up."""
        return str(self.to_error())

    def to_error(self) -> ConfigurationError:
        """Return the error that start-up raises."""
        return PolicyError(self.file, self.key, self.problem, self.fix)

    def to_row(self) -> dict[str, str]:
        """Return the defect as JSON-ready text."""
        return {
            "severity": self.severity.value,
            "file": self.file,
            "key": self.key,
            "problem": self.problem,
            "fix": self.fix,
        }


def error(file: str | Path, key: str, problem: str, fix: str) -> Defect:
    """Return a defect that stops start-up."""
    return Defect(severity=Severity.ERROR, file=str(file), key=key, problem=problem, fix=fix)


def warning(file: str | Path, key: str, problem: str, fix: str) -> Defect:
    """Return a defect that start-up only logs."""
    return Defect(severity=Severity.WARNING, file=str(file), key=key, problem=problem, fix=fix)


def from_error(exc: ConfigurationError) -> Defect:
    """Return a raised error as a defect."""
    return error(exc.file, exc.key, exc.problem, exc.fix)
