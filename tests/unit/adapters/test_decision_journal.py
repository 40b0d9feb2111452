import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tiergate.adapters.decision_journal import DecisionJournal

DIE = """
import os, signal, sys
from pathlib import Path
from tiergate.adapters.decision_journal import DecisionJournal
journal = DecisionJournal(Path(sys.argv[1]))
for line in sys.argv[2:]:
    journal.append(line.encode() + b"\\n")
os.kill(os.getpid(), signal.SIGKILL)
"""


def die_after(folder: Path, *lines: str) -> None:
    """Append lines in a process that kills itself with SIGKILL."""
    done = subprocess.run([sys.executable, "-c", DIE, folder, *lines], check=False)
    assert done.returncode == -signal.SIGKILL


def drain(journal: DecisionJournal) -> list[bytes]:
    lines: list[bytes] = []
    while (batch := journal.read()) is not None:
        lines += batch.lines
        journal.retire(batch)
    return lines


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.jsonl"))


def test_lines_come_back_in_order_and_the_file_is_emptied(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path / "journal")
    for number in range(1000):
        journal.append(b"%d\n" % number)
    assert journal.pending == 1000
    assert drain(journal) == [b"%d" % number for number in range(1000)]
    assert journal.pending == 0
    (file,) = files(tmp_path / "journal")
    assert file.stat().st_size == 0
    journal.append(b"again\n")
    assert drain(journal) == [b"again"]
    journal.close()
    assert list((tmp_path / "journal").iterdir()) == []


def test_a_line_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path)
    journal.append(b"here\n")
    assert files(tmp_path)[0].read_bytes() == b"here\n"
    journal.close()


def test_the_journal_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path / "journal")
    assert (tmp_path / "journal").stat().st_mode & 0o777 == 0o700
    assert files(tmp_path / "journal")[0].stat().st_mode & 0o777 == 0o600
    journal.close()


def test_what_is_not_retired_is_read_again(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path)
    journal.append(b"a\n")
    first = journal.read()
    journal.append(b"b\n")
    second = journal.read()
    assert first is not None
    assert second is not None
    assert (first.lines, second.lines) == ([b"a"], [b"a", b"b"])
    journal.retire(first)
    assert drain(journal) == [b"b"]
    journal.close()


def test_a_line_longer_than_a_chunk_is_whole(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path)
    long = b"x" * 1_000_000
    journal.append(b"short\n")
    journal.append(long + b"\n")
    journal.append(b"end\n")
    assert drain(journal) == [b"short", long, b"end"]
    journal.close()


def test_segments_are_begun_when_full_and_removed_when_read(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path, segment_bytes=10)
    for number in range(10, 30):
        journal.append(b"%d\n" % number)
    assert len(files(tmp_path)) == 5
    assert drain(journal) == [b"%d" % number for number in range(10, 30)]
    assert len(files(tmp_path)) == 1
    journal.close()


def test_beyond_the_limit_the_oldest_rows_go_and_are_counted(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path, segment_bytes=10, max_bytes=40)
    for number in range(10, 40):
        journal.append(b"%d\n" % number)
    assert journal.dropped + journal.pending == 30
    left = drain(journal)
    assert left == [b"%d" % number for number in range(40 - len(left), 40)]
    assert 9 <= len(left) <= 13
    assert journal.dropped == 30 - len(left)
    journal.close()


def test_a_single_segment_is_dropped_too_when_it_fills_the_journal(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path, max_bytes=9)
    for line in (b"aa\n", b"bb\n", b"cc\n", b"dd\n"):
        journal.append(line)
    assert drain(journal) == [b"dd"]
    assert journal.dropped == 3
    journal.close()


def test_a_dropped_batch_that_is_written_after_all_is_not_counted(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path, segment_bytes=3, max_bytes=9)
    journal.append(b"aa\n")
    batch = journal.read()
    for line in (b"bb\n", b"cc\n", b"dd\n"):
        journal.append(line)
    assert journal.dropped == 1
    assert batch is not None
    journal.retire(batch)
    assert journal.dropped == 0
    assert drain(journal) == [b"bb", b"cc", b"dd"]
    journal.close()


def test_a_line_larger_than_the_journal_is_refused(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path, max_bytes=9)
    journal.append(b"aa\n")
    with pytest.raises(OSError, match="large"):
        journal.append(b"123456789\n")
    assert drain(journal) == [b"aa"]
    journal.close()


def test_a_full_disk_leaves_no_half_line(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path)
    journal.append(b"whole\n")
    resource_limit(6 + 3, lambda: expect_refusal(journal))
    journal.append(b"next\n")
    assert files(tmp_path)[0].read_bytes() == b"whole\nnext\n"
    assert drain(journal) == [b"whole", b"next"]
    journal.close()


def expect_refusal(journal: DecisionJournal) -> None:
    with pytest.raises(OSError, match=r"space|large"):
        journal.append(b"too long\n")


