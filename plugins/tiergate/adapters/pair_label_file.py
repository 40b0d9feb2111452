"""What was learnt of pairs of prompts, in a file: labels, recalled entries, renewals. It outlives the process.

One JSON line for each. A line is written in one call, so that a SIGKILL tears at most the last one, which is skipped
when the file is read, and workers that share the file do not mix theirs. No text is in it: features and vectors are
what a calibration reads. When it is read and holds far more lines than are kept, the oldest go.
"""

import base64
import json
import logging
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiergate.policy.deployment_cuts import PairLabel
from tiergate.ports import Vector

MAX_LINES = 20_000

_log = logging.getLogger(__name__)
_SCALARS = ("ts", "tenant", "entry_id", "similarity", "same", "would_hit", "drawn")
_ARRAYS = ("features", "asked", "stored")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recall:
    """An entry whose hit was wrong.

    Attributes:
        entry_id: The entry.
        tenant: Hashed tenant; empty when not known.
        pair: Unit vectors of the prompt that was answered wrongly and of the stored one; None when not known.
    """

    entry_id: str
    tenant: str = ""
    pair: tuple[Vector, Vector] | None = None


@dataclass(frozen=True, slots=True)
class Renewal:
    """A recalled entry that holds a new answer."""

    entry_id: str


class PairLabelFile:
    """The file; made with its folder when the first line is written.

    Args:
        path: The file, readable by its owner only.
        max_lines: How many of the newest lines are kept when it is read.
    """

    def __init__(self, path: Path, *, max_lines: int = MAX_LINES) -> None:
        self.path, self._max_lines = path, max_lines

    def add_label(self, label: PairLabel) -> None:
        """Keep a label; a file that cannot be written costs a line in the log, no request."""
        line: dict[str, Any] = {"kind": "label", **{name: getattr(label, name) for name in _SCALARS}}
        self._append({**line, **{name: _encode(getattr(label, name)) for name in _ARRAYS}})

    def add_recall(self, entry_id: str, tenant: str, pair: tuple[Vector, Vector] | None) -> None:
        """Keep a recall; `pair` is the prompt that was answered wrongly and the stored one."""
        line = {"kind": "recall", "entry_id": entry_id, "tenant": tenant}
        if pair is not None:
            line |= {"asked": _encode(pair[0]), "stored": _encode(pair[1])}
        self._append(line)

    def add_renewal(self, entry_id: str) -> None:
        """Take note that a recalled entry holds a new answer."""
        self._append({"kind": "renewal", "entry_id": entry_id})

    def read(self) -> list[PairLabel | Recall | Renewal]:
        """Return what is in the file, the oldest first; lines that are torn are skipped. Blocks."""
        try:
            lines = self.path.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        except OSError as exc:
            _log.warning("the cache's labels cannot be read: %s", exc)
            return []
        if len(lines) > 2 * self._max_lines:
            lines = lines[-self._max_lines :]
            self._shorten(lines)
        return list(_parse(lines))

    def labels(self) -> list[PairLabel]:
        """Return the labels in the file, the oldest first. Blocks."""
        return [each for each in self.read() if isinstance(each, PairLabel)]

    def _append(self, line: Mapping[str, Any]) -> None:
        raw = json.dumps(line, separators=(",", ":")).encode("ascii") + b"\n"
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            try:
                os.write(file, raw)
            finally:
                os.close(file)
        except OSError as exc:
            _log.warning("a label of the cache could not be kept: %s", exc)

    def _shorten(self, lines: list[bytes]) -> None:
        draft = self.path.with_name(f"{self.path.name}.new")
        try:
            draft.write_bytes(b"\n".join(lines) + b"\n")
            draft.chmod(0o600)
            draft.replace(self.path)
        except OSError as exc:
            _log.warning("the cache's labels could not be shortened: %s", exc)


def _parse(lines: list[bytes]) -> Iterator[PairLabel | Recall | Renewal]:
    for line in lines:
        try:
            row = json.loads(line)
            kind = row["kind"]
            if kind == "label":
                arrays: dict[str, Any] = {name: _decode(row[name]) for name in _ARRAYS}
                yield PairLabel(**{name: row[name] for name in _SCALARS}, **arrays)
            elif kind == "recall":
                pair = (_decode(row["asked"]), _decode(row["stored"])) if "asked" in row else None
                yield Recall(entry_id=row["entry_id"], tenant=row["tenant"], pair=pair)
            elif kind == "renewal":
                yield Renewal(row["entry_id"])
        except (ValueError, KeyError, TypeError) as exc:
            _log.warning("a line of the cache's labels is skipped: %r", exc)


def _encode(values: NDArray[np.float32]) -> str:
    return base64.b64encode(values.astype("<f4").tobytes()).decode("ascii")


def _decode(text: str) -> NDArray[np.float32]:
    return np.frombuffer(base64.b64decode(text), dtype="<f4").astype(np.float32)
