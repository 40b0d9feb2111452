"""Labelled rows: an outcome table that also holds the vector, so that training needs no prompt text.

One JSON object a line, in the columns of an outcome table (`correct|TIER`, `cost_usd|TIER`, `answer|TIER` ...), and
beside them `embedding` (base64 of little-endian float32), `features`, `probability` and `split`.
"""

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tiergate.errors import ConfigurationError
from tiergate.json_lines import read_json_lines
from tiergate.policy.features import FEATURES
from tiergate.telemetry.record import decode_embedding, encode_embedding

TRAIN: Final = "train"
HELD_OUT: Final = "held_out"
MAX_WEIGHT: Final = 20.0
HELD_OUT_SHARE: Final = 0.3
_SIDES: Final = {HELD_OUT: HELD_OUT_SHARE, TRAIN: 1 - HELD_OUT_SHARE}
"""What an even draw gives each side, which files of earlier versions do not state."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelRow:
    """One prompt with what each tier made of it.

    Attributes:
        id: Identifier: of the decision, or of the prompt file.
        embedding: The prompt's vector, float32, shape (dimensions,).
        features: Surface features by name.
        prompt: The text; None where it is not kept.
        domain: Domain; None when not known.
        reference: Right answer, when there is one.
        rule: Rule that grades an answer, when there is one.
        quality: Grade of each tier's answer, 0 to 1, by tier; absent where not graded.
        cost_usd: What each tier's answer cost.
        answers: Each tier's answer; empty where not kept.
        latency_ms: How long each tier took.
        prompt_tokens: Tokens of the prompt by tier.
        completion_tokens: Tokens of the answer by tier.
        probability: Probability with which the row was selected.
        chosen_for: What the selection saw in it.
        split: `train` or `held_out`; near-duplicates are on the same side.
        split_probability: Probability with which the row came to be on that side, once selected.
        graded_by: `reference`, `rule`, `judge` or `human`; empty before.
    """

    id: str
    embedding: NDArray[np.float32]
    features: Mapping[str, float]
    prompt: str | None = None
    domain: str | None = None
    reference: str | None = None
    rule: Mapping[str, Any] | None = None
    quality: Mapping[str, float] = field(default_factory=dict)
    cost_usd: Mapping[str, float] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    latency_ms: Mapping[str, float] = field(default_factory=dict)
    prompt_tokens: Mapping[str, int] = field(default_factory=dict)
    completion_tokens: Mapping[str, int] = field(default_factory=dict)
    probability: float = 1.0
    chosen_for: str = ""
    split: str = TRAIN
    split_probability: float = 1.0
    graded_by: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return the row's columns, JSON-ready."""
        row: dict[str, Any] = {
            "id": self.id,
            "prompt": self.prompt,
            "domain": self.domain,
            "reference": self.reference,
            "rule": self.rule,
            "probability": self.probability,
            "chosen_for": self.chosen_for,
            "split": self.split,
            "split_probability": self.split_probability,
            "graded_by": self.graded_by,
            "embedding": encode_embedding(self.embedding),
            "features": dict(self.features),
        }
        row = {name: value for name, value in row.items() if value is not None}
        for column, name in _COLUMNS.items():
            row |= {f"{column}|{tier}": value for tier, value in getattr(self, name).items()}
        return row


_COLUMNS: Final[Mapping[str, str]] = {
    "correct": "quality",
    "cost_usd": "cost_usd",
    "answer": "answers",
    "latency_ms": "latency_ms",
    "prompt_tokens": "prompt_tokens",
    "completion_tokens": "completion_tokens",
}


