"""Paraphrases by rule: ways to put a prompt that leave its answer alone."""

import random
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from tiergate.policy import pair_words


def _synonyms(text: str) -> Mapping[str, tuple[str, ...]]:
    """Map every word of the groups `a/b/c` to the others of its groups."""
    found: dict[str, tuple[str, ...]] = {}
    for group in text.split():
        words = group.split("/")
        for word in words:
            found[word] = (*found.get(word, ()), *(other for other in words if other != word))
    return MappingProxyType(found)


_SYNONYMS_OF = _synonyms(
    """
    buy/purchase quick/fast quickly/fast/rapidly begin/start big/large small/little error/fault fix/repair/resolve
    show/display delete/remove/erase picture/image/photo movie/film car/automobile house/home job/position
    salary/pay/wage doctor/physician kids/children help/assist need/require make/create/produce
    difference/distinction method/way/approach reason/cause city/town choose/pick/select end/finish/stop
    answer/reply ask/inquire cheap/inexpensive/affordable costly/expensive correct/right wrong/incorrect
    important/significant easy/simple hard/difficult explain/clarify/describe find/locate hurt/injure
    illness/disease/sickness improve/enhance lawyer/attorney main/principal/chief medicine/drug/medication
    money/cash order/purchase parcel/package phone/telephone mobile/cellphone quit/resign rent/lease shop/store
    stay/remain store/keep stupid/dumb tired/exhausted trip/journey/travel usually/normally vacation/holiday
    verify/confirm/check weird/strange/odd write/compose/draft email/e-mail/mail website/site/webpage
    folder/directory function/method bug/defect program/application app/application photo/photograph request/ask
    replace/swap/exchange send/transfer/forward account/profile block/freeze bill/invoice fee/charge/cost
    balance/funds delivery/shipping arrive/come calculate/compute/work-out list/enumerate summarise/summarize
    colour/color favourite/favorite organise/organize metre/meter happen/occur famous/well-known
    biggest/largest/greatest clothes/clothing sad/unhappy glad/happy talk/speak say/state build/construct/assemble
    tell/inform learn/study possible/feasible weather/forecast song/track reservation/booking restaurant/diner
    flight/plane timer/countdown alarm/wake-up schedule/timetable
    """
)
_OPENINGS = (
    "please ", "hi, ", "hello, ", "hey ", "can you tell me: ", "I'd like to know: ", "could you help me? ",
    "quick question: ",
    "just wondering, ", "sorry, ", "tell me, ", "I need help: ",
)  # fmt: skip
_CLOSINGS = (" please", " thanks", " thank you!", " pls", " thx", " Thanks in advance.", " any help appreciated", " ?")
_INDIRECT = (
    (re.compile(r"^how (?:do|can) (?:i|you|we) (.+?)\??$", re.IGNORECASE),
     ("what is the way to {0}", "how to {0}", "ways to {0}", "i want to {0}, how?", "what should i do to {0}?",
      "is there a way to {0}? how?", "show me how to {0}")),
    (re.compile(r"^what (?:is|are) (.+?)\??$", re.IGNORECASE),
     ("{0}?", "tell me {0}", "what's {0}", "I would like to know {0}", "can you tell me {0}", "{0}, what is it?")),
    (re.compile(r"^(?:explain|describe) (.+?)\.?$", re.IGNORECASE),
     ("give an explanation of {0}", "can you explain {0}?", "I'd like {0} explained", "please describe {0}")),
    (re.compile(r"^(?:write|draft|create|make) (.+?)\.?$", re.IGNORECASE),
     ("compose {0}", "I need {0}", "can you write {0}?", "please produce {0}", "help me write {0}")),
    (re.compile(r"^(?:can|could) i (.+?)\??$", re.IGNORECASE),
     ("is it possible to {0}?", "am i able to {0}", "may i {0}?", "is it possible for me to {0}")),
    (re.compile(r"^why (?:is|are) (.+?)\??$", re.IGNORECASE),
     ("what is the reason that {0}", "why's {0}", "what is the reason for this: {0}")),
    (re.compile(r"^(?:who|where|when) (.+?)\??$", re.IGNORECASE),
     ("tell me: {text}", "do you know {text}", "{text} - anyone know?")),
    (re.compile(r"^(?:i want|i need|i would like|i'd like) to (.+?)\.?$", re.IGNORECASE),
     ("how do i {0}", "help me {0}", "i have to {0}", "let me {0}")),
)  # fmt: skip
_LONG_TO_SHORT = {long: short for short, long in pair_words.CONTRACTIONS.items() if "'" in short}
_MIN_TYPO_WORD = 5
_NEVER_MISSPELT = (
    pair_words.NUMBER_WORDS.keys() | pair_words.MULTIPLIERS.keys() | pair_words.NEGATIONS | pair_words.ASKED
)
_MIN_CLAUSE = 3


