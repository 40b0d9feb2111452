"""Features of a pair of prompts that the cosine of their vectors is blind to.

Two prompts may share an answer only when every word that changes the answer agrees, and a sentence vector hardly moves
with a number, a "not", a swapped "from" and "to". Each text is read once into a `PromptProfile`, which may be kept; a
pair then costs set operations and bit-parallel longest common subsequences (Hyyrö 2004).

Every feature is finite, is a share or the logarithm of a count, and is the same for (a, b) and (b, a). For two equal
prompts every change is 0 and every share 1.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from tiergate.policy import pair_words as lists
from tiergate.policy.pair_roles import are_exchanged
from tiergate.policy.prompt_profile import PromptProfile, profile_of
from tiergate.ports import Vector

__all__ = ["CHANGES", "FEATURES", "ORDER_CHARACTERS", "PromptProfile", "compare", "compare_vectors", "profile_of"]

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
    "asked_changed",
    "asked_one_sided",
    "text_language_changed",
    "order_changed",
    "order_breaks",
    "blocks_exchanged",
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
    "roles_exchanged",
    "facts_changed",
    "a_fact_changed",
)
"""Names of the features, in the order of the model's inputs."""

CHANGES = MappingProxyType(
    {
        "numbers_changed": 0.1,
        "dates_changed": 0.1,
        "units_changed": 0.1,
        "negation_changed": 1.0,
        "names_changed": 0.1,
        "antonyms": 0.1,
        "direction_changed": 1.0,
        "quantifiers_exchanged": 1.0,
        "asked_exchanged": 1.0,
        "owners_exchanged": 1.0,
        "roles_exchanged": 1.0,
        "text_language_changed": 1.0,
    }
)
"""What tells that a fact is another one, and from where on. `a_fact_changed` and `facts_changed` sum it up, so that a
model applies what it learns of one kind of change to a kind that it has hardly met. The rarest kinds, which no source
has many examples of, are no features of their own: their weights would be noise, and would outweigh the sum."""

_ORDERED_STEMS = 24
_TWO_BLOCKS, _SHORT_BLOCK = 2, 2


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
        **_exchanges(a, b),
    }
    values["cosine_x_rare_lost"] = cosine * values["rare_lost_high"]
    values["cosine_x_content_jaccard"] = cosine * values["content_jaccard"]
    kinds = sum(values[name] >= least for name, least in CHANGES.items())
    values |= {"facts_changed": math.log1p(kinds), "a_fact_changed": float(kinds > 0)}
    return np.array([values[name] for name in FEATURES], dtype=np.float32)


def compare_vectors(a: Vector, b: Vector) -> NDArray[np.float32]:
    """Return [|a - b|, a * b], scaled to about unit size; shape (2 * D,) or (N, 2 * D).

    Args:
        a: Unit vector or vectors, shape (D,) or (N, D).
        b: The others, of the same shape.
    """
    scale = np.float32(math.sqrt(a.shape[-1]))
    return np.concatenate([np.abs(a - b) * scale, a * b * scale * scale], axis=-1)


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
        **_sided("asked", a.asked, b.asked),
        "text_language_changed": float(a.language != b.language and bool(a.language) and bool(b.language)),
    }


def _exchanges(a: PromptProfile, b: PromptProfile) -> dict[str, float]:
    """Which of the words that exclude each other either side has of its own."""
    return {
        "quantifiers_exchanged": _exchanged(a.quantifiers, b.quantifiers),
        "asked_exchanged": _exchanged(_asked(a), _asked(b)),
        "owners_exchanged": _exchanged(a.owners, b.owners),
        "roles_exchanged": float(are_exchanged(a.words, b.words)),
    }


def _asked(prompt: PromptProfile) -> frozenset[str]:
    """Who, when, where, why and how; "how" counts only against another of them, since a paraphrase drops it."""
    return prompt.asked | {"how"} if "how" in prompt.words else prompt.asked


def _exchanged(a: frozenset[str], b: frozenset[str]) -> float:
    return float(bool(a - b) and bool(b - a))


def _order(a: PromptProfile, b: PromptProfile) -> dict[str, float]:
    characters = a.text[:ORDER_CHARACTERS], b.text[:ORDER_CHARACTERS]
    words = a.words[:ORDER_CHARACTERS], b.words[:ORDER_CHARACTERS]
    turned = any((there, here) in b.directions for here, there in a.directions)
    ranks = _ranks(a.stems, b.stems)
    return {
        "character_order": _ratio(2 * _common_length(*characters), len(characters[0]) + len(characters[1])),
        "word_order": _ratio(2 * _common_length(*words), len(words[0]) + len(words[1])),
        "order_changed": _inversions(ranks),
        "order_breaks": math.log1p(sum(after - before != 1 for before, after in pairwise(ranks))),
        "blocks_exchanged": float(_is_exchange(ranks)),
        "direction_changed": float(turned and a.directions != b.directions),
        "same_words_other_order": float(a.words != b.words and Counter(a.words) == Counter(b.words)),
        "head_changed": float(a.stems[:1] != b.stems[:1]),
        "tail_changed": float(a.stems[-1:] != b.stems[-1:]),
    }


def _ranks(a: Sequence[str], b: Sequence[str]) -> list[int]:
    """Stems that occur once in either prompt, in the order of `a`, as their ranks in `b`."""
    place_a, place_b = _places(a), _places(b)
    shared = sorted(place_a.keys() & place_b.keys())[:_ORDERED_STEMS]
    ranks = {stem: rank for rank, stem in enumerate(sorted(shared, key=place_b.__getitem__))}
    return [ranks[stem] for stem in sorted(shared, key=place_a.__getitem__)]


def _inversions(ranks: Sequence[int]) -> float:
    """Share of pairs that stand the other way round."""
    turned = sum(before > after for before, after in combinations(ranks, 2))
    return turned / max(len(ranks) * (len(ranks) - 1) / 2, 1)


def _is_exchange(ranks: Sequence[int]) -> bool:
    """Whether two blocks changed places, as in "A pays B", "B pays A"; a clause put first is a rotation."""
    runs: list[list[int]] = []
    for rank in ranks:
        if runs and rank == runs[-1][-1] + 1:
            runs[-1].append(rank)
        else:
            runs.append([rank])
    moved = runs[bool(runs and runs[0][0] == 0) : len(runs) - bool(runs and runs[-1][-1] == len(ranks) - 1)]
    if len(moved) == _TWO_BLOCKS:
        return max(len(run) for run in moved) <= _SHORT_BLOCK
    return len(moved) == _TWO_BLOCKS + 1 and moved[0][0] > moved[1][0] > moved[2][0]


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
