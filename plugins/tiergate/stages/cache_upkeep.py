"""Looking after stored answers: invalidation with an audit line, recall of a wrong hit, import and export."""

import json
import logging
import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from tiergate.errors import StoreError
from tiergate.ports import AnswerStore, Clock, Embedder, Selection, StoredAnswer, Vector
from tiergate.stages.grey_zone import GreyZone
from tiergate.stages.single_flight import SingleFlights

audit = logging.getLogger("tiergate.cache.audit")

_PAGE = 500
_FIELDS = tuple(field.name for field in fields(StoredAnswer) if field.name != "vector")
_TEXTS = ("entry_id", "tenant", "context_key", "prompt", "tier")
_NUMBERS = ("cost_usd", "stored_at", "expires_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalidation:
    """What an invalidation did, or would have done.

    Attributes:
        entries: How many entries it took in.
        dry_run: Whether nothing was removed.
    """

    entries: int
    dry_run: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheUpkeep:
    """Upkeep of one store.

    Attributes:
        store: The store.
        clock: The time.
        flights: Landed answers that have to be forgotten too; None outside a proxy.
        grey_zone: Where a wrong hit is remembered; None outside a proxy.
    """

    store: AnswerStore
    clock: Clock
    flights: SingleFlights | None = None
    grey_zone: GreyZone | None = None

    async def invalidate(self, selection: Selection, *, actor: str, dry_run: bool = False) -> Invalidation:
        """Remove entries, or count them. Leaves one line in the log `tiergate.cache.audit` either way.

        Args:
            selection: Which entries.
            actor: Who asks, for the audit line.
            dry_run: Count only.

        Raises:
            StoreError: The store failed.
        """
        if dry_run:
            entries = 0
            async for _ in self.entries(selection):
                entries += 1
        else:
            entries = await self.store.remove(selection)
            if self.flights is not None:
                self.flights.forget()
        self._audit("invalidate", actor, selection, entries=entries, dry_run=dry_run)
        return Invalidation(entries=entries, dry_run=dry_run)

    async def recall(self, entry_id: str, *, actor: str, asked: Vector | None = None) -> int:
        """Never serve an entry again: its hit was wrong.

        Args:
            entry_id: The entry.
            actor: Who says so, for the audit line.
            asked: Unit vector of the prompt that was answered wrongly, shape (D,): pairs like it are refused from
                now on.

        Returns:
            How many entries were removed.

        Raises:
            StoreError: The store failed.
        """
        selection = Selection(entry_ids=(entry_id,))
        if self.grey_zone is not None:
            tenant, pair = "", None
            async for entry in self.entries(selection):
                tenant, pair = entry.tenant, None if asked is None else (asked, entry.vector)
            self.grey_zone.recall(entry_id, tenant=tenant, pair=pair)
        removed = await self.store.remove(selection)
        if self.flights is not None:
            self.flights.forget()
        self._audit("recall", actor, selection, entries=removed, dry_run=False)
        return removed

    async def entries(self, selection: Selection) -> AsyncIterator[StoredAnswer]:
        """Yield the entries of a selection, expired ones included.

        Raises:
            StoreError: The store failed.
        """
        after: str | None = None
        while True:
            page = await self.store.browse(selection, after=after, limit=_PAGE)
            for entry in page.entries:
                yield entry
            after = page.after
            if after is None:
                return

    def _audit(self, action: str, actor: str, selection: Selection, *, entries: int, dry_run: bool) -> None:
        asked = {name: value for name, value in asdict(selection).items() if value is not None}
        if "prompt" in asked:
            asked["prompt"] = f"{len(asked['prompt'])} characters"  # the audit log holds no prompt
        line = {"ts": self.clock.now(), "action": action, "actor": actor, "selection": asked, "entries": entries}
        audit.warning("%s", json.dumps({**line, "dry_run": dry_run}))


def export_entry(entry: StoredAnswer, *, encoder_digest: str) -> str:
    """Return an entry as one JSON line, with its vector and the encoder that made it."""
    line: dict[str, Any] = {name: getattr(entry, name) for name in _FIELDS}
    line["vector"] = [round(float(value), 7) for value in entry.vector]
    line["encoder"] = encoder_digest
    return json.dumps(line, ensure_ascii=False)


async def import_entry(line: str, embedder: Embedder) -> StoredAnswer:
    """Read an entry that `export_entry` wrote; one of another encoder is embedded anew.

    Raises:
        StoreError: The line is no entry.
        EmbedderError: The encoder failed.
        QueueFullError: The encoder's queue is full.
    """
    try:
        raw: Mapping[str, Any] = json.loads(line)
        known = {name: raw[name] for name in _FIELDS if name in raw}
        known["tags"], known["confirmed_by"] = tuple(raw.get("tags") or ()), tuple(raw.get("confirmed_by") or ())
        entry = StoredAnswer(**known, vector=np.asarray(raw.get("vector") or (), dtype=np.float32))
        _check_kinds(entry)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise StoreError(f"is no exported entry: {exc!r}") from exc
    if raw.get("encoder") == embedder.digest and entry.vector.shape == (embedder.dimensions,):
        return entry
    fresh = {name: getattr(entry, name) for name in _FIELDS}
    return StoredAnswer(**fresh, vector=await embedder.embed(entry.prompt))


def _check_kinds(entry: StoredAnswer) -> None:
    """Refuse what a dataclass would take and the store would choke on, or never serve."""
    wrong = [name for name in _TEXTS if not isinstance(getattr(entry, name), str)]
    wrong += [name for name in _NUMBERS if not _is_number(getattr(entry, name))]
    wrong += [] if entry.confidence is None or _is_number(entry.confidence) else ["confidence"]
    wrong += [] if isinstance(entry.body, Mapping) else ["body"]
    wrong += [] if all(isinstance(text, str) for text in (*entry.tags, *entry.confirmed_by)) else ["tags"]
    wrong += [] if np.isfinite(entry.vector).all() else ["vector"]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} of the wrong kind")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)