def paraphrase(text: str, rng: random.Random, strength: int = 2) -> str:
    """Return the prompt put otherwise, by `strength` rules that apply; the same text when none does.

    Args:
        text: The prompt.
        rng: Source of every choice.
        strength: How many rules are tried with success.
    """
    rules: list[Callable[[str, random.Random], str]] = [
        _politeness, _contract, _clause_order, _synonym, _synonym, _typo, _casing, _punctuation, _indirect, _indirect,
        _telegraphic, _numerals,
    ]  # fmt: skip
    rng.shuffle(rules)
    done = 0
    for rule in rules:
        changed = rule(text, rng)
        if changed != text:
            text, done = changed, done + 1
        if done >= strength:
            break
    return text


def _lower_first(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def _politeness(text: str, rng: random.Random) -> str:
    if rng.random() < 0.5:  # noqa: PLR2004 - either end
        return rng.choice(_OPENINGS) + _lower_first(text)
    return text + rng.choice(_CLOSINGS)


def _contract(text: str, rng: random.Random) -> str:
    pairs = list(_LONG_TO_SHORT.items())
    rng.shuffle(pairs)
    for long, short in pairs:
        if re.search(rf"\b{long}\b", text):
            return re.sub(rf"\b{long}\b", short, text, count=1)
        if short in text:
            return text.replace(short, long, 1)
    return text


def _clause_order(text: str, rng: random.Random) -> str:
    del rng
    parts = [part.strip() for part in re.split(r",\s+|(?<=[.])\s+", text.rstrip("?!. "))]
    if len(parts) == 2 and min(len(part.split()) for part in parts) >= _MIN_CLAUSE:  # noqa: PLR2004 - two clauses
        return f"{parts[1]}, {_lower_first(parts[0])}{text[-1:] if text[-1:] in '?!' else ''}"
    return text


def _synonym(text: str, rng: random.Random) -> str:
    held = [word for word in text.split() if word in _SYNONYMS_OF]
    if not held:
        return text
    word = rng.choice(held)
    return re.sub(rf"\b{re.escape(word)}\b", rng.choice(_SYNONYMS_OF[word]), text, count=1)


def _typo(text: str, rng: random.Random) -> str:
    words = re.finditer(r"[a-z]+", text)
    held = [found for found in words if len(found.group()) >= _MIN_TYPO_WORD and found.group() not in _NEVER_MISSPELT]
    if not held:
        return text
    found = rng.choice(held)
    word, place = found.group(), rng.randrange(1, len(found.group()) - 1)
    swapped = word[:place] + word[place + 1] + word[place] + word[place + 2 :]
    wrong = rng.choice((word[:place] + word[place + 1 :], swapped, word[:place] + word[place] + word[place:]))
    return text[: found.start()] + wrong + text[found.end() :]


def _casing(text: str, rng: random.Random) -> str:
    return rng.choice((text.lower(), text.lower(), text.upper(), text[:1].upper() + text[1:]))


def _punctuation(text: str, rng: random.Random) -> str:
    bare = text.rstrip("?!. ")
    return rng.choice((bare, bare + "?", bare + "??", bare + "!", bare.replace(",", "")))


def _indirect(text: str, rng: random.Random) -> str:
    for pattern, forms in _INDIRECT:
        found = pattern.match(text)
        if found:
            return rng.choice(forms).format(*found.groups(), text=_lower_first(text.rstrip("?")))
    return text


def _telegraphic(text: str, rng: random.Random) -> str:
    """Leave the small words out, as in a search box; never those that turn or direct the request."""
    del rng
    dropped = frozenset("the a an do does did is are i me you can could would please of".split())  # noqa: SIM905
    kept = [word for word in text.rstrip("?!. ").split() if word.lower() not in dropped]
    return " ".join(kept).lower() if len(kept) >= _MIN_CLAUSE else text


def _numerals(text: str, rng: random.Random) -> str:
    del rng
    for word, value in pair_words.NUMBER_WORDS.items():
        if re.search(rf"\b{word}\b", text) and word not in {"one", "third", "fourth", "fifth"}:
            return re.sub(rf"\b{word}\b", str(value), text, count=1)
        if re.search(rf"(?<![\w.,]){value}(?![\w.,])", text) and word not in {"third", "fourth", "fifth", "dozen"}:
            return re.sub(rf"(?<![\w.,]){value}(?![\w.,])", word, text, count=1)
    return text
