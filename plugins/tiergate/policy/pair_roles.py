"""Whether two prompts exchange who does what to whom: "A pays B" and "B pays A", "from A to B" and "from B to A".

Both hold the same words, so neither overlap nor a sentence vector tells them apart. A role is read from what stands
before a word that carries meaning: two of them have exchanged roles when each stands in one prompt after what the other
stands after in the other prompt. That needs no grammar, and holds when the rest of the prompt is put otherwise.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from tiergate.policy import pair_words as lists

WORDS_READ = 80
"""What of a prompt is read, in words."""

_DETERMINERS = frozenset(("the", "a", "an", "this", "that", "these", "those", *lists.OWNERS))


def are_exchanged(a: Sequence[str], b: Sequence[str]) -> bool:
    """Return whether two words that both prompts hold once stand in each other's place.

    Words side by side in both prompts ("New York") count as one. What stands around "and", "or" and the like may be
    exchanged without changing what is asked, and does not count.

    Args:
        a: Words of one prompt, in lower case and in order.
        b: Words of the other.
    """
    words_a = [word for word in a[:WORDS_READ] if word not in _DETERMINERS]
    words_b = [word for word in b[:WORDS_READ] if word not in _DETERMINERS]
    together = {
        pair
        for pair in set(pairwise(words_a)) & set(pairwise(words_b))
        if lists.FUNCTION_WORDS.isdisjoint(pair) and pair[0] != pair[1]
    }
    before_a, before_b = _before(_joined(words_a, together)), _before(_joined(words_b, together))
    shared = (before_a.keys() & before_b.keys()) - lists.FUNCTION_WORDS
    places = {(before_a[word], before_b[word]) for word in shared}
    return any(
        here != there and (there, here) in places and here not in lists.EVEN_HANDED and there not in lists.EVEN_HANDED
        for here, there in places
    )


def _joined(words: Sequence[str], together: set[tuple[str, str]]) -> list[str]:
    joined: list[str] = []
    last = ""
    for word in words:
        if (last, word) in together:
            joined[-1] = f"{joined[-1]} {word}"
        else:
            joined.append(word)
        last = word
    return joined


def _before(words: Sequence[str]) -> Mapping[str, str]:
    """Map every word that stands once to the one before it; the first one to nothing."""
    counts = Counter(words)
    return {word: before for before, word in pairwise(("", *words)) if counts[word] == 1}
