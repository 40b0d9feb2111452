"""Surface features of an answer: what its text says of its own quality, for models that give no log-probabilities.

Long, hedging, repetitive or unfinished answers are wrong more often than short, plain ones of the same model
(Xiong et al. 2024, "Can LLMs express their uncertainty?", on verbal signs; Holtzman et al. 2020 on repetition).
How much each feature tells differs by model and task, so none has a fixed weight: `gate_calibration` holds
weights fitted on outcomes, and without outcomes these features are not used. No pattern backtracks.
"""

import math
import re
from collections import Counter
from collections.abc import Mapping

MAX_CHARACTERS = 20_000
"""What the counts read: the start of an answer. The length is that of the whole."""

ANSWER_FEATURES = (
    "log_characters",
    "log_characters_squared",
    "log_lines",
    "length_to_prompt",
    "mean_word_characters",
    "digit_share",
    "mathematics_share",
    "hedges",
    "refusals",
    "turns",
    "conclusions",
    "choices_named",
    "repetition",
    "unfinished",
    "prompt_overlap",
)
"""Names of the features, in the order of the calibration's weights."""

_COUNTED = {
    "hedges": re.compile(
        r"\b(?:might|maybe|perhaps|possibly|probably|likely|approximately|roughly|seems?|appears?|"
        r"assum(?:e|ing|ption)|"
        r"could be|may be|i think|i believe|not sure|unclear|unsure|closest|best (?:guess|answer|option|choice)|"
        r"vielleicht|vermutlich|peut-être|probablement|quizás?|probablemente)\b",
        re.IGNORECASE,
    ),
    "refusals": re.compile(
        r"\b(?:i can(?:no|')t|cannot|unable to|don't know|do not know|not (?:possible|provided|given|enough)|"
        r"no (?:answer|correct|information)|none of|insufficient|as an ai|i'm sorry|i am sorry|unfortunately)\b",
        re.IGNORECASE,
    ),
    "turns": re.compile(
        r"\b(?:however|but|wait|actually|instead|although|correction|mistake|error|let me (?:re|check)\w*)\b",
        re.IGNORECASE,
    ),
    "conclusions": re.compile(
        r"\b(?:answer is|final answer|therefore|thus|hence|so the|in conclusion|we get|we have)\b|\\boxed",
        re.IGNORECASE,
    ),
    "choices_named": re.compile(r"\([A-Z]\)|\b[A-Z]\)"),
}
_DIGIT = re.compile(r"\d")
_MATHEMATICS = re.compile(r"[=+*/^<>\u2264\u2265\u2211\u222b\u221a\u03c0\u00b1\\]")
_WORD = re.compile(r"\w+")
_ENDED = re.compile(r"[.!?\u3002\uff01\uff1f)\]}`\"'*:|]\s*\Z")
_GRAM = 4


def answer_features_of(answer: str, prompt: str) -> Mapping[str, float]:
    """Return the surface features of an answer, by the names in `ANSWER_FEATURES` and in their order.

    Counts are log(1 + count), shares lie in [0, 1]; every value is finite for every text.

    Args:
        answer: The text of the answer.
        prompt: The last user turn it answers.
    """
    text = answer[:MAX_CHARACTERS]
    characters = max(len(text), 1)
    words = [word.lower() for word in _WORD.findall(text)]
    asked = {word.lower() for word in _WORD.findall(prompt[:MAX_CHARACTERS])}
    length = math.log1p(len(answer))
    values = {name: math.log1p(len(pattern.findall(text))) for name, pattern in _COUNTED.items()}
    values["log_characters"] = length
    values["log_characters_squared"] = length * length / 10
    values["log_lines"] = math.log1p(text.count("\n"))
    values["length_to_prompt"] = length - math.log1p(len(prompt))
    values["mean_word_characters"] = math.log1p(sum(map(len, words)) / max(len(words), 1))
    values["digit_share"] = len(_DIGIT.findall(text)) / characters
    values["mathematics_share"] = len(_MATHEMATICS.findall(text)) / characters
    values["repetition"] = _repetition(words)
    values["unfinished"] = 0.0 if _ENDED.search(text[-80:]) else 1.0
    values["prompt_overlap"] = sum(word in asked for word in words) / max(len(words), 1)
    return {name: values[name] for name in ANSWER_FEATURES}


def _repetition(words: list[str]) -> float:
    """Share of four-word runs that occurred before in the same answer."""
    runs = Counter(zip(*(words[start:] for start in range(_GRAM)), strict=False))
    total = runs.total()
    return (total - len(runs)) / total if total else 0.0
