"""Hard negatives: prompts that read almost alike and must not share an answer, made by rule and named by kind.

Every kind changes one fact that decides the answer: a number, a date, a unit, who does what to whom. Where the prompt
holds such a fact it is changed; otherwise both sides get the same kind of fact, with different values.
"""

import random
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from tiergate.policy import pair_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A rule that turns one prompt into two that must not share an answer.

    Attributes:
        kind: What is changed.
        choices: Values that exclude each other; one is exchanged for another.
        frames: How a value is added to a prompt that holds none; empty when it is not added.
    """

    kind: str
    choices: Sequence[str]
    frames: Sequence[str] = ()


_CITIES = (
    "Paris", "London", "Berlin", "Madrid", "Rome", "Vienna", "Oslo", "Lisbon", "Dublin", "Prague", "Chicago", "Boston",
    "Seattle", "Denver", "Toronto", "Sydney", "Tokyo", "Delhi", "Mumbai", "Nairobi", "Cairo", "Lagos", "Lima",
)  # fmt: skip
_REGIONS = (
    "Germany", "France", "Spain", "Italy", "Austria", "Australia", "Canada", "India", "Brazil", "Japan", "Kenya",
    "Mexico", "Norway", "Poland", "Turkey", "Texas", "California", "Ohio", "Florida", "Scotland", "the UK", "the US",
)  # fmt: skip
_FIRMS = (
    "Apple", "Google", "Microsoft", "Amazon", "Netflix", "Samsung", "Toyota", "Tesla", "Intel", "Nvidia", "Spotify",
    "Oracle", "Adobe", "Siemens", "Nokia", "PayPal", "Visa", "Mastercard", "Uber", "Airbnb",
)  # fmt: skip
_PEOPLE = (
    "Einstein", "Newton", "Darwin", "Mozart", "Picasso", "Shakespeare", "Goethe", "Napoleon", "Lincoln", "Churchill",
    "Gandhi", "Mandela", "Cleopatra", "Beethoven", "Hemingway", "Curie", "Tesla", "Galileo",
)  # fmt: skip
_TOOLS = (
    "Python", "Java", "JavaScript", "Go", "Rust", "Ruby", "Kotlin", "Docker", "Kubernetes", "PostgreSQL", "MySQL",
    "SQLite", "MongoDB", "Redis", "Excel", "Linux", "Windows", "macOS", "Android", "React", "Vue", "Django",
)  # fmt: skip

CHANGES = (
    Change(
        kind="date",
        choices=(
            "January", "February", "March", "April", "June", "July", "August", "September", "October", "November",
            "December", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday",
        ),
        frames=("{text}, as of {value}", "In {value}: {text}", "{text} (for {value})"),
    ),
    Change(
        kind="year",
        choices=tuple(str(year) for year in range(1960, 2026, 3)),
        frames=("{text} in {value}", "In {value}, {text}", "{text} ({value})"),
    ),
    Change(
        kind="time_of_day",
        choices=("in the morning", "in the evening", "at night", "at noon", "at 6 am", "at 9 pm"),
        frames=("{text} {value}",),
    ),
    Change(
        kind="currency",
        choices=("dollars", "euros", "pounds", "yen", "rupees", "francs"),
        frames=("{text}, in {value}", "{text} (amounts in {value})"),
    ),
    Change(
        kind="unit",
        choices=(
            "kilometres", "miles", "metres", "feet", "inches", "kilograms", "grams", "ounces", "litres", "gallons",
            "celsius", "fahrenheit", "hours", "minutes", "days", "weeks", "months", "years", "percent",
        ),
        frames=("{text}, given in {value}", "{text} in {value}"),
    ),
    Change(kind="city", choices=_CITIES, frames=("{text} in {value}", "I live in {value}. {text}", "{value}: {text}")),
    Change(kind="region", choices=_REGIONS, frames=("{text} in {value}", "{text} under the law of {value}")),
    Change(kind="firm", choices=_FIRMS, frames=("{text} at {value}", "{text} with {value}", "For {value}: {text}")),
    Change(kind="person_named", choices=_PEOPLE, frames=("{text} according to {value}", "{value}: {text}")),
    Change(kind="tool", choices=_TOOLS, frames=("{text} with {value}", "{text} in {value}", "Using {value}, {text}")),
    Change(
        kind="version",
        choices=("3.8", "3.11", "3.12", "v1", "v2", "22.04", "24.04", "iOS 16", "iOS 17", "10.2", "PRO-200", "PRO-300"),
        frames=("{text} (version {value})", "{text}, version {value}"),
    ),
    Change(
        kind="language_asked",
        choices=("English", "German", "French", "Spanish", "Italian", "Dutch", "Polish", "Japanese", "Hindi"),
        frames=("{text} Answer in {value}.", "{text} in {value}", "Reply in {value}: {text}"),
    ),
    Change(
        kind="format_asked",
        choices=("a table", "JSON", "a bullet list", "a poem", "an email", "a CSV file", "YAML", "a checklist"),
        frames=("{text} Give it as {value}.", "{text} as {value}"),
    ),
    Change(
        kind="length_asked",
        choices=("one sentence", "one word", "two paragraphs", "500 words", "three lines", "a long essay"),
        frames=("{text} Answer in {value}.", "In {value}: {text}"),
    ),
    Change(
        kind="audience",
        choices=("a child", "an expert", "a beginner", "my manager", "a lawyer", "a nurse", "a customer"),
        frames=("{text}, explained for {value}", "{text} (written for {value})"),
    ),
    Change(
        kind="quantifier",
        choices=("all", "some", "most", "only one", "none of the", "both", "the first", "the last", "every second"),
        frames=("{text} (for {value} cases)",),
    ),
    Change(
        kind="constraint",
        choices=(
            "without a lawyer", "without sugar", "without internet", "with a mortgage", "for free", "during pregnancy",
            "while travelling", "after surgery", "on a budget", "for a company", "for children", "for pensioners",
        ),
        frames=("{text} {value}",),
    ),
    Change(
        kind="person",
        choices=("my", "your", "his", "her", "their"),
    ),
    Change(kind="question_word", choices=("when", "where", "why", "who", "how")),
)  # fmt: skip
"""Kinds that exchange one value for another."""

_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w.]*\w)")
_AUXILIARY = re.compile(
    r"\b(is|are|was|were|do|does|did|can|could|should|would|will|must|has|have)\b(?! not)", re.IGNORECASE
)
_NOT = re.compile(r"\b(?:not|never) |n't\b", re.IGNORECASE)
_FROM_TO = re.compile(r"\bfrom ((?:[\w$€£]+ ){1,3})to ((?:[\w$€£]+ ?){1,2})")
_TWO_SIDES = re.compile(r"\b([A-Z]\w+)\b(.{2,60}?)\b([A-Z]\w+)\b")
_WORD = re.compile(r"[a-z]{4,}")
_NUMBER_FRAMES = (
    "{text} for {value} people",
    "{text} with {value}",
    "{text} (at most {value})",
    "{text} over {value} days",
)
_ROLE_FRAMES = (
    "{text}, from {one} to {other}",
    "{text} when {one} pays {other}",
    "Does {one} depend on {other}? {text}",
    "{text} if {one} comes before {other}",
)
_ROLES = ("Alice", "Bob", "the buyer", "the seller", "the bank", "the customer", "Anna", "Omar", "server A", "server B")
MIN_SWAP_WORDS = 3


def negatives_of(text: str, rng: random.Random, vocabulary: Sequence[str]) -> Mapping[str, tuple[str, str]]:
    """Return one pair per kind that applies to a prompt.

    Args:
        text: The prompt.
        rng: Source of every choice.
        vocabulary: Content words of the source, for the kind `content_word`.
    """
    makers: dict[str, Callable[[], tuple[str, str] | None]] = {
        "number": lambda: _number(text, rng),
        "negation": lambda: _negation(text),
        "swapped_roles": lambda: _roles(text, rng),
        "opposite": lambda: _opposite(text, rng),
        "content_word": lambda: _content_word(text, rng, vocabulary),
        **{change.kind: _exchanger(change, text, rng) for change in CHANGES},
    }
    made = {kind: maker() for kind, maker in makers.items()}
    return MappingProxyType({kind: pair for kind, pair in made.items() if pair is not None and pair[0] != pair[1]})


def kinds() -> tuple[str, ...]:
    """Return the names of all kinds."""
    return ("number", "negation", "swapped_roles", "opposite", "content_word", *(change.kind for change in CHANGES))


def _exchanger(change: Change, text: str, rng: random.Random) -> Callable[[], tuple[str, str] | None]:
    return lambda: _exchange(change, text, rng)


def _exchange(change: Change, text: str, rng: random.Random) -> tuple[str, str] | None:
    held = [value for value in change.choices if re.search(rf"\b{re.escape(value)}\b", text)]
    if held:
        value = rng.choice(held)
        other = rng.choice([choice for choice in change.choices if choice != value])
        return text, re.sub(rf"\b{re.escape(value)}\b", lambda _: other, text)
    if not change.frames:
        return None
    frame = rng.choice(change.frames)
    one, other = rng.sample(change.choices, 2)
    return _framed(frame, text, value=one), _framed(frame, text, value=other)


def _framed(frame: str, text: str, **values: str) -> str:
    """Put a value around a prompt, its closing mark moved to the end."""
    mark = text[-1:] if text[-1:] in "?!" else ""
    body = text.rstrip("?!. ")
    if frame.startswith(("{text} ", "{text},")) and not frame.startswith(("{text} Answer", "{text} Give")):
        return frame.format(text=body, **values) + mark
    return frame.format(text=body + (mark or "."), **values)


def _number(text: str, rng: random.Random) -> tuple[str, str]:
    found = _NUMBER.search(text)
    if found is None:
        frame = rng.choice(_NUMBER_FRAMES)
        one, other = rng.sample(range(2, 400), 2)
        return _framed(frame, text, value=str(one)), _framed(frame, text, value=str(other))
    old = found.group()
    digits = re.sub(r"\D", "", old)
    changes = (
        str(int(digits) + rng.randint(1, 9)),
        digits + "0",
        digits[::-1],
        str(max(1, int(digits) * rng.randint(2, 5))),
    )
    new = rng.choice([change for change in changes if change != old])
    return text, text[: found.start()] + new + text[found.end() :]


def _negation(text: str) -> tuple[str, str] | None:
    if _NOT.search(text):
        return text, _NOT.sub("", text, count=1)
    found = _AUXILIARY.search(text)
    if found is None:
        return None
    words = text[found.end() :].split(" ")
    # After an opening auxiliary the subject comes first: "is it not", but "that is not".
    place = 2 if found.start() == 0 and len(words) > MIN_SWAP_WORDS else 1
    turned = " ".join((*words[:place], "not", *words[place:]))
    return text, text[: found.end()] + turned


def _roles(text: str, rng: random.Random) -> tuple[str, str]:
    found = _FROM_TO.search(text)
    if found:
        one, other = found.group(1).strip(), found.group(2).strip()
        return text, text[: found.start()] + f"from {other} to {one}" + text[
            found.start() + len(found.group().rstrip()) :
        ]
    names = _TWO_SIDES.search(text, 1)
    if names and names.group(1) != names.group(3) and not re.search(r"\b(?:and|or|vs)\b", names.group(2)):
        swapped = names.group(3) + names.group(2) + names.group(1)
        return text, text[: names.start()] + swapped + text[names.end() :]
    frame = rng.choice(_ROLE_FRAMES)
    one, other = rng.sample(_ROLES, 2)
    return _framed(frame, text, one=one, other=other), _framed(frame, text, one=other, other=one)


def _opposite(text: str, rng: random.Random) -> tuple[str, str] | None:
    held = [word for word in text.split() if word in pair_words.ANTONYMS and len(word) > MIN_SWAP_WORDS]
    if not held:
        return None
    word = rng.choice(held)
    other = rng.choice(sorted(pair_words.ANTONYMS[word]))
    return text, re.sub(rf"\b{re.escape(word)}\b", other, text)


def _content_word(text: str, rng: random.Random, vocabulary: Sequence[str]) -> tuple[str, str] | None:
    held = [word for word in _WORD.findall(text) if word not in pair_words.FUNCTION_WORDS | pair_words.COURTESY]
    if not held or not vocabulary:
        return None
    word = rng.choice(held)
    return text, re.sub(rf"\b{re.escape(word)}\b", rng.choice(vocabulary), text, count=1)
