"""Public fakes of the ports, for tests of stages and of your own adapters.

from tiergate.testing import FakeClock, FakeEmbedder, MemoryStore, errors_raised
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tiergate.errors import TiergateError
from tiergate.ports import Classification, Neighbour, Page, Selection, StoredAnswer, StoreStats, Vector, selects
from tiergate.stages.failopen import errors_raised

__all__ = ["FakeClassifier", "FakeClock", "FakeEmbedder", "MemoryDecisionLog", "MemoryStore", "errors_raised"]


@dataclass(slots=True)
class FakeClock:
    """A clock that a test moves."""

    time_s: float = 1_700_000_000.0

    def now(self) -> float:
        """Return Unix time in seconds."""
        return self.time_s

    def monotonic(self) -> float:
        """Return the same seconds."""
        return self.time_s

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.time_s += seconds


@dataclass(slots=True)
class FakeEmbedder:
    """Embeds by hashing words into buckets: equal words, equal direction; not meaning.

    Attributes:
        dimensions: Length of the vectors.
        digest: What it calls itself.
        failure: Raised by every call when set.
        calls: Texts embedded so far.
        window_words: Longer texts are not covered.
    """

    dimensions: int = 64
    digest: str = "fake-encoder"
    failure: TiergateError | None = None
    calls: list[str] = field(default_factory=list)
    window_words: int = 1_000_000

    def covers(self, text: str) -> bool:
        """Tell whether a text is short enough."""
        return len(text.split()) <= self.window_words

    async def embed(self, text: str) -> Vector:
        """Return a unit vector of shape (dimensions,)."""
        self.calls.append(text)
        if self.failure is not None:
            raise self.failure
        vector = np.zeros(self.dimensions, dtype=np.float32)
        for word in text.lower().split() or [""]:
            vector[int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % self.dimensions] += 1
        unit: Vector = vector / np.linalg.norm(vector)
        return unit

    async def aclose(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class FakeClassifier:
    """Gives the scores it was built with.

    Attributes:
        scores: P(good enough) by tier; the lower bounds are the same.
        domain_scores: P(domain) by domain.
        failure: Raised by every call when set.
    """

    scores: Mapping[str, float]
    domain_scores: Mapping[str, float] = field(default_factory=dict)
    kind: str = "embedded"
    digest: str = "fake-artifact"
    failure: TiergateError | None = None

    @property
    def tiers(self) -> Sequence[str]:
        """Tiers it scores, cheapest first."""
        return tuple(self.scores)

    @property
    def domains(self) -> Sequence[str]:
        """Domains it knows."""
        return tuple(self.domain_scores)

    async def classify(self, vector: Vector, features: Mapping[str, float], prompt: str) -> Classification:  # noqa: ARG002  the port's names
        """Return the scores."""
        if self.failure is not None:
            raise self.failure
        return Classification(scores=self.scores, lower_bounds=self.scores, domains=self.domain_scores)

    async def aclose(self) -> None:
        """Do nothing."""


@dataclass(slots=True)
class MemoryStore:
    """An answer store in a dictionary, searched one by one.

    Attributes:
        entries: Stored answers by id.
        failure: Raised by every call when set.
    """

    entries: dict[str, StoredAnswer] = field(default_factory=dict)
    failure: TiergateError | None = None

    async def look_up_exact(self, tenant: str, context_key: str, prompt: str, *, now: float) -> Neighbour | None:
        """Return the live entry of exactly this prompt."""
        for entry in self._live(tenant, context_key, now):
            if entry.prompt == prompt:
                return Neighbour(answer=entry, similarity=1.0, exact=True)
        return None

    async def look_up(
        self, tenant: str, context_key: str, vector: Vector, *, now: float, limit: int = 1
    ) -> Sequence[Neighbour]:
        """Return the nearest live entries, best first."""
        found = [
            Neighbour(answer=entry, similarity=float(entry.vector @ vector), exact=False)
            for entry in self._live(tenant, context_key, now)
        ]
        return sorted(found, key=lambda neighbour: -neighbour.similarity)[:limit]

    async def store(self, answer: StoredAnswer) -> None:
        """Keep an entry."""
        if self.failure is not None:
            raise self.failure
        self.entries[answer.entry_id] = answer

    async def browse(self, selection: Selection, *, after: str | None = None, limit: int = 100) -> Page:
        """Return entries by their identifiers' order."""
        if self.failure is not None:
            raise self.failure
        ids = sorted(key for key, entry in self.entries.items() if selects(selection, entry) and key > (after or ""))
        page = [self.entries[key] for key in ids[:limit]]
        return Page(entries=page, after=ids[limit - 1] if len(ids) > limit else None)

    async def remove(self, selection: Selection) -> int:
        """Remove entries."""
        if self.failure is not None:
            raise self.failure
        gone = [key for key, entry in self.entries.items() if selects(selection, entry)]
        for key in gone:
            del self.entries[key]
        return len(gone)

    async def stats(self) -> StoreStats:
        """Count the entries."""
        return StoreStats(entries=len(self.entries), indexed=0, disk_bytes=None, kind="memory", collection="")

    async def aclose(self) -> None:
        """Do nothing."""

    def _live(self, tenant: str, context_key: str, now: float) -> list[StoredAnswer]:
        if self.failure is not None:
            raise self.failure
        return [
            entry
            for entry in self.entries.values()
            if entry.tenant == tenant and entry.context_key == context_key and entry.expires_at > now
        ]


@dataclass(slots=True)
class MemoryDecisionLog:
    """A decision log in a list.

    Attributes:
        rows: What was recorded, in order.
        failure: Raised by every call when set.
    """

    rows: list[Mapping[str, Any]] = field(default_factory=list)
    failure: TiergateError | None = None

    def record(self, row: Mapping[str, Any]) -> None:
        """Keep a row."""
        if self.failure is not None:
            raise self.failure
        self.rows.append(row)

    async def aclose(self) -> None:
        """Do nothing."""
