"""A journal on the local disk: what is appended survives a SIGKILL of the process.

    <folder>/<pid>-<random>/        one home for each open journal, locked (flock) as long as its process lives
        00000001.jsonl              segments, one JSON line for each row

`append` is one write(2) to a file opened with O_APPEND: when it returns, the line is in the page cache, which outlives
the process (not the machine: nothing is synced). The reader takes lines in order and retires what it has written; a
segment that is read to its end is cut to length zero or removed. A home whose process is gone is adopted by the next
reader that looks. POSIX only, on a disk of this machine.
"""

import errno
import fcntl
import logging
import os
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_logger = logging.getLogger(__name__)
_CHUNK: Final = 1 << 18


@dataclass(slots=True, eq=False)
class _Home:
    """A folder of segments and the descriptor that holds its lock."""

    path: Path
    lock: int
    segments: int = 0

    def release(self) -> None:
        """Remove the folder if it is empty and let go of the lock."""
        try:
            self.path.rmdir()
        except OSError as error:
            _logger.debug("%s stays: %s", self.path, error.strerror)
        os.close(self.lock)


@dataclass(slots=True, eq=False)
class _Segment:
    """One file. `size` counts acknowledged bytes, `offset` the part that needs no reading any more."""

    home: _Home
    path: Path
    fd: int
    size: int = 0
    rows: int = 0
    offset: int = 0
    done: int = 0
    dropped: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """Lines read but not yet retired.

    Attributes:
        lines: The lines, without their line feeds; the last of a dead process may be torn.
    """

    lines: list[bytes]
    segment: _Segment = field(repr=False)
    end: int