def resource_limit(size: int, act: Callable[[], None]) -> None:
    """Run `act` while files may have at most `size` bytes: write(2) then writes a part, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        act()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_when_no_new_segment_can_be_made_the_old_one_grows(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path / "journal", segment_bytes=4)
    journal.append(b"aaaa\n")
    (tmp_path / "journal").rename(tmp_path / "moved")
    journal.append(b"bbbb\n")
    assert drain(journal) == [b"aaaa", b"bbbb"]
    (tmp_path / "moved").rename(tmp_path / "journal")
    journal.close()


def test_rows_of_a_killed_process_are_adopted_and_its_home_removed(tmp_path: Path) -> None:
    die_after(tmp_path, "a", "b")
    journal = DecisionJournal(tmp_path)
    journal.append(b"c\n")
    assert journal.adopt() == 2
    assert journal.pending == 3
    assert drain(journal) == [b"a", b"b", b"c"]
    assert len(list(tmp_path.iterdir())) == 1
    assert journal.adopt() == 0
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_torn_last_line_is_handed_out_as_one_line(tmp_path: Path) -> None:
    die_after(tmp_path, "a", "bcd")
    (file,) = files(tmp_path)
    file.write_bytes(file.read_bytes()[:-2])
    journal = DecisionJournal(tmp_path)
    assert journal.adopt() == 2
    assert drain(journal) == [b"a", b"bc"]
    assert journal.pending == 0
    journal.close()


def test_an_empty_home_of_a_killed_process_is_removed(tmp_path: Path) -> None:
    die_after(tmp_path)
    (tmp_path / "12-bare").mkdir()
    (tmp_path / "note.txt").touch()
    journal = DecisionJournal(tmp_path)
    assert journal.adopt() == 0
    assert journal.read() is None
    assert {path.name for path in tmp_path.iterdir()} == {"note.txt", files(tmp_path)[0].parent.name}
    journal.close()


def test_a_living_journal_is_not_adopted(tmp_path: Path) -> None:
    first, second = DecisionJournal(tmp_path), DecisionJournal(tmp_path)
    first.append(b"a\n")
    assert second.adopt() == 0
    assert drain(second) == []
    first.close()
    assert second.adopt() == 1
    assert drain(second) == [b"a"]
    second.close()


def test_what_is_left_at_closing_waits_for_the_next_process(tmp_path: Path) -> None:
    die_after(tmp_path, "a")
    first = DecisionJournal(tmp_path)
    first.append(b"b\n")
    first.adopt()
    first.close()
    second = DecisionJournal(tmp_path)
    assert second.adopt() == 2
    assert sorted(drain(second)) == [b"a", b"b"]
    second.close()


def test_a_home_that_cannot_be_read_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    home = tmp_path / "12-bad"
    home.mkdir()
    (home / "00000001.jsonl").write_bytes(b"a\n")
    (home / "00000002.jsonl").symlink_to("00000002.jsonl")
    journal = DecisionJournal(tmp_path)
    assert journal.adopt() == 0
    assert "cannot be adopted" in caplog.text
    (home / "00000002.jsonl").unlink()
    assert journal.adopt() == 1
    journal.close()


def test_appending_and_reading_at_once_loses_and_doubles_nothing(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path, segment_bytes=2000)
    expected = [b"%d" % number for number in range(20_000)]

    def append() -> None:
        for line in expected:
            journal.append(line + b"\n")

    writer = threading.Thread(target=append)
    writer.start()
    lines: list[bytes] = []
    while writer.is_alive():
        lines += drain(journal)
    writer.join()
    lines += drain(journal)
    assert lines == expected
    journal.close()


def test_a_file_cut_from_outside_ends_the_segment(tmp_path: Path) -> None:
    journal = DecisionJournal(tmp_path)
    journal.append(b"a\n")
    os.truncate(files(tmp_path)[0], 0)
    assert drain(journal) == [b""]
    journal.append(b"b\n")
    assert drain(journal) == [b"b"]
    journal.close()


def test_a_file_that_cannot_be_cut_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(fd: int, size: int) -> None:
        raise OSError(5, f"cannot cut {fd} to {size}")

    monkeypatch.setattr(os, "ftruncate", fail)
    journal = DecisionJournal(tmp_path / "journal")
    journal.append(b"a\n")
    assert drain(journal) == [b"a"]
    assert files(tmp_path / "journal") == []
    journal.append(b"whole\n")
    resource_limit(6 + 3, lambda: expect_refusal(journal))
    (tmp_path / "journal").rename(tmp_path / "moved")
    with pytest.raises(FileNotFoundError):
        journal.append(b"next\n")
    (tmp_path / "moved").rename(tmp_path / "journal")
    journal.append(b"next\n")
    assert drain(journal) == [b"whole", b"next"]
    journal.close()


def test_a_home_adopted_before_it_is_locked_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = fcntl.flock
    taken: list[Path] = []

    def lock_late(fd: int, operation: int) -> None:
        if len(taken) < 2:  # once gone, once gone and made again
            (home,) = tmp_path.iterdir()
            home.rmdir()
            if taken:
                home.mkdir()
            taken.append(home)
        real(fd, operation)

    monkeypatch.setattr(fcntl, "flock", lock_late)
    journal = DecisionJournal(tmp_path)
    assert taken[0].name not in {path.parent.name for path in files(tmp_path)}
    journal.append(b"a\n")
    assert drain(journal) == [b"a"]
    journal.close()


def test_a_home_that_goes_while_it_is_looked_at_is_no_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = DecisionJournal(tmp_path)
    monkeypatch.setattr(Path, "is_dir", lambda _: True)
    monkeypatch.setattr(Path, "iterdir", lambda _: iter([tmp_path / "gone"]))
    assert journal.adopt() == 0
    journal.close()


def test_a_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=os.strerror(20)):
        DecisionJournal(tmp_path / "file" / "journal")
