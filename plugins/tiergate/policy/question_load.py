"""Surface features of how much a question asks to be worked out: quantities, steps, clauses, rare words.

They are to rank questions of one kind by difficulty, where a vector of the meaning says little: a word problem with
five numbers against one with two, a statement with a negation against one without. English words; other languages
count by their numbers, marks and sentences.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache

_LONG_WORD = 9

_WORD_SETS: Mapping[str, frozenset[str]] = {
    name: frozenset(words.split())
    for name, words in {
        "quantity_words": """
            half halves third thirds quarter quarters fifth twice double doubled triple tripled thrice dozen dozens
            each every per times percent percentage ratio average fraction one two three four five six seven eight
            nine ten eleven twelve twenty thirty forty fifty hundred thousand million both pair remaining rest total
            altogether combined sum difference""",
        "step_words": """
            then after before later first second next finally now again remaining left rest originally initially
            until since while during if more less fewer than another additional also extra spent gave gives bought
            sold lost eats ate uses used""",
        "time_words": """
            day days week weeks month months year years hour hours minute minutes second seconds monday tuesday
            wednesday thursday friday saturday sunday morning afternoon evening night daily weekly monthly yearly mph
            pm am""",
        "negations": """
            not no never none nor neither except cannot isn't doesn't don't didn't aren't wasn't won't without unless
            least false incorrect incorrectly untrue unlikely""",
        "comparatives": """
            more less greater smaller larger higher lower than compared whereas versus both same different increase
            decrease""",
    }.items()
}
_SETS_OF_WORD: Mapping[str, tuple[str, ...]] = {
    word: tuple(name for name, members in _WORD_SETS.items() if word in members)
    for word in frozenset().union(*_WORD_SETS.values())
}
_FUNCTION_WORD_LIST = """
    the a an of to in is are was were be been and or that this it its as for with by on at from he she they his
    her their which who what when where how why has have had do does did will would can could may might should if
    not but than then there these those all any some into about also one two i you we my your our me him them us
    so no up out more most other such only over after before because between during each
"""
_FUNCTION_WORDS = frozenset(_FUNCTION_WORD_LIST.split())
_FACT_WORDS = frozenset({"what", "who", "where", "when"})

_WORD = re.compile(r"[A-Za-z\u00c0-\u024f]+(?:['\u2019-][A-Za-z]+)*")
_NUMBER = re.compile(r"(?<![\w.])\$?\d[\d,]*(?:\.\d+)?")
_SENTENCE_END = re.compile(r"[.!?]+(?:\s|$)|\n+")
_VOWELS = re.compile(r"[aeiouy]+")
_COUNTED = {
    "options": re.compile(r"(?:^|\s)\(?[A-Ja-j][.)]\s"),
    "formula_marks": re.compile(r"\\[a-zA-Z]+|[_^{}$\\]|[\u2200-\u22ff\u0370-\u03ff\u00b2\u00b3\u2070-\u209f]"),
    "names": re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+"),
    "years": re.compile(r"\b(?:1[0-9]{3}|20[0-9]{2})\b"),
    "units": re.compile(
        r"\d\s?(?:kg|g|m|cm|mm|km|s|ms|hz|khz|mhz|n|j|kj|w|kw|v|a|k|pa|kpa|atm|mol|l|ml|ft|in|lb|psi|rpm|ev|ohm"
        r"|\u00b0|%|degrees)\b",
        re.IGNORECASE,
    ),
    "statements": re.compile(r"\b(?:statement|I{1,3}V?|IV)\b[ .:)]|\bStatement \d"),
    "fractions": re.compile(
        r"\d/\d|%|percent|half|third|quarter|twice|times as|more than|less than|fewer than", re.IGNORECASE
    ),
    "hyphens": re.compile(r"-"),
    "parentheses": re.compile(r"\("),
    "quotation_marks": re.compile(r'"'),
    "commas": re.compile(r","),
    "colons": re.compile(r":"),
}

LOAD_FEATURES = (
    "numbers",
    "distinct_numbers",
    *_WORD_SETS,
    "content_words",
    "distinct_content_words",
    "distinct_word_share",
    "function_word_share",
    "content_word_characters",
    "long_words",
    "long_word_share",
    "content_word_syllables",
    *_COUNTED,
    "clauses",
    "longest_sentence",
    "last_sentence",
    "first_sentence",
    "mean_sentence",
    "of_the_following",
    "blank",
    "no_question_mark",
    "asks_fact",
    "asks_how",
    "asks_quantity",
)
"""Names of the features, in their order."""


def load_features_of(text: str) -> dict[str, float]:
    """Return the features by the names in `LOAD_FEATURES` and in their order; every value is finite.

    Counts are returned as log(1 + count), sentence lengths as log(1 + words), shares lie in [0, 1].

    Args:
        text: What to read; the caller bounds its length.
    """
    words = [word.lower() for word in _WORD.findall(text)]
    numbers = _NUMBER.findall(text)
    counts: dict[str, float] = {"numbers": len(numbers), "distinct_numbers": len(set(numbers))}
    found = Counter(name for word in words for name in _SETS_OF_WORD.get(word, ()))
    counts |= {name: found[name] for name in _WORD_SETS}
    values = {name: math.log1p(count) for name, count in counts.items()}
    values |= _word_shape(words)
    values |= {name: math.log1p(len(pattern.findall(text))) for name, pattern in _COUNTED.items()}
    values |= _sentence_shape(text)
    values |= _question_shape(text, words)
    return values


def _word_shape(words: Sequence[str]) -> dict[str, float]:
    content = [word for word in words if word not in _FUNCTION_WORDS]
    long_words = sum(len(word) >= _LONG_WORD for word in words)
    total, carrying = max(len(words), 1), max(len(content), 1)
    return {
        "content_words": math.log1p(len(content)),
        "distinct_content_words": math.log1p(len(set(content))),
        "distinct_word_share": len(set(words)) / total,
        "function_word_share": 1 - len(content) / total,
        "content_word_characters": sum(map(len, content)) / carrying,
        "long_words": math.log1p(long_words),
        "long_word_share": long_words / total,
        "content_word_syllables": sum(map(_syllables, content)) / carrying,
    }


@lru_cache(maxsize=4096)
def _syllables(word: str) -> int:
    return len(_VOWELS.findall(word))


def _sentence_shape(text: str) -> dict[str, float]:
    lengths = [len(part.split()) for part in _SENTENCE_END.split(text) if part.strip()]
    seen = lengths or [0]
    return {
        "clauses": math.log1p(len(lengths)),
        "longest_sentence": math.log1p(max(seen)),
        "last_sentence": math.log1p(seen[-1]),
        "first_sentence": math.log1p(seen[0]),
        "mean_sentence": math.log1p(sum(seen) / len(seen)),
    }


def _question_shape(text: str, words: Sequence[str]) -> dict[str, float]:
    lowered = text.lower()
    return {
        "of_the_following": float("of the following" in lowered),
        "blank": float("___" in text),
        "no_question_mark": float("?" not in text),
        "asks_fact": float(not _FACT_WORDS.isdisjoint(words[:3])),
        "asks_how": float(words[:1] in (["how"], ["why"])),
        "asks_quantity": float("how many" in lowered or "how much" in lowered),
    }
