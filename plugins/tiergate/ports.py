"""What the stages need from the outside, as Protocols. Adapters implement them; `runtime` introduces both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

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

    def covers(self, text: str) -> bool:
        """Tell whether the vector stands for the whole text; True unless an encoder reads only a part."""
        del text
        return True

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
        kind: Kind of the back end that scored; empty means that of the classifier itself.
        fallback: Class of the error for which a fallback scored; None when the classifier itself did.
        tier_cuts: Least lower bound from which risk control on held-out rows lets a tier answer, by tier name; None
            when no cut was found. Tiers that were not tested are absent.
        cut_qualities: Share of good answers that the cut was chosen for, by tier name.
    """

    scores: Mapping[str, float]
    lower_bounds: Mapping[str, float]
    domains: Mapping[str, float]
    domain_cuts: Mapping[str, float] = field(default_factory=dict)
    kind: str = ""
    fallback: str | None = None
    tier_cuts: Mapping[str, float | None] = field(default_factory=dict)
    cut_qualities: Mapping[str, float] = field(default_factory=dict)


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
        tags: What it can be invalidated by, such as the version of a document.
        confirmed_by: Hashed callers whose own answer was the same.
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
    tags: tuple[str, ...] = ()
    confirmed_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which entries of a store: those that fit every field that is given. All of them when none is.

    Attributes:
        tenant: Hashed tenant.
        entry_ids: Identifiers.
        prompt: The prompt, character by character.
        stored_before: Unix time in seconds.
        tag: A tag.
    """

    tenant: str | None = None
    entry_ids: tuple[str, ...] | None = None
    prompt: str | None = None
    stored_before: float | None = None
    tag: str | None = None


def selects(selection: Selection, entry: StoredAnswer) -> bool:
    """Tell whether a selection takes an entry in."""
    return (
        selection.tenant in {None, entry.tenant}
        and (selection.entry_ids is None or entry.entry_id in selection.entry_ids)
        and selection.prompt in {None, entry.prompt}
        and (selection.stored_before is None or entry.stored_at < selection.stored_before)
        and (selection.tag is None or selection.tag in entry.tags)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    """How full a store is.

    Attributes:
        entries: Entries, expired ones that were not yet removed included.
        indexed: Entries in the vector index; the rest is searched one by one.
        disk_bytes: Bytes on the disk; None when the store cannot tell.
        kind: Kind of store.
        collection: Where the entries are.
    """

    entries: int
    indexed: int
    disk_bytes: int | None
    kind: str
    collection: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some entries, and where the next ones begin.

    Attributes:
        entries: The entries, vectors included.
        after: What to ask for next; None at the end.
    """

    entries: Sequence[StoredAnswer]
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A stored answer near a prompt.

    Attributes:
        answer: The stored answer. Its vector is empty after an exact look-up, which needs none.
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
        """Return the nearest live entries of the tenant and context, best first, with their vectors.

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

    async def browse(self, selection: Selection, *, after: str | None = None, limit: int = 100) -> Page:
        """Return entries in the store's own order, expired ones included.

        Raises:
            StoreError: The store failed.
        """
        ...

    async def remove(self, selection: Selection) -> int:
        """Remove entries and return how many. When this returns, none of them is served any more.

        Raises:
            StoreError: The store failed.
        """
        ...

    async def stats(self) -> StoreStats:
        """Return how full the store is.

        Raises:
            StoreError: The store failed.
        """
        ...

    async def aclose(self) -> None:
        """Flush and release the store."""
        ...


class FlightBoard(Protocol):
    """Lets one of several workers ask for all of them. Keys name a question in its scope."""

    async def lead(self, key: str, owner: str, *, lease_s: float) -> bool:
        """Tell whether `owner` is the one who asks; its lease ends by itself.

        Raises:
            StoreError: The board failed.
        """
        ...

    async def publish(self, key: str, owner: str, answer: StoredAnswer | None, *, keep_s: float) -> None:
        """Give the others the answer, or None: then they go on their own.

        Raises:
            StoreError: The board failed.
        """
        ...

    async def follow(self, key: str, *, budget_s: float) -> StoredAnswer | None:
        """Wait for what the leader publishes; None when there is no answer or no leader, or time is up.

        Raises:
            StoreError: The board failed.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidation:
    """Which stored answers have to go. Exactly one of the last four is given.

    Attributes:
        tenant: Only of this tenant, as it stands in the decision record; None for every tenant.
        prompt: Those stored for exactly this prompt.
        entry_id: The one with this identifier; it is never served again.
        asked: With `entry_id`, the unit vector of the prompt that was answered wrongly; None when not known.
        older_than_s: Those stored longer ago than this, in seconds.
        everything: All of them.
    """

    tenant: str | None = None
    prompt: str | None = None
    entry_id: str | None = None
    asked: Vector | None = None
    older_than_s: float | None = None
    everything: bool = False


@runtime_checkable
class AnswerInvalidator(Protocol):
    """An answer store that can remove answers before their time."""

    async def invalidate(self, invalidation: Invalidation) -> int:
        """Remove answers; return how many there were.

        Raises:
            StoreError: The store failed.
        """
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
