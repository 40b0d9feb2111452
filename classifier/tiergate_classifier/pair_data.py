"""Pair tables: prompts `a` and `b`, and whether the same answer serves both."""

import gzip
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tiergate.errors import ConfigurationError
from tiergate.policy.pair_features import FEATURES, compare, compare_vectors, profile_of

COLUMNS = ("a", "b", "label")
KINDS = ".csv, .jsonl, .ndjson or .parquet, each also with .gz"
_LABELS: Mapping[str, bool] = MappingProxyType(
    {"1": True, "0": False, "1.0": True, "0.0": False, "true": True, "false": False, "True": True, "False": False}
)


class TextEncoder(Protocol):
    """Turns texts into unit vectors."""

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 unit vectors of shape (len(texts), D)."""
        ...


class PairTableError(ConfigurationError):
    """A pair table cannot be read; names file, row or column, and fix."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairTable:
    """Pairs of prompts.

    Attributes:
        a: One prompt of each pair.
        b: The other.
        labels: Whether the same answer serves both, shape (N,).
        kinds: What each pair is an example of; empty strings when unknown.
    """

    a: tuple[str, ...]
    b: tuple[str, ...]
    labels: NDArray[np.bool_]
    kinds: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: Sequence[int] | NDArray[np.intp]) -> "PairTable":
        """Return some of the rows, in the order given."""
        chosen = [int(row) for row in rows]
        return PairTable(
            a=tuple(self.a[row] for row in chosen),
            b=tuple(self.b[row] for row in chosen),
            labels=self.labels[chosen],
            kinds=tuple(self.kinds[row] for row in chosen),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairInputs:
    """What a model reads of N pairs.

    Attributes:
        features: Shape (N, F), in the order of `pair_features.FEATURES`.
        vectors: Shape (N, 2 * D), from `compare_vectors`.
        labels: Shape (N,).
    """

    features: NDArray[np.float32]
    vectors: NDArray[np.float32]
    labels: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def cosine(self) -> NDArray[np.float64]:
        """Cosine of each pair, shape (N,)."""
        return self.features[:, FEATURES.index("cosine")].astype(np.float64)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "PairInputs":
        """Return some of the rows."""
        return PairInputs(features=self.features[rows], vectors=self.vectors[rows], labels=self.labels[rows])


def load_pairs(path: Path) -> PairTable:
    """Read a pair table with the columns a, b and label (1 = the same answer serves both); others are left alone.

    Args:
        path: CSV, JSONL or Parquet file, .gz allowed.

    Raises:
        PairTableError: The file is missing or torn, of another kind, lacks a column or holds no row, or a row has an
            empty prompt or a label other than 0 and 1.
    """
    frame = _read(path)
    missing = [name for name in COLUMNS if name not in frame.columns]
    if missing:
        problem = f"lacks the column {', '.join(missing)}; it has {', '.join(frame.columns) or 'none'}"
        raise PairTableError(path, "", problem, f"name the columns {', '.join(COLUMNS)}")
    if frame.is_empty():
        raise PairTableError(path, "", "holds no row", "write at least one pair")
    texts = {name: _texts(path, name, frame[name].to_list()) for name in ("a", "b")}
    labels = np.array([_label(path, row, value) for row, value in enumerate(frame["label"].to_list(), start=1)])
    return PairTable(a=texts["a"], b=texts["b"], labels=labels, kinds=("",) * len(labels))


def read_inputs(pairs: PairTable, encoder: TextEncoder) -> PairInputs:
    """Embed and compare pairs; every distinct text is embedded and read once.

    Args:
        pairs: The pairs.
        encoder: The encoder that the runtime uses.

    Raises:
        EmbedderError: The encoder failed.
    """
    place = {text: row for row, text in enumerate(dict.fromkeys((*pairs.a, *pairs.b)))}
    matrix = encoder.embed_batch(list(place))
    profiles = [profile_of(text) for text in place]
    left = np.array([place[text] for text in pairs.a], dtype=np.intp)
    right = np.array([place[text] for text in pairs.b], dtype=np.intp)
    cosines = np.einsum("nd,nd->n", matrix[left], matrix[right])
    rows = [compare(profiles[i], profiles[j], float(c)) for i, j, c in zip(left, right, cosines, strict=True)]
    features = np.stack(rows) if rows else np.zeros((0, len(FEATURES)), dtype=np.float32)
    return PairInputs(features=features, vectors=compare_vectors(matrix[left], matrix[right]), labels=pairs.labels)


def _read(path: Path) -> pl.DataFrame:
    kind = "".join(
        suffix for suffix in path.suffixes[-2:] if suffix.lower() in {".csv", ".jsonl", ".ndjson", ".parquet", ".gz"}
    )
    kind = kind.lower()
    try:
        raw = path.read_bytes()
        raw = gzip.decompress(raw) if kind.endswith(".gz") else raw
        return _parse(path, kind.removesuffix(".gz"), raw)
    except FileNotFoundError as exc:
        raise PairTableError(path, "", "the file is missing", "name a file that is there") from exc
    except OSError as exc:
        raise PairTableError(path, "", f"cannot be read ({exc})", "make it readable, or pack it again if torn") from exc
    except EOFError as exc:
        raise PairTableError(path, "", "the gzip stream ends too soon", "copy the file again as a whole") from exc
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as exc:
        first = (str(exc).splitlines() or [type(exc).__name__])[0]
        raise PairTableError(path, "", f"cannot be parsed ({first})", f"write it as {KINDS}") from exc


def _parse(path: Path, kind: str, raw: bytes) -> pl.DataFrame:
    buffer = io.BytesIO(raw)
    if kind == ".csv":
        # Everything as text: a column of prompts that look like numbers must stay as it was written.
        return pl.read_csv(buffer, infer_schema=False)
    if kind in {".jsonl", ".ndjson"}:
        return pl.read_ndjson(buffer, infer_schema_length=None)
    if kind == ".parquet":
        return pl.read_parquet(buffer)
    raise PairTableError(
        path, "", f"is of the unknown kind {path.suffix or 'without an ending'}", f"write it as {KINDS}"
    )


def _texts(path: Path, name: str, values: Sequence[object]) -> tuple[str, ...]:
    for row, value in enumerate(values, start=1):
        if value is None or not str(value).strip():
            raise PairTableError(path, f"row {row}, column {name}", "is empty", "write the prompt, or drop the row")
        if not isinstance(value, str):
            problem = f"holds {value!r}, not a text"
            raise PairTableError(path, f"row {row}, column {name}", problem, "write the prompt as a text")
    return tuple(str(value) for value in values)


def _label(path: Path, row: int, value: object) -> bool:
    label = _LABELS.get(str(value).strip())
    if label is None:
        problem = f"holds {value!r}, not 0 or 1"
        raise PairTableError(path, f"row {row}, column label", problem, "write 1 (the same answer serves both) or 0")
    return label
