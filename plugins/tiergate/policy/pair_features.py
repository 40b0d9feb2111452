"""Features of a pair of prompts that the cosine of their vectors is blind to.

Two prompts may share an answer only when every word that changes the answer agrees, and a sentence vector hardly moves
with a number, a "not", a swapped "from" and "to". Each text is read once into a `PromptProfile`, which may be kept; a
pair then costs set operations and bit-parallel longest common subsequences (Hyyrö 2004). No pattern backtracks.

Every feature is finite, is a share or the logarithm of a count, and is the same for (a, b) and (b, a). For two equal
prompts every change is 0 and every share 1.
"""

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from tiergate.policy import pair_words as lists
from tiergate.ports import Vector

MAX_CHARACTERS = 8_000
"""What of a prompt is read, at either end; between them only equality counts."""

ORDER_CHARACTERS = 400
"""What of a prompt the comparison of order reads."""

FEATURES = (
    "cosine",
    "log_distance",
    "cosine_squared",
    "word_jaccard",
    "content_jaccard",
    "containment_low",
    "containment_high",
    "bigram_jaccard",
    "trigram_jaccard",
    "character_order",
    "word_order",
    "rare_shared",
    "rare_lost_low",
    "rare_lost_high",
    "rarest_lost_low",
    "rarest_lost_high",
    "spelling_lost_low",
    "spelling_lost_high",
    "one_word_swapped",
    "numbers_changed",
    "numbers_one_sided",
    "dates_changed",
    "dates_one_sided",
    "units_changed",
    "units_one_sided",
    "negation_changed",
    "names_changed",
    "names_one_sided",
    "codes_changed",
    "comparatives_changed",
    "quantifiers_changed",
    "antonyms",
    "languages_asked_changed",
    "formats_changed",
    "persons_changed",
    "question_kind_changed",
    "question_kind_one_sided",
    "text_language_changed",
    "order_changed",
    "direction_changed",
    "same_words_other_order",
    "head_changed",
    "tail_changed",
    "length_ratio",
    "log_words_mean",
    "log_words_difference",
    "middle_changed",
    "cosine_x_rare_lost",
    "cosine_x_content_jaccard",
)
"""Names of the features, in the order of the model's inputs."""

_TOKEN = re.compile(r"\d[\d.,:/-]*\d|\d|[^\W\d_]+(?:['\u2019][^\W\d_]+)*|[%$€£¥₹]")
_RAW_NAME = re.compile(r"(?<![.!?:\n] )(?<=\S )[A-Z\u00c0-\u00de][\w'-]*")
_CODE = re.compile(r"\b(?=\w*\d)(?=\w*[^\W\d])[\w.-]+|\b\w+_\w+\b|\b[a-z]+[A-Z]\w*|\b[A-Z]{2,}\b|--?[a-z][\w-]+")
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}")
_YEAR_LOW, _YEAR_HIGH = 1800, 2200
_DIRECTION = re.compile(r"\bfrom (?:the |a |an |my )?([\w$€£]+)(?: \w+){0,3}? (?:in)?to (?:the |a |an |my )?([\w$€£]+)")
_CONVERT = re.compile(r"\b([\w$€£]+) (?:in)?to ([\w$€£]+)")
_STEM_LONG = 4
_ORDERED_STEMS = 24
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
        language=_language(raw, distinct),
        directions=frozenset(_DIRECTION.findall(text)) or frozenset(_CONVERT.findall(text)),
        middle=whole[MAX_CHARACTERS:-MAX_CHARACTERS] if long else "",
    )


def compare(a: PromptProfile, b: PromptProfile, cosine: float) -> NDArray[np.float32]:
    """Return the features of a pair, shape (len(FEATURES),), in the order of `FEATURES`.

    Args:
        a: One prompt.
        b: The other.
        cosine: Cosine of their vectors; a value out of [-1, 1] is clipped, one that is not finite counts as -1.
    """
    cosine = min(1.0, max(-1.0, cosine)) if math.isfinite(cosine) else -1.0
    values = {
        "cosine": cosine,
        "log_distance": -math.log(1.02 - cosine),
        "cosine_squared": cosine * abs(cosine),
        **_overlap(a, b),
        **_losses(a, b),
        **_facts(a, b),
        **_order(a, b),
        **_lengths(a, b),
    }
    values["cosine_x_rare_lost"] = cosine * values["rare_lost_high"]
    values["cosine_x_content_jaccard"] = cosine * values["content_jaccard"]
    return np.array([values[name] for name in FEATURES], dtype=np.float32)


