"""Labelled prompts: the rows that the classifier is trained from."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ConfigurationError
from tiergate.policy.features import FEATURES, features_of

WORKLOAD_NAME = "tiergate workload"
WORKLOAD_LICENCE = "Apache-2.0"
WORKLOAD_TIERS = ("simple", "medium", "frontier")
WORKLOAD_DOMAINS = ("general", "finance", "legal", "medical", "code", "data", "support", "writing")


class PromptRow(BaseModel):
    """One labelled prompt.

    Attributes:
        id: Identifier, unique in the workload.
        prompt: The text.
        domain: Its domain.
        tier: The cheapest tier whose answer is good enough.
        rule: The rule that gives the tier.
        group: Rows of a group say much the same; no split separates them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str
    prompt: str
    domain: str
    tier: str
    rule: str
    group: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Table:
    """Rows as arrays: n rows, D dimensions, F features.

    Attributes:
        rows: The rows.
        vectors: Embeddings, float32, shape (n, D).
        features: Surface features in the order of `FEATURES`, float32, shape (n, F).
        tier: Index of each row's tier, cheapest first, shape (n,).
        domain: Index of each row's domain, shape (n,).
    """

    rows: tuple[PromptRow, ...]
    vectors: NDArray[np.float32]
    features: NDArray[np.float32]
    tier: NDArray[np.int64]
    domain: NDArray[np.int64]

    def take(self, index: Sequence[int]) -> "Table":
        """Return the rows at the given places."""
        at = np.asarray(index, dtype=np.int64)
        return Table(
            rows=tuple(self.rows[i] for i in index),
            vectors=self.vectors[at],
            features=self.features[at],
            tier=self.tier[at],
            domain=self.domain[at],
        )


def builtin_workload_path() -> Path:
    """Return the folder of the workload that ships."""
    return Path(str(files("tiergate_classifier"))) / "workload"


def load_workload(folder: Path) -> tuple[PromptRow, ...]:
    """Read every *.jsonl of a folder, in the order of their names.

    Raises:
        ConfigurationError: No file, a line that is no row, an unknown tier or domain, or an id or prompt
            that comes twice.
    """
    rows: list[PromptRow] = []
    seen: set[str] = set()
    for file in _workload_files(folder):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
            try:
                row = PromptRow.model_validate_json(line)
            except ValidationError as exc:
                raise ConfigurationError(file, f"line {number}", str(exc), "write one JSON row per line") from exc
            if row.tier not in WORKLOAD_TIERS or row.domain not in WORKLOAD_DOMAINS:
                problem = f"tier {row.tier!r} or domain {row.domain!r} is unknown"
                raise ConfigurationError(file, f"line {number}", problem, "use the tiers and domains of README.md")
            if {row.id, row.prompt} & seen:
                raise ConfigurationError(file, f"line {number}", f"{row.id!r} or its prompt comes twice", "remove it")
            seen |= {row.id, row.prompt}
            rows.append(row)
    return tuple(rows)


def workload_digest(folder: Path) -> str:
    """Return "sha256:" and a SHA-256 over the names and bytes of the files that `load_workload` reads."""
    total = hashlib.sha256()
    for file in _workload_files(folder):
        total.update(f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n".encode())
    return f"sha256:{total.hexdigest()}"


def build_table(rows: Sequence[PromptRow], embedder: OnnxEmbedder) -> Table:
    """Embed the rows and take their surface features.

    Raises:
        EmbedderError: The encoder failed.
    """
    prompts = [row.prompt for row in rows]
    features = [list(features_of(prompt).values()) for prompt in prompts]
    return Table(
        rows=tuple(rows),
        vectors=embedder.embed_batch(prompts),
        features=np.array(features, dtype=np.float32).reshape(len(prompts), len(FEATURES)),
        tier=np.array([WORKLOAD_TIERS.index(row.tier) for row in rows], dtype=np.int64),
        domain=np.array([WORKLOAD_DOMAINS.index(row.domain) for row in rows], dtype=np.int64),
    )


def _workload_files(folder: Path) -> list[Path]:
    found = sorted(folder.glob("*.jsonl"))
    if not found:
        raise ConfigurationError(folder, "", "there is no *.jsonl file", "name a folder with labelled prompts")
    return found
