"""One check for every way to write an artifact: the worst slice decides, and the refusal says where and what to do."""

from pathlib import Path

import pytest

from tiergate.artifact_format import Metric
from tiergate.errors import ArtifactError
from tiergate_classifier.tail_check import TailError, check_tail

FILE = Path("artifacts/new")


def metric(name: str, value: float) -> Metric:
    return Metric(name=name, value=value, n=120, low=value / 2, high=value * 2)


FIGURES = (
    metric("calibration_error", 0.02),
    metric("worst_slice_calibration_error", 0.09),
    metric("calibration_error/domain/legal", 0.09),
    metric("calibration_error/length/high", 0.03),
)


def test_within_the_limit_the_card_says_nothing() -> None:
    assert check_tail(FIGURES, file=FILE, max_slice_error=0.09, override=None) == ""


def test_a_refusal_names_file_slice_interval_and_fix() -> None:
    with pytest.raises(TailError) as refused:
        check_tail(FIGURES, file=FILE, max_slice_error=0.06, override=None)
    assert isinstance(refused.value, ArtifactError)
    told = str(refused.value)
    for part in ("artifacts/new", "metrics.calibration_error/domain/legal", "0.0900 (0.0450 to 0.1800 on 120 rows)"):
        assert part in told
    assert "Fix: label more rows of that slice" in told
    assert "--override REASON" in told


def test_an_override_passes_and_lands_in_the_card() -> None:
    told = check_tail(FIGURES, file=FILE, max_slice_error=0.06, override="a trial on one team")
    assert "a trial on one team" in told
    assert "0.0900" in told


def test_without_slices_the_overall_error_decides_and_none_at_all_is_refused() -> None:
    overall = FIGURES[:1]
    assert check_tail(overall, file=FILE, max_slice_error=0.02, override=None) == ""
    with pytest.raises(TailError, match=r"metrics\.calibration_error"):
        check_tail(overall, file=FILE, max_slice_error=0.01, override=None)
    with pytest.raises(TailError, match="never measured"):
        check_tail((), file=FILE, max_slice_error=1.0, override=None)