def parse_row(row: Mapping[str, Any]) -> LabelRow:
    """Return the row behind its columns.

    Raises:
        KeyError: `id`, `embedding` or `features` is missing.
        ValueError: A value is of another kind, or the vector is no base64.
    """
    by_tier: dict[str, dict[str, Any]] = {name: {} for name in _COLUMNS.values()}
    for key, value in row.items():
        column, bar, tier = key.partition("|")
        if bar and column in _COLUMNS and value is not None:
            by_tier[_COLUMNS[column]][tier] = value
    return LabelRow(
        id=str(row["id"]),
        embedding=decode_embedding(row["embedding"]),
        features={name: float(row["features"].get(name, 0.0)) for name in FEATURES},
        prompt=row.get("prompt"),
        domain=row.get("domain"),
        reference=row.get("reference"),
        rule=row.get("rule"),
        probability=float(row.get("probability", 1.0)),
        chosen_for=str(row.get("chosen_for", "")),
        split=str(row.get("split", TRAIN)),
        split_probability=float(row.get("split_probability", _SIDES.get(row.get("split", TRAIN), 1.0))),
        graded_by=str(row.get("graded_by", "")),
        **by_tier,
    )


def load_labels(path: Path) -> tuple[LabelRow, ...]:
    """Read labelled rows.

    Raises:
        ConfigurationError: The file is missing or cannot be read, or a line is no labelled row.
    """
    rows = []
    if not path.exists():
        raise ConfigurationError(path, "", "there is no such file", "make it with `tiergate label`")
    for number, row in read_json_lines(path):
        try:
            rows.append(parse_row(row))
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            problem = f"is no labelled row ({type(exc).__name__}: {exc})"
            raise ConfigurationError(path, f"line {number}", problem, "make it with `tiergate label`") from exc
    return tuple(rows)


def write_labels(path: Path, rows: Iterable[LabelRow]) -> None:
    """Write labelled rows whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row.to_json(), ensure_ascii=False) + "\n" for row in rows)
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=path.parent, delete=False) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(path)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelArrays:
    """Graded rows as arrays: n rows, T tiers.

    Attributes:
        rows: The rows, all tiers graded.
        vectors: Shape (n, D).
        features: In the artifact's order, shape (n, F).
        quality: Grades, shape (n, T).
        cost_usd: Costs, shape (n, T); NaN where unknown.
        good: Whether the tier's answer is as good as the strongest tier's, shape (n, T).
        weight: 1 / (probability of selection and of the side), scaled to mean 1, shape (n,).
    """

    rows: tuple[LabelRow, ...]
    vectors: NDArray[np.float32]
    features: NDArray[np.float32]
    quality: Floats
    cost_usd: Floats
    good: NDArray[np.bool_]
    weight: Floats


def stack_labels(
    rows: Sequence[LabelRow],
    tiers: Sequence[str],
    features: Sequence[str] = FEATURES,
    *,
    max_weight: float = MAX_WEIGHT,
) -> LabelArrays:
    """Stack the rows that have a grade for every tier.

    Args:
        rows: Labelled rows.
        tiers: Tiers, cheapest first; the last is the baseline.
        features: Names of the features, in the artifact's order.
        max_weight: Weights are cut off at so many times their median: fits get steadier, figures biased. Infinity for
            rows to measure on.

    Raises:
        ValueError: No row has a grade for every tier.
    """
    graded = tuple(row for row in rows if all(tier in row.quality for tier in tiers))
    if not graded:
        raise ValueError(f"no row has a grade for each of the tiers {', '.join(tiers)}")
    quality = np.array([[row.quality[tier] for tier in tiers] for row in graded], dtype=np.float64)
    weight = 1 / np.clip([row.probability * row.split_probability for row in graded], 1e-6, 1)
    weight = np.minimum(weight, max_weight * np.median(weight))
    return LabelArrays(
        rows=graded,
        vectors=np.stack([row.embedding for row in graded]),
        features=np.array([[row.features[name] for name in features] for row in graded], dtype=np.float32),
        quality=quality,
        cost_usd=np.array([[row.cost_usd.get(tier, np.nan) for tier in tiers] for row in graded], dtype=np.float64),
        good=quality >= quality[:, -1:] - 1e-9,
        weight=weight / weight.mean(),
    )
