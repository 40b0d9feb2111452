"""A stored answer as a point of Qdrant: identifiers, filter keys, and the entry as one string. Both stores share it."""

import hashlib
import json
import logging
import uuid
from dataclasses import dataclass
from typing import Any

import numpy as np

from tiergate.adapters.answer_cipher import AnswerCipher
from tiergate.errors import StoreError
from tiergate.ports import Neighbour, Selection, StoredAnswer, Vector

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 2
"""Version of the payload: 2 added `entry_id`, `prompt_id`, `stored_at` and `tags` as filter keys."""

NO_VECTOR: Vector = np.zeros(0, dtype=np.float32)
NO_VECTOR.setflags(write=False)

_SEALED = "sealed:"
_FIELDS = (
    "entry_id", "tenant", "context_key", "prompt", "body", "tier", "confidence", "cost_usd", "stored_at", "expires_at",
    "tags", "confirmed_by",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class EntryCodec:
    """Writes entries as payloads and reads them again.

    Attributes:
        cipher: Seals the entry, and with it prompt and answer; None writes them in the clear.
    """

    cipher: AnswerCipher | None = None

    def to_payload(self, answer: StoredAnswer) -> dict[str, Any]:
        """Return the payload of a point.

        Raises:
            StoreError: The body is not JSON.
        """
        return {
            "scope": scope_id(answer.tenant, answer.context_key),
            "tenant": answer.tenant,
            "context_key": answer.context_key,
            "entry_id": answer.entry_id,
            "prompt_id": prompt_id(answer.prompt),
            "stored_at": answer.stored_at,
            "expires_at": answer.expires_at,
            "tags": list(answer.tags),
            "entry": self.dumps(answer),
        }

    def dumps(self, answer: StoredAnswer) -> str:
        """Return an entry without its vector as one string: a store would round numbers and reorder keys of a payload.

        Raises:
            StoreError: The body is not JSON.
        """
        fields = {name: getattr(answer, name) for name in _FIELDS}
        try:
            text = json.dumps(fields, separators=(",", ":"))
        except (TypeError, ValueError) as exc:
            raise StoreError(f"the answer is not JSON: {exc}") from exc
        return text if self.cipher is None else _SEALED + self.cipher.seal(text)

    def loads(self, text: str, vector: Vector = NO_VECTOR) -> StoredAnswer:
        """Read an entry that `dumps` wrote; one that was written before encryption was switched on too.

        Raises:
            StoreError: It was sealed with another key, or is no entry.
        """
        if text.startswith(_SEALED):
            if self.cipher is None:
                raise StoreError("a stored answer is sealed and semantic_cache.encryption_keys is not set")
            text = self.cipher.open(text.removeprefix(_SEALED))
        try:
            fields = json.loads(text)
            fields["tags"] = tuple(fields.get("tags") or ())
            fields["confirmed_by"] = tuple(fields.get("confirmed_by") or ())
            return StoredAnswer(**fields, vector=vector)
        except (ValueError, TypeError, AttributeError) as exc:
            raise StoreError(f"a stored answer cannot be read: {exc!r}") from exc

    def in_scope(self, found: list[tuple[float, str, Vector]], tenant: str, context_key: str) -> list[Neighbour]:
        """Return what was found, without anything of another tenant or context: the filter's second lock.

        An entry that cannot be read, for instance one sealed with a key that was dropped, is left out.
        """
        neighbours = []
        for score, text, vector in found:
            try:
                answer = self.loads(text, vector)
            except StoreError as exc:
                logger.warning("left out of a look-up: %s", exc)
                continue
            if (answer.tenant, answer.context_key) == (tenant, context_key):
                similarity = max(-1.0, min(1.0, float(score)))
                neighbours.append(Neighbour(answer=answer, similarity=similarity, exact=False))
        return neighbours


def exact_match(found: list[Neighbour], prompt: str, *, now: float) -> Neighbour | None:
    """Return the live entry of exactly this prompt among what was read by its identifier."""
    for neighbour in found:
        if neighbour.answer.prompt == prompt and neighbour.answer.expires_at > now:
            return Neighbour(answer=neighbour.answer, similarity=1.0, exact=True)
    return None


def point_id(tenant: str, context_key: str, prompt: str) -> str:
    """Return the identifier of the one entry that a tenant, context and prompt can have."""
    return str(_digest(tenant, context_key, prompt))


def scope_id(tenant: str, context_key: str) -> str:
    """Return the one filter key that stands for tenant and context."""
    return _digest(tenant, context_key).hex


def prompt_id(prompt: str) -> str:
    """Return the filter key of a prompt, whatever its scope."""
    return _digest(prompt).hex


def to_conditions(selection: Selection) -> dict[str, Any]:
    """Return a selection as filter keys with what they have to match; `stored_before` stands for a range."""
    conditions: dict[str, Any] = {}
    if selection.tenant is not None:
        conditions["tenant"] = [selection.tenant]
    if selection.entry_ids is not None:
        conditions["entry_id"] = list(selection.entry_ids)
    if selection.prompt is not None:
        conditions["prompt_id"] = [prompt_id(selection.prompt)]
    if selection.tag is not None:
        conditions["tags"] = [selection.tag]
    if selection.stored_before is not None:
        conditions["stored_before"] = selection.stored_before
    return conditions


def _digest(*parts: str) -> uuid.UUID:
    """Return a UUID of the parts: JSON keeps ("a", "bc") and ("ab", "c") apart."""
    return uuid.UUID(bytes=hashlib.sha256(json.dumps(parts).encode()).digest()[:16])
