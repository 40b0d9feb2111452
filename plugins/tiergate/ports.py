"""What the stages need from the outside, as Protocols. Adapters implement them; `runtime` introduces both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


class Embedder(Protocol):
    """Turns text into one unit vector."""

    @property
    def dimensions(self) -> int:
        """Length of the vectors."""
        ...

    @property
    def digest(self) -> str:
        """Digest of the encoder; vectors of different digests are never compared."""
        ...

    async def embed(self, text: str) -> Vector:
        """Return a float32 vector of shape (dimensions,) and length 1.

        Raises:
            QueueFullError: The inference queue is full.
            EmbedderError: The encoder failed.
        """
        ...

    async def aclose(self) -> None:
        """Release threads and connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """What a classifier says of one prompt.

    Attributes:
        scores: Calibrated P(the tier's answer is good enough), by tier name.
        lower_bounds: Lower confidence bound of each score, by tier name.
        domains: P(domain), by domain name.
        domain_cuts: P(domain) from which a prompt may belong to the domain, by domain name; chosen on
            calibration rows so that the domain's recall holds. Domains without a cut are absent.
        tier_cuts: Least lower bound from which risk control on held-out rows lets a tier answer, by tier name; None
            when no cut was found. Tiers that were not tested are absent.
    """

    scores: Mapping[str, float]
    lower_bounds: Mapping[str, float]
    domains: Mapping[str, float]
    domain_cuts: Mapping[str, float] = field(default_factory=dict)
    tier_cuts: Mapping[str, float | None] = field(default_factory=dict)


class IntentClassifier(Protocol):
    """Scores a prompt for every tier and domain."""

    @property
    def kind(self) -> str:
        """Kind of back end: embedded or vllm."""
        ...

    @property
    def digest(self) -> str:
        """Digest of the artifact in use."""
        ...

    @property
    def tiers(self) -> Sequence[str]:
        """Tiers the artifact scores, cheapest first."""
        ...

    @property
    def domains(self) -> Sequence[str]:
        """Domains the artifact knows."""
        ...

    async def classify(self, vector: Vector, features: Mapping[str, float], prompt: str) -> Classification:
        """Score one prompt.

        Args:
            vector: The prompt's embedding, shape (dimensions,).
            features: Surface features of `policy.features`.
            prompt: The text, for back ends that read it.

        Raises:
            ClassifierError: The classifier failed.
        """
        ...

    async def aclose(self) -> None:
        """Release threads and connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnswer:
    """One answer in the store.

    Attributes:
        entry_id: Identifier of the entry.
        tenant: Hashed identity that may read it. A hard filter, never part of the match.
        context_key: Digest of everything but the last user turn. A hard filter too.
        prompt: The last user turn.
        vector: Its embedding.
        body: The provider's answer as JSON-ready data, in chat-completions shape.
        tier: Tier that gave the answer.
        confidence: The gate's confidence in it; None without a signal.
        cost_usd: What it cost when it was made.
        stored_at: Unix time in seconds.
        expires_at: Unix time in seconds.
    """

    entry_id: str
    tenant: str
    context_key: str
    prompt: str
    vector: Vector
    body: Mapping[str, Any]
    tier: str
    confidence: float | None
    cost_usd: float
    stored_at: float
    expires_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A stored answer near a prompt.

    Attributes:
        answer: The stored answer. Its vector is empty unless the store was asked for vectors.
        similarity: Cosine between the two prompts; 1.0 for an exact match.
        exact: Whether the prompts are equal character by character.
    """

    answer: StoredAnswer
    similarity: float
    exact: bool


class AnswerStore(Protocol):
    """Keeps answers by tenant, context and meaning."""

    async def look_up_exact(self, tenant: str, context_key: str, prompt: str, *, now: float) -> Neighbour | None:
        """Return the live entry stored for exactly this prompt, or None. Needs no embedding.

        Raises:
            StoreError: The store failed.
        """
        ...

    async def look_up(
        self, tenant: str, context_key: str, vector: Vector, *, now: float, limit: int = 1
    ) -> Sequence[Neighbour]:
        """Return the nearest live entries of the tenant and context, best first.

        Raises:
            StoreError: The store failed.
        """
        ...

    async def store(self, answer: StoredAnswer) -> None:
        """Store or replace an entry. When this returns, a SIGKILL no longer loses it.

        Raises:
            StoreError: The store failed.
        """
        ...

    async def aclose(self) -> None:
        """Flush and release the store."""
        ...


class DecisionLog(Protocol):
    """Keeps one row per decision."""

    def record(self, row: Mapping[str, Any]) -> None:
        """Take a row (contracts.md, "Decision record"). When this returns, a SIGKILL no longer loses it.

        A later row with the same `decision_id` replaces the earlier one.

        Raises:
            DecisionLogError: The row could not be kept.
        """
        ...

    async def aclose(self) -> None:
        """Write what is queued and close."""
        ...


class Clock(Protocol):
    """Tells the time, so that tests can."""

    def now(self) -> float:
        """Unix time in seconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back."""
        ...
