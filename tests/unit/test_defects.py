"""A defect is a row, a sentence and an error, all with file, key and fix."""

from tiergate.defects import Severity, error, from_error, warning
from tiergate.errors import ArtifactError, ConfigurationError


def test_a_defect_reads_as_the_error_it_becomes() -> None:
    defect = error("policy.yaml", "tiers", "is missing", "add it")
    assert str(defect) == "policy.yaml: tiers: is missing. Fix: add it."
    assert isinstance(defect.to_error(), ConfigurationError)
    assert str(defect.to_error()) == str(defect)


def test_a_row_is_plain_text() -> None:
    row = warning("config.yaml", "", "is odd", "look at it").to_row()
    assert row == {
        "severity": "warning",
        "file": "config.yaml",
        "key": "",
        "problem": "is odd",
        "fix": "look at it",
    }


def test_an_error_becomes_a_defect_and_keeps_what_it_said() -> None:
    raised = ArtifactError("head.safetensors", "files", "is torn", "rebuild it")
    defect = from_error(raised)
    assert defect.severity is Severity.ERROR
    assert str(defect) == str(raised)
