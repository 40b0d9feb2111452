"""Terms that hardly occur outside finance or law, in the languages of the people who ask.

The shipped encoder reads English. A term of another language, or one of a trade ("wash sale", "lis pendens"), leaves no
trace in its vector; counted here it does. Words with a second life ("interest", "bond", "case", "appeal") are not on
the lists by themselves, only in phrases that settle which life it is. A word ending in * stands for every word that
begins with it; `_` joins the words of a phrase. Terms of scripts without spaces are looked for anywhere in the text.
The third list is of what people say who ask for what they may, must, or can demand; law is one of its homes.

Words of six letters and more are also known with a slip in them ("savigns", "intrest", "wrongfull"): the same first
letter and the same set of letters, a form of the key collision of Pollock and Zamora, "Automatic spelling correction in
scientific and scholarly text" (CACM 1984).
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tiergate.policy.domain_term_lists import (
    ENTITLEMENT,
    ENTITLEMENT_ANYWHERE,
    FINANCE,
    FINANCE_ANYWHERE,
    LEGAL,
    LEGAL_ANYWHERE,
)

MAX_CHARACTERS: Final = 2_000
"""What is read: the start of a prompt, where its domain shows."""

_SLIP: Final = 6
_SLIP_DIFFERENCE: Final = 1

_LEGAL_MARKS: Final = re.compile(r"\u00a7|\b[A-Z]\w+ vs?\.? [A-Z]\w+")
"""The sign of a section, and the name of a case."""

_WORD: Final = re.compile(r"[^\W_]+(?:['\u2019&/.-][^\W_]+)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Terms:
    """One list, made ready to be looked up.

    Attributes:
        words: Whole words.
        starts: Beginnings of words.
        lengths: Lengths of the beginnings, rising.
        phrases: The rest of each phrase, by its first word.
        slipped_phrases: The same by the key of its first word, where that is long.
        slips: Keys of the longer words, each with their lengths.
        anywhere: Terms of scripts without spaces.
    """

    words: frozenset[str]
    starts: frozenset[str]
    lengths: tuple[int, ...]
    phrases: Mapping[str, tuple[tuple[str, ...], ...]]
    slipped_phrases: Mapping[str, tuple[tuple[str, ...], ...]]
    slips: Mapping[str, tuple[int, ...]]
    anywhere: re.Pattern[str]


def _build(terms: str, anywhere: str) -> _Terms:
    words, starts = set(), set()
    phrases: defaultdict[str, list[tuple[str, ...]]] = defaultdict(list)
    slips: defaultdict[str, list[int]] = defaultdict(list)
    for term in terms.split():
        first, *rest = term.split("_")
        if rest:
            phrases[first].append(tuple(rest))
        elif term.endswith("*"):
            starts.add(term.removesuffix("*"))
        else:
            words.add(term)
            if len(term) >= _SLIP:
                slips[_key(term)].append(len(term))
    listed = sorted((term.replace("_", " ") for term in anywhere.split()), key=len, reverse=True)
    return _Terms(
        words=frozenset(words),
        starts=frozenset(starts),
        lengths=tuple(sorted({len(start) for start in starts})),
        phrases={first: tuple(rest) for first, rest in phrases.items()},
        slipped_phrases={_key(first): tuple(rest) for first, rest in phrases.items() if len(first) > _SLIP},
        slips={key: tuple(lengths) for key, lengths in slips.items()},
        anywhere=re.compile("|".join(map(re.escape, listed))),
    )


def _key(word: str) -> str:
    return word[0] + "".join(sorted(set(word[1:])))


_LISTS: Final[Mapping[str, _Terms]] = {
    "finance_terms": _build(FINANCE, FINANCE_ANYWHERE),
    "legal_terms": _build(LEGAL, LEGAL_ANYWHERE),
    "entitlement_terms": _build(ENTITLEMENT, ENTITLEMENT_ANYWHERE),
}

_NO_SLIPS: Final = frozenset(
    {
        *("amended", "asserted", "baking", "canadian", "competent", "component", "consent", "contents", "demand"),
        *("demanded", "interest", "interests", "mandarin", "peasant", "peasants", "promise", "promises", "provision"),
        *("scouts", "telling", "tennant", "tourist", "tourists", "treasure", "treasures"),
    }
)
"""Words of every day that have the letters of a term."""

DOMAIN_TERMS: Final = tuple(_LISTS)
"""Names of the counts."""


def count_terms(prompt: str) -> Mapping[str, int]:
    """Count the terms of each list in the start of a prompt, by the names in `DOMAIN_TERMS`.

    Linear in the text, as no pattern backtracks over more than a word.

    Args:
        prompt: The last user turn.
    """
    text = prompt[:MAX_CHARACTERS].replace("\u2019", "'")
    lowered = text.lower()
    words = _WORD.findall(lowered)
    keys = [_key(word) if len(word) >= _SLIP - _SLIP_DIFFERENCE and word not in _NO_SLIPS else "" for word in words]
    counts = {}
    for name, terms in _LISTS.items():
        count = sum(_begins_term(words, keys, place, terms) for place in range(len(words)))
        counts[name] = count if lowered.isascii() else count + len(terms.anywhere.findall(lowered))
    counts["legal_terms"] += len(_LEGAL_MARKS.findall(text))
    return counts


def _begins_term(words: Sequence[str], keys: Sequence[str], place: int, terms: _Terms) -> bool:
    word, key = words[place], keys[place]
    if word in terms.words or any(word[:length] in terms.starts for length in terms.lengths):
        return True
    if key and any(_is_slip(word, length) for length in terms.slips.get(key, ())):
        return True
    rests = terms.phrases.get(word) or terms.slipped_phrases.get(key, ())
    return any(_follows(words[place + 1 : place + 1 + len(rest)], rest) for rest in rests)


def _is_slip(word: str, length: int) -> bool:
    return min(len(word), length) >= _SLIP and abs(len(word) - length) <= _SLIP_DIFFERENCE


def _follows(words: Sequence[str], rest: Sequence[str]) -> bool:
    """Whether the words are the rest of a phrase."""
    return len(words) == len(rest) and all(_is_word(word, term) for word, term in zip(words, rest, strict=True))


def _is_word(word: str, term: str) -> bool:
    """Whether a word is that of a phrase: a beginning, or the word, a slip aside."""
    if term.endswith("*"):
        return word.startswith(term[:-1])
    return word == term or (_is_slip(word, len(term)) and _key(word) == _key(term))
