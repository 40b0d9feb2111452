"""Whether two answers say the same: what confirms an entry, and what labels a pair of prompts without a person."""

import re
from collections import Counter

from tiergate.ports import Vector

MIN_AGREEMENT = 0.90
"""Cosine between two answers from which they may say the same."""

MIN_WORDS_SHARED = 0.75
"""Share of words two answers have in common that stands in for their cosine when it is not known."""

SHORT_ANSWER_WORDS = 8
"""Up to here every word counts: "Paris" and "Rome" are near each other and not the same."""

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NEGATION = re.compile(
    r"\b(?:no|not|never|cannot|can't|isn't|aren't|don't|doesn't|won't|wasn't|without)\b", re.IGNORECASE
)


def agrees(one: str, other: str, *, vectors: tuple[Vector, Vector] | None = None) -> bool:
    """Tell whether two answers say the same; in doubt they do not.

    Equal words agree. Otherwise the numbers and the number of negations have to be equal, short answers have to use the
    same words, and long ones have to be near by cosine, or by words where the vectors are not given.

    Args:
        one: An answer.
        other: Another one.
        vectors: Their unit vectors, shape (D,) each.
    """
    words, others = _words(one), _words(other)
    if words == others:
        return bool(words)
    if _numbers(one) != _numbers(other) or _negations(one) != _negations(other):
        return False
    if min(len(words), len(others)) <= SHORT_ANSWER_WORDS:
        return Counter(words) == Counter(others)
    if vectors is not None:
        return float(vectors[0] @ vectors[1]) >= MIN_AGREEMENT
    shared = sum((Counter(words) & Counter(others)).values())
    return shared >= MIN_WORDS_SHARED * max(len(words), len(others))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _numbers(text: str) -> Counter[str]:
    return Counter(number.replace(",", "") for number in _NUMBER.findall(text))


def _negations(text: str) -> int:
    return len(_NEGATION.findall(text.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")))