def compare_vectors(a: Vector, b: Vector) -> NDArray[np.float32]:
    """Return [|a - b|, a * b], scaled to about unit size; shape (2 * D,) or (N, 2 * D).

    Args:
        a: Unit vector or vectors, shape (D,) or (N, D).
        b: The others, of the same shape.
    """
    scale = np.float32(math.sqrt(a.shape[-1]))
    return np.concatenate([np.abs(a - b) * scale, a * b * scale * scale], axis=-1)


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


def _language(raw: str, words: Collection[str]) -> str:
    letters = [character for character in raw[:200] if character.isalpha()]
    foreign = next((character for character in letters if ord(character) > _LATIN_END), "")
    if foreign:
        return unicodedata.name(foreign, "other").split()[0].lower()
    counts = {name: sum(word in common for word in words) for name, common in lists.STOPWORDS_BY_LANGUAGE.items()}
    best = max(counts, key=counts.__getitem__)
    return best if counts[best] > max(1, *(count for name, count in counts.items() if name != best)) else ""


def _ratio(shared: float, total: float) -> float:
    return shared / total if total else 1.0


def _jaccard(a: frozenset[object], b: frozenset[object]) -> float:
    return _ratio(len(a & b), len(a | b))


def _low_high(name: str, x: float, y: float) -> dict[str, float]:
    return {f"{name}_low": min(x, y), f"{name}_high": max(x, y)}


def _overlap(a: PromptProfile, b: PromptProfile) -> dict[str, float]:
    stems_a, stems_b = frozenset(a.stems), frozenset(b.stems)
    shared = len(stems_a & stems_b)
    return {
        "word_jaccard": _jaccard(frozenset(a.words), frozenset(b.words)),
        "content_jaccard": _jaccard(stems_a, stems_b),
        **_low_high("containment", _ratio(shared, len(stems_a)), _ratio(shared, len(stems_b))),
        "bigram_jaccard": _jaccard(frozenset(a.bigrams), frozenset(b.bigrams)),
        "trigram_jaccard": _jaccard(frozenset(a.trigrams), frozenset(b.trigrams)),
    }


def _losses(a: PromptProfile, b: PromptProfile) -> dict[str, float]:
    """What of either side the other lacks, by rarity and with misspellings forgiven."""
    lost_a = {stem: weight for stem, weight in a.weights.items() if stem not in b.weights}
    lost_b = {stem: weight for stem, weight in b.weights.items() if stem not in a.weights}
    total = sum(a.weights.values()) + sum(b.weights.values())
    sums = sum(lost_a.values()), sum(lost_b.values())
    return {
        "rare_shared": 1.0 - (_ratio(sum(sums), total) if total else 0.0),
        **_low_high("rare_lost", math.log1p(sums[0]), math.log1p(sums[1])),
        **_low_high("rarest_lost", max(lost_a.values(), default=0.0), max(lost_b.values(), default=0.0)),
        **_low_high("spelling_lost", _unlike(lost_a, lost_b), _unlike(lost_b, lost_a)),
        "one_word_swapped": float(len(lost_a) == 1 and len(lost_b) == 1),
    }


def _unlike(lost: Mapping[str, float], other: Mapping[str, float]) -> float:
    """log(1 + rarity lost), where a word that is spelt almost like one of the other side's counts for less."""
    left = 0.0
    for stem, weight in list(lost.items())[:8]:
        likeness = max((_word_likeness(stem, word) for word in list(other)[:8]), default=0.0)
        left += weight * (1.0 - likeness)
    return math.log1p(left)


def _word_likeness(a: str, b: str) -> float:
    if a[0].isdigit() or b[0].isdigit() or a[0] != b[0]:
        return 0.0
    return max(0.0, 2.0 * (2 * _common_length(a, b) / (len(a) + len(b))) - 1.0)