class DecisionJournal:
    """Appends lines and hands them out again. `append` may run beside one reader thread, which calls all the rest.

    Args:
        folder: Where the homes are; made when missing.
        segment_bytes: Size at which a new segment is begun.
        max_bytes: Size of all segments together; beyond it the oldest segment is dropped, and its rows are counted.

    Raises:
        OSError: The folder cannot be made, locked or written.
    """

    def __init__(self, folder: Path, *, segment_bytes: int = 4 << 20, max_bytes: int = 256 << 20) -> None:
        self._folder, self._segment_bytes, self._max_bytes = folder, segment_bytes, max_bytes
        self._lock = threading.Lock()
        self._segments: deque[_Segment] = deque()
        self._removable: deque[_Segment] = deque()
        self._sequence = 0
        self._dropped = 0
        self._bytes = 0
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._home = _open_home(folder)
        self._current: _Segment | None = self._begin_segment()

    @property
    def dropped(self) -> int:
        """Rows dropped because the journal was full."""
        with self._lock:
            return self._dropped

    @property
    def pending(self) -> int:
        """Rows not retired yet."""
        with self._lock:
            return sum(segment.rows - segment.done for segment in self._segments)

    def append(self, line: bytes) -> None:
        """Keep one line. When this returns, a SIGKILL no longer loses it.

        Args:
            line: The line with its line feed.

        Raises:
            OSError: It could not be written, or alone is larger than the journal may be.
        """
        with self._lock:
            if self._bytes + len(line) > self._max_bytes:
                self._make_room(len(line))
            segment = self._current
            if segment is None or segment.size >= self._segment_bytes:
                segment = self._rotate(segment)
            written = os.write(segment.fd, line)
            if written != len(line):
                # The disk is full. Without the cut the next line would be glued to this part of one.
                self._cut(segment, segment.size)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            segment.size += written
            segment.rows += 1
            self._bytes += written

    def read(self) -> Batch | None:
        """Return the oldest lines that are not retired, up to about 256 kB; None when there are none.

        Raises:
            OSError: A segment cannot be read.
        """
        self._remove_removable()
        with self._lock:
            segment = next((item for item in self._segments if item.offset < item.size), None)
            if segment is None:
                return None
            start, left = segment.offset, segment.size - segment.offset
        data = b""
        while b"\n" not in data and len(data) < left:
            chunk = os.pread(segment.fd, min(_CHUNK, left - len(data)), start + len(data))
            if not chunk:  # cut from outside
                break
            data += chunk
        cut = data.rfind(b"\n") + 1
        if not cut:
            return Batch([data], segment, start + left)
        return Batch(data[: cut - 1].split(b"\n"), segment, start + cut)

    def retire(self, batch: Batch) -> None:
        """Forget the lines of a batch: they are in the database, or can never be."""
        with self._lock:
            segment = batch.segment
            segment.offset = batch.end
            segment.done += len(batch.lines)
            if segment.dropped:
                self._dropped -= len(batch.lines)
            elif segment.offset >= segment.size and (segment is not self._current or not self._cut(segment, 0)):
                self._segments.remove(segment)
                self._discard(segment)
        self._remove_removable()

    def adopt(self) -> int:
        """Take over the homes of dead processes.

        Returns:
            The number of rows found in them. A home that cannot be read is left alone and logged.
        """
        found = 0
        for path in sorted(self._folder.iterdir()):
            try:
                home = _lock_home(path) if path.is_dir() else None
                if home is not None:
                    found += self._adopt_home(home)
            except OSError as error:
                _logger.warning("the journal %s cannot be adopted: %s", path, error.strerror)
        return found

    def close(self) -> None:
        """Release files and locks. What is not retired stays on the disk for the next process."""
        with self._lock:
            current, self._current = self._current, None
            if current is not None and not current.rows - current.done:
                self._segments.remove(current)
                self._discard(current)
        self._remove_removable()
        homes = {id(segment.home): segment.home for segment in self._segments}
        for segment in self._segments:
            os.close(segment.fd)
        self._segments.clear()
        homes[id(self._home)] = self._home
        for home in homes.values():
            home.release()

    def _adopt_home(self, home: _Home) -> int:
        segments: list[_Segment] = []
        try:
            segments.extend(_open_segment(home, path) for path in sorted(home.path.glob("*.jsonl")))
        except OSError:
            for segment in segments:
                os.close(segment.fd)
            os.close(home.lock)
            raise
        if not segments:
            home.release()
            return 0
        home.segments = len(segments)
        with self._lock:
            self._segments.extendleft(segment for segment in reversed(segments) if segment.rows)
            self._removable.extend(segment for segment in segments if not segment.rows)
            self._bytes += sum(segment.size for segment in segments)
        return sum(segment.rows for segment in segments)

    def _begin_segment(self) -> _Segment:
        path = self._home.path / f"{self._sequence + 1:08d}.jsonl"
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o600)
        self._sequence += 1
        self._home.segments += 1
        segment = _Segment(self._home, path, fd)
        self._segments.append(segment)
        return segment

    def _rotate(self, current: _Segment | None) -> _Segment:
        try:
            self._current = self._begin_segment()
        except OSError:
            if current is None:
                raise
            return current  # a segment that grows too long is better than a lost row
        return self._current

    def _make_room(self, needed: int) -> None:
        """Drop the oldest segments until `needed` bytes fit."""
        if needed > self._max_bytes:
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        while self._bytes + needed > self._max_bytes:
            oldest = self._segments[0]
            if oldest is self._current:
                self._current = None
                self._current = self._begin_segment()
            self._segments.popleft()
            oldest.dropped = True
            self._dropped += oldest.rows - oldest.done
            self._discard(oldest)

    def _cut(self, segment: _Segment, size: int) -> bool:
        """Shorten the current segment; False, and no current segment any more, when that cannot be done."""
        try:
            os.ftruncate(segment.fd, size)
        except OSError as error:
            _logger.warning("%s cannot be cut: %s", segment.path, error.strerror)
            self._current = None
            return False
        self._bytes -= segment.size - size
        segment.size = size
        if not size:
            segment.rows = segment.offset = segment.done = 0
        return True

    def _discard(self, segment: _Segment) -> None:
        """Leave the file to the reader thread, which may be reading it and has time to remove it."""
        self._bytes -= segment.size
        self._removable.append(segment)

    def _remove_removable(self) -> None:
        while self._removable:
            segment = self._removable.popleft()
            os.close(segment.fd)
            segment.path.unlink(missing_ok=True)
            segment.home.segments -= 1
            if segment.home is not self._home and not segment.home.segments:
                segment.home.release()


def _chunks(fd: int) -> Iterator[bytes]:
    offset = 0
    while chunk := os.pread(fd, _CHUNK, offset):
        offset += len(chunk)
        yield chunk


def _open_segment(home: _Home, path: Path) -> _Segment:
    """Open a dead process's segment and count its rows, a torn last one included."""
    fd = os.open(path, os.O_RDONLY)
    rows = sum(chunk.count(b"\n") for chunk in _chunks(fd))
    size = os.fstat(fd).st_size
    torn = size > 0 and os.pread(fd, 1, size - 1) != b"\n"
    return _Segment(home, path, fd, size=size, rows=rows + torn)


def _open_home(folder: Path) -> _Home:
    """Make a home of our own. Another process may adopt, and so remove, it before it is locked: then make another."""
    while True:
        path = folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        path.mkdir(mode=0o700)
        home = _lock_home(path)
        if home is not None:
            return home


def _lock_home(path: Path) -> _Home | None:
    """Lock a home; None when its process lives or when it is gone."""
    try:
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        same = path.stat().st_ino == os.fstat(lock).st_ino
    except (BlockingIOError, FileNotFoundError):
        os.close(lock)
        return None
    if not same:
        os.close(lock)
        return None
    return _Home(path, lock)
