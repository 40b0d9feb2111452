"""The label file: what is written comes back after a restart, and a torn line costs that line only."""

import logging
from pathlib import Path

import numpy as np
import pytest

from tiergate.adapters.pair_label_file import PairLabelFile, Recall, Renewal
from tiergate.policy.deployment_cuts import PairLabel


def label(number: int = 0) -> PairLabel:
    rng = np.random.default_rng(number)
    features, asked, stored = (rng.normal(size=size).astype(np.float32) for size in (5, 4, 4))
    return PairLabel(
        ts=float(number), tenant="t", entry_id=f"e{number}", similarity=0.9, same=number % 2 == 0, would_hit=True,
        drawn=True, features=features, asked=asked, stored=stored,
    )  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> PairLabelFile:
    return PairLabelFile(tmp_path / "new folder" / "labels.jsonl")


def test_what_is_kept_comes_back_in_its_order(file: PairLabelFile) -> None:
    assert file.read() == []
    pair = np.ones(2, dtype=np.float32), np.zeros(2, dtype=np.float32)
    file.add_label(label(3))
    file.add_recall("e1", "t", pair)
    file.add_recall("e2", "", None)
    file.add_renewal("e2")
    first, second, third, fourth = PairLabelFile(file.path).read()
    assert isinstance(first, PairLabel)
    np.testing.assert_array_equal(first.features, label(3).features)
    np.testing.assert_array_equal(first.asked, label(3).asked)
    assert (first.entry_id, first.same, first.drawn, first.ts) == ("e3", False, True, 3.0)
    assert isinstance(second, Recall)
    assert second.pair is not None
    np.testing.assert_array_equal(second.pair[0], pair[0])
    assert isinstance(third, Recall)
    assert (third.entry_id, third.tenant, third.pair) == ("e2", "", None)
    assert fourth == Renewal("e2")
    assert [each.entry_id for each in file.labels()] == ["e3"]


def test_it_is_for_its_owner_and_holds_no_text(file: PairLabelFile) -> None:
    file.add_label(label())
    assert file.path.stat().st_mode & 0o077 == 0
    assert b"prompt" not in file.path.read_bytes()


def test_torn_and_strange_lines_are_skipped(file: PairLabelFile, caplog: pytest.LogCaptureFixture) -> None:
    file.add_label(label(1))
    whole = file.path.read_bytes()
    file.path.write_bytes(whole + b'{"kind": "from the future"}\n[]\n' + whole[: len(whole) // 2] + b"\n" + whole)
    with caplog.at_level(logging.WARNING):
        assert [each.entry_id for each in file.labels()] == ["e1", "e1"]
    assert "skipped" in caplog.text


def test_the_oldest_lines_go_when_there_are_far_too_many(tmp_path: Path) -> None:
    file = PairLabelFile(tmp_path / "labels.jsonl", max_lines=3)
    for number in range(6):
        file.add_label(label(number))
    assert len(file.labels()) == 6
    file.add_label(label(6))
    assert [each.entry_id for each in file.labels()] == ["e4", "e5", "e6"]
    file.add_label(label(7))
    assert [each.entry_id for each in file.labels()] == ["e4", "e5", "e6", "e7"]


def test_a_file_that_cannot_be_used_costs_a_log_line_only(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "labels").mkdir()
    file = PairLabelFile(tmp_path / "labels")
    with caplog.at_level(logging.WARNING):
        file.add_renewal("e")
        assert file.read() == []
    assert "could not be kept" in caplog.text
    assert "cannot be read" in caplog.text


def test_lines_that_cannot_be_shortened_stay(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = PairLabelFile(tmp_path / "labels.jsonl", max_lines=1)
    for number in range(4):
        file.add_renewal(str(number))
    (tmp_path / "labels.jsonl.new").mkdir()
    with caplog.at_level(logging.WARNING):
        assert file.read() == [Renewal("3")]
    assert "could not be shortened" in caplog.text
    assert file.path.read_bytes().count(b"\n") == 4
