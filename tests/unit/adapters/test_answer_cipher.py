"""Sealing of stored answers: any text comes back, another key opens nothing, keys rotate."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from tiergate.adapters.answer_cipher import AnswerCipher
from tiergate.errors import PolicyError, StoreError

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


def cipher(*keys: str) -> AnswerCipher:
    return AnswerCipher.from_keys(",".join(keys), policy_file="policy.yaml")


@given(st.text(alphabet=st.characters(codec=None), max_size=60))
def test_any_text_comes_back(text: str) -> None:
    one = cipher(NEW)
    sealed = one.seal(text)
    assert one.open(sealed) == text
    assert sealed.isascii()


def test_the_text_is_not_in_what_is_sealed_and_two_seals_differ() -> None:
    one = cipher(NEW)
    first, second = one.seal("my secret answer"), one.seal("my secret answer")
    assert "secret" not in first
    assert first != second


def test_keys_rotate() -> None:
    sealed = cipher(OLD).seal("an answer")
    both = cipher(f" {NEW}", f" {OLD} ", "")
    assert both.open(sealed) == "an answer"
    assert cipher(NEW).open(both.seal("fresh")) == "fresh", "the first key seals"
    with pytest.raises(StoreError, match="not in semantic_cache"):
        cipher(NEW).open(sealed)


@pytest.mark.parametrize("sealed", ["", "not sealed", "gAAAAAB\u00e9", "x" * 200])
def test_what_was_changed_or_never_sealed_is_refused(sealed: str) -> None:
    with pytest.raises(StoreError):
        cipher(NEW).open(sealed)


@pytest.mark.parametrize("keys", ["secret", f"{NEW},short"])
def test_what_is_no_key_is_named_without_being_shown(keys: str) -> None:
    with pytest.raises(PolicyError, match="encryption_keys") as told:
        cipher(keys)
    assert "secret" not in str(told.value)
    assert NEW not in str(told.value)
