"""What is compared of a prompt, read from it once: its words, its facts, its kind of question.

No pattern backtracks, so that no text takes more than linear time.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from tiergate.policy import pair_words as lists

MAX_CHARACTERS = 8_000
"""What of a prompt is read, at either end; between them only equality counts."""

_TOKEN = re.compile(r"\d[\d.,:/-]*\d|\d|[^\W\d_]+(?:['\u2019][^\W\d_]+)*|[%$€£¥₹]")
_RAW_NAME = re.compile(r"(?<![.!?:\n] )(?<=\S )[A-Z\u00c0-\u00de][\w'-]*")
_CODE = re.compile(r"\b(?=\w*\d)(?=\w*[^\W\d])[\w.-]+|\b\w+_\w+\b|\b[a-z]+[A-Z]\w*|\b[A-Z]{2,}\b|--?[a-z][\w-]+")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_YEAR_LOW, _YEAR_HIGH = 1800, 2200
_DIRECTION = re.compile(r"\bfrom (?:the |a |an |my )?([\w$€£]+)(?: \w+){0,3}? (?:in)?to (?:the |a |an |my )?([\w$€£]+)")
_CONVERT = re.compile(r"\b([\w$€£]+) (?:in)?to ([\w$€£]+)")
_STEM_LONG = 4
_LATIN_END = 0x2FF
_TITLE_SHARE = 0.6


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PromptProfile:
    """What is compared of one prompt.

    Attributes:
        text: The prompt in lower case with contractions written out.
        words: Its words, in order.
        stems: Stems of the words that carry meaning, in order.
        weights: Rarity of each stem.
        bigrams: Pairs of neighbouring stems.
        trigrams: Character trigrams of the words.
        numbers: Numbers by value, dates left out.
        dates: Days, months, years, times of day.
        units: Units and currencies.
        negations: Number of negations.
        names: Words with a capital inside a sentence, in lower case.
        codes: Identifiers, acronyms, options, versions.
        comparatives: Comparatives and superlatives.
        quantifiers: Words of scope.
        languages: Languages named.
        formats: Forms of answer named.
        persons: Persons named by pronouns.
        question: Kind of question; empty for none.
        asked: Who, when, where or why, as far as the prompt says them; "what time" is when.
        owners: Whose things are spoken of.
        language: Language the text is written in; empty when unknown.
        directions: (from, to) pairs.
        middle: What lies between the two ends that are read.
    """

    text: str
    words: tuple[str, ...]
    stems: tuple[str, ...]
    weights: Mapping[str, float]
    bigrams: frozenset[tuple[str, str]]
    trigrams: frozenset[str]
    numbers: Counter[str]
    dates: frozenset[str]
    units: frozenset[str]
    negations: int
    names: frozenset[str]
    codes: frozenset[str]
    comparatives: frozenset[str]
    quantifiers: frozenset[str]
    languages: frozenset[str]
    formats: frozenset[str]
    persons: frozenset[str]
    question: str
    asked: frozenset[str]
    owners: frozenset[str]
    language: str
    directions: frozenset[tuple[str, str]]
    middle: str


def profile_of(prompt: str) -> PromptProfile:
    """Read a prompt once for all comparisons with it.

    Args:
        prompt: The last user turn.
    """
    whole = unicodedata.normalize("NFKC", prompt)
    long = len(whole) > 2 * MAX_CHARACTERS
    raw = f"{whole[:MAX_CHARACTERS]}\n{whole[-MAX_CHARACTERS:]}" if long else whole
    tokens = [
        part
        for token in _TOKEN.findall(raw.lower().replace("\u2019", "'"))
        for part in lists.CONTRACTIONS.get(token, token).split()
    ]
    words = tuple(token for token in tokens if token not in lists.COURTESY)
    distinct = frozenset(words)
    numbers, dates = _numbers_and_dates(words)
    stems = tuple(_stem(word) for word in words if word not in lists.FUNCTION_WORDS)
    text = " ".join(words)
    return PromptProfile(
        text=text,
        words=words,
        stems=stems,
        weights={stem: _rarity(stem) for stem in stems},
        bigrams=frozenset(pairwise(stems)),
        trigrams=frozenset(text[i : i + 3] for i in range(len(text) - 2)),
        numbers=numbers,
        dates=dates,
        units=frozenset(lists.UNITS[word] for word in distinct & lists.UNITS.keys()),
        negations=sum(word in lists.NEGATIONS for word in words),
        names=_names(raw),
        codes=frozenset(code.lower() for code in _CODE.findall(raw)),
        comparatives=distinct & lists.COMPARATIVES,
        quantifiers=distinct & lists.QUANTIFIERS,
        languages=distinct & lists.LANGUAGE_NAMES,
        formats=distinct & lists.FORMATS,
        persons=frozenset(lists.PERSONS[word] for word in distinct & lists.PERSONS.keys()),
        question=_question(words),
        asked=_asked(words),
        owners=frozenset(lists.OWNERS[word] for word in distinct & lists.OWNERS.keys()),
        language=_language(raw, distinct),
        directions=frozenset(_DIRECTION.findall(text)) or frozenset(_CONVERT.findall(text)),
        middle=whole[MAX_CHARACTERS:-MAX_CHARACTERS] if long else "",
    )


def _stem(word: str) -> str:
    """Cut the endings that inflection adds; crude, and the same on both sides."""
    for ending, put in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) - len(ending) >= _STEM_LONG - len(put) and not word.endswith("ss"):
            return word[: len(word) - len(ending)] + put
    return word


def _rarity(stem: str) -> float:
    """A stand-in for inverse document frequency: long words and digits are rare."""
    return 1.0 if stem[0].isdigit() else min(1.0, 0.25 + len(stem) / 12)


def _numbers_and_dates(words: Sequence[str]) -> tuple[Counter[str], frozenset[str]]:
    numbers: Counter[str] = Counter()
    dates = {lists.DATES[word] for word in words if word in lists.DATES}
    value: float | None = None
    for word in (*words, ""):
        if word in lists.MULTIPLIERS and value is not None:
            value *= lists.MULTIPLIERS[word]
            continue
        spoken = lists.NUMBER_WORDS.get(word)
        if spoken is not None and value is not None and spoken < value and value % 10 == 0:
            value += spoken
            continue
        if value is not None:
            numbers[f"{value:g}"] += 1
        value = None
        if spoken is not None:
            value = spoken
        elif _DATE.fullmatch(word):
            dates.add("-".join(sorted(part.lstrip("0") for part in re.split("[-/.]", word))))
        elif word[:1].isdigit():
            value = _value(word)
            if value is None:
                numbers[word] += 1
            elif _YEAR_LOW <= value < _YEAR_HIGH and len(word) == _STEM_LONG:
                dates.add(word)
                value = None
    return numbers, frozenset(dates)


def _value(word: str) -> float | None:
    plain = word.replace(",", "") if re.fullmatch(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?", word) else word.replace(",", ".")
    try:
        return float(plain)
    except ValueError:
        return None


def _names(raw: str) -> frozenset[str]:
    """Words with a capital inside a sentence; none where capitals are the rule, as in a title or a shout."""
    found = [name.lower() for name in _RAW_NAME.findall(raw)]
    capitals_are_the_rule = len(found) > 1 and len(found) > _TITLE_SHARE * len(raw.split())
    kept = () if capitals_are_the_rule else found
    return frozenset(name.removesuffix("'s") for name in kept) - lists.FUNCTION_WORDS


def _question(words: Sequence[str]) -> str:
    opening = next((lists.QUESTION_WORDS[word] for word in words[:12] if word in lists.QUESTION_WORDS), "")
    if opening == "how":
        after = words[words.index("how") + 1 : words.index("how") + 2]
        return f"how {after[0]}" if after and after[0] in {"many", "much", "long", "old", "far", "often"} else "how"
    return opening


def _asked(words: Sequence[str]) -> frozenset[str]:
    """Return who, when, where and why, in words of their own or as "what time"."""
    nouns = (noun for word, noun in pairwise(words) if lists.QUESTION_WORDS.get(word) == "what")
    named = {lists.ASKED_NOUNS[noun] for noun in nouns if noun in lists.ASKED_NOUNS}
    return frozenset(named | {lists.QUESTION_WORDS[word] for word in words if word in lists.ASKED})


def _language(raw: str, words: Collection[str]) -> str:
    letters = [character for character in raw[:200] if character.isalpha()]
    foreign = next((character for character in letters if ord(character) > _LATIN_END), "")
    if foreign:
        return unicodedata.name(foreign, "other").split()[0].lower()
    counts = {name: sum(word in common for word in words) for name, common in lists.STOPWORDS_BY_LANGUAGE.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] > max(1, *(count for name, count in counts.items() if name != best)) else ""