def _common_length(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence, bit-parallel (Hyyrö 2004)."""
    masks: dict[str, int] = {}
    for position, item in enumerate(a):
        masks[item] = masks.get(item, 0) | (1 << position)
    everything = (1 << len(a)) - 1
    row = everything
    for item in b:
        matched = row & masks.get(item, 0)
        row = ((row + matched) | (row - matched)) & everything
    return len(a) - row.bit_count()


def _sided(name: str, a: frozenset[str], b: frozenset[str]) -> dict[str, float]:
    """Changed: both sides hold one that the other lacks. One-sided: only one does."""
    extra_a, extra_b = len(a - b), len(b - a)
    return {
        f"{name}_changed": math.log1p(min(extra_a, extra_b)),
        f"{name}_one_sided": math.log1p(abs(extra_a - extra_b)),
    }


def _differ(a: frozenset[str], b: frozenset[str]) -> float:
    return math.log1p(len(a ^ b))


def _facts(a: PromptProfile, b: PromptProfile) -> dict[str, float]:
    words_a, words_b = frozenset(a.words), frozenset(b.words)
    only_a, only_b = words_a - words_b, words_b - words_a
    numbers_a, numbers_b = (a.numbers - b.numbers).total(), (b.numbers - a.numbers).total()
    return {
        "numbers_changed": math.log1p(min(numbers_a, numbers_b)),
        "numbers_one_sided": math.log1p(abs(numbers_a - numbers_b)),
        **_sided("dates", a.dates, b.dates),
        **_sided("units", a.units, b.units),
        "negation_changed": float((a.negations - b.negations) % 2) + 0.25 * (a.negations != b.negations),
        **_sided("names", a.names - words_b, b.names - words_a),
        "codes_changed": _differ(a.codes - words_b, b.codes - words_a),
        "comparatives_changed": _differ(a.comparatives, b.comparatives),
        "quantifiers_changed": _differ(a.quantifiers, b.quantifiers),
        "antonyms": math.log1p(sum(len(lists.ANTONYMS[word] & only_b) for word in only_a & lists.ANTONYMS.keys())),
        "languages_asked_changed": _differ(a.languages, b.languages),
        "formats_changed": _differ(a.formats, b.formats),
        "persons_changed": _differ(a.persons, b.persons),
        "question_kind_changed": float(a.question != b.question and bool(a.question) and bool(b.question)),
        "question_kind_one_sided": float(bool(a.question) != bool(b.question)),
        "text_language_changed": float(a.language != b.language and bool(a.language) and bool(b.language)),
    }


def _order(a: PromptProfile, b: PromptProfile) -> dict[str, float]:
    characters = a.text[:ORDER_CHARACTERS], b.text[:ORDER_CHARACTERS]
    words = a.words[:ORDER_CHARACTERS], b.words[:ORDER_CHARACTERS]
    turned = any((there, here) in b.directions for here, there in a.directions)
    inverted = _inversions(a.stems, b.stems)
    return {
        "character_order": _ratio(2 * _common_length(*characters), len(characters[0]) + len(characters[1])),
        "word_order": _ratio(2 * _common_length(*words), len(words[0]) + len(words[1])),
        "order_changed": inverted,
        "direction_changed": float(turned and a.directions != b.directions),
        "same_words_other_order": float(a.words != b.words and Counter(a.words) == Counter(b.words)),
        "head_changed": float(a.stems[:1] != b.stems[:1]),
        "tail_changed": float(a.stems[-1:] != b.stems[-1:]),
    }


def _inversions(a: Sequence[str], b: Sequence[str]) -> float:
    """Share of pairs of shared stems that stand the other way round in the other prompt; of stems that occur once."""
    place_a, place_b = _places(a), _places(b)
    shared = sorted(place_a.keys() & place_b.keys())[:_ORDERED_STEMS]
    turned = sum(
        (place_a[one] < place_a[other]) != (place_b[one] < place_b[other]) for one, other in combinations(shared, 2)
    )
    return turned / max(len(shared) * (len(shared) - 1) / 2, 1)


def _places(stems: Sequence[str]) -> dict[str, int]:
    counts = Counter(stems)
    return {stem: place for place, stem in enumerate(stems) if counts[stem] == 1}


def _lengths(a: PromptProfile, b: PromptProfile) -> dict[str, float]:
    words_a, words_b = len(a.words), len(b.words)
    return {
        "length_ratio": _ratio(min(words_a, words_b), max(words_a, words_b)),
        "log_words_mean": math.log1p((words_a + words_b) / 2),
        "log_words_difference": math.log1p(abs(words_a - words_b)),
        "middle_changed": float(a.middle != b.middle),
    }
