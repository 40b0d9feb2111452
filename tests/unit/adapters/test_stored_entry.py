"""Entries as text: in the clear, sealed, and sealed with a key that is gone."""

import json

import numpy as np
import pytest
from cryptography.fernet import Fernet

from tiergate.adapters.answer_cipher import AnswerCipher
from tiergate.adapters.stored_entry import NO_VECTOR, EntryCodec, exact_match, to_conditions
from tiergate.errors import PolicyError, StoreError
from tiergate.ports import Selection, StoredAnswer

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))


def codec(*keys: str) -> EntryCodec:
    return EntryCodec(AnswerCipher.from_keys(",".join(keys), policy_file="policy.yaml") if keys else None)


ENTRY = StoredAnswer(
    entry_id="e", tenant="t", context_key="c", prompt="secret prompt", vector=np.ones(2, np.float32),
    body={"text": "secret answer"}, tier="simple", confidence=None, cost_usd=0.5, stored_at=1.0, expires_at=9.0,
    tags=("x",), confirmed_by=("a",),
)  # fmt: skip


@pytest.mark.parametrize("keys", [(), (NEW,), (NEW, OLD)])
def test_an_entry_makes_the_round_trip(keys: tuple[str, ...]) -> None:
    read = codec(*keys).loads(codec(*keys).dumps(ENTRY), ENTRY.vector)
    assert all(getattr(read, name) == getattr(ENTRY, name) for name in StoredAnswer.__slots__ if name != "vector")


def test_a_sealed_payload_shows_neither_prompt_nor_answer() -> None:
    payload = json.dumps(codec(NEW).to_payload(ENTRY))
    assert "secret" not in payload
    assert "secret" in json.dumps(codec().to_payload(ENTRY))


def test_keys_rotate() -> None:
    sealed = codec(OLD).dumps(ENTRY)
    assert codec(NEW, OLD).loads(sealed).prompt == "secret prompt"
    assert codec(OLD).loads(codec(OLD, NEW).dumps(ENTRY)).prompt == "secret prompt"
    with pytest.raises(StoreError, match="sealed with a key"):
        codec(NEW).loads(sealed)
    with pytest.raises(StoreError, match="encryption_keys is not set"):
        codec().loads(sealed)


def test_what_was_written_in_the_clear_is_still_read() -> None:
    assert codec(NEW).loads(codec().dumps(ENTRY)).prompt == "secret prompt"


def test_an_entry_that_cannot_be_read_is_left_out_of_a_look_up() -> None:
    found = [
        (1.0, codec(OLD).dumps(ENTRY), NO_VECTOR),
        (0.9, codec(NEW).dumps(ENTRY), NO_VECTOR),
        (0.8, "{", NO_VECTOR),
    ]
    assert [each.similarity for each in codec(NEW).in_scope(found, "t", "c")] == [0.9]
    assert codec(NEW).in_scope(found, "u", "c") == []
    assert exact_match(codec(NEW).in_scope(found, "t", "c"), "other", now=0.0) is None


@pytest.mark.parametrize("keys", ["x", "!", f"{NEW},short"])
def test_what_is_no_key_stops_start_up(keys: str) -> None:
    with pytest.raises(PolicyError) as caught:
        AnswerCipher.from_keys(keys, policy_file="policy.yaml")
    assert caught.value.key == "semantic_cache.encryption_keys"


def test_no_identifiers_select_nothing_and_nothing_given_selects_all() -> None:
    assert to_conditions(Selection(entry_ids=())) == {"entry_id": []}
    assert to_conditions(Selection()) == {}
