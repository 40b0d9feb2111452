"""Surface features of a prompt: what a vector of its meaning does not say.

Prompt length alone is a strong prior of difficulty; the rest says what is asked for and how much of it. Cheap by
design: a handful of passes in C over at most `MAX_CHARACTERS`, no model. No pattern backtracks, so that no text takes
more than linear time.
"""

import math
import re
from collections.abc import Mapping

MAX_CHARACTERS = 20_000
"""What the counts read: the start of a prompt. The length is that of the whole."""

FEATURES = (
    "log_characters",
    "log_words",
    "log_lines",
    "mean_word_characters",
    "sentences",
    "questions",
    "question_words",
    "imperatives",
    "reasoning_words",
    "constraints",
    "first_person",
    "format_asked",
    "length_asked",
    "code_marks",
    "mathematics_marks",
    "quoted_share",
    "digit_share",
    "list_marks",
    "non_ascii_share",
    "upper_share",
)
"""Names of the features, in the order of the classifier's inputs."""

_PATTERNS = {
    "sentences": re.compile(r"[.!?\u3002\uff01\uff1f](?:\s|$)"),
    "questions": re.compile(r"[?\uff1f]"),
    "question_words",
    "imperatives",
    "reasoning_words",
    "constraints",
    "first_person",
    "format_asked",
    "length_asked",
    "code_marks",
    "mathematics_marks",
    "quoted_share",
    "digit_share",
    "list_marks",
    "non_ascii_share",
    "upper_share",
)
"""Names of the features, in the order of the classifier's inputs."""

_PATTERNS = {
    "sentences": re.compile(r"[.!?。!?](?:\s|$)"),
    "questions": re.compile(r"[??]"),
    "question_words": re.compile(
        r"\b(?:what|whats|which|who|whose|when|where|why|how|is|are|do|does|can|should|"
        r"was|wie|wer|wo|warum|quel|quelle|comment|pourquoi|qué|cuál|cómo|dónde)\b",
        re.IGNORECASE,
    ),
    "imperatives": re.compile(
        r"\b(?:write|make|give|list|explain|describe|compare|summari[sz]e|translate|convert|create|draft|find|fix|"
        r"show|add|rewrite|turn|plan|extract|sort|put|name|define|tell|schreibe?|erkläre?|écris|explique|escribe|explica)\b",
        re.IGNORECASE,
    ),
    "reasoning_words": re.compile(
        r"\b(?:prove|proof|derive|design|analy[sz]e|argue|justify|evaluate|critique|architect|optimi[sz]e|"
        r"trade-?offs?|assumptions?|risks?|strategy|implications?|rigorous|counterexample|beweise?|démontre|demuestra)\b",
        re.IGNORECASE,
    ),
    "constraints": re.compile(
        r"\b(?:must|only|under|at most|at least|without|within|exactly|no more than|not|never|each|every|including|"
        r"budget|limit|ohne|sans|sin)\b",
        re.IGNORECASE,
    ),
    "first_person": re.compile(
        r"\b(?:i|i'm|i've|my|me|we|we're|our|us|mein|meine|ich|wir|mon|ma|mes|je|nous|mi|mis|nuestro)\b", re.IGNORECASE
    ),
    "format_asked": re.compile(
        r"\b(?:json|yaml|xml|csv|table|tabelle|tableau|tabla|bullets?|bullet points?|checklist|markdown|html|svg)\b",
        re.IGNORECASE,
    ),
    "length_asked": re.compile(
        r"\b\d[\d,.]{0,8}\s{0,3}(?:words?|sentences?|lines?|pages?|paragraphs?|characters?|minutes?|bullets?)\b", re.IGNORECASE
    ),
    "code_marks": re.compile(
        r"```|`|[{}]|\(\)|=>|->|==|!=|::|;\s*$|</|\b(?:def|class|return|import|select|from|function|const|var|int)\b",
        re.MULTILINE,
    ),
    "mathematics_marks": re.compile(r"[=+*/^<>\u2264\u2265\u2211\u222b\u221a\u03c0\u00b1]|\\(?:frac|sum|int|sqrt)\b|\b(?:x|y|n|k)\b"),
    "list_marks": re.compile(r"[,;:]|^[ \t]{0,8}(?:[-*\u2022]|\d{1,3}[.)])\s", re.MULTILINE),
}
_DIGIT = re.compile(r"\d")
_UPPER = re.compile(r"[A-Z\u00c0-\u00d6\u00d8-\u00de]")
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_QUOTED = re.compile(r'"[^"]*"|\u201c[^\u201c\u201d]*\u201d|`[^`]*`|(?<=: ).{40,}', re.DOTALL)


def features_of(prompt: str) -> Mapping[str, float]:
    """Return the surface features of a prompt, by the names in `FEATURES` and in their order.

    Counts are returned as log(1 + count), shares lie in [0, 1]; every value is finite for every text.

    Args:
        prompt: The last user turn.
    """
    text = prompt[:MAX_CHARACTERS]
    characters = max(len(text), 1)
    words = len(text.split())
    whole = len(prompt) / characters
    values = {name: math.log1p(len(pattern.findall(text))) for name, pattern in _PATTERNS.items()}
    values["log_characters"] = math.log1p(len(prompt))
    values["log_words"] = math.log1p(words * max(whole, 1.0))
    values["log_lines"] = math.log1p(text.count("\n"))
    values["mean_word_characters"] = math.log1p(len(text) / max(words, 1))
    values["quoted_share"] = sum(len(part) for part in _QUOTED.findall(text)) / characters
    values["digit_share"] = len(_DIGIT.findall(text)) / characters
    values["non_ascii_share"] = len(_NON_ASCII.findall(text)) / characters
    values["upper_share"] = len(_UPPER.findall(text)) / characters
    return {name: values[name] for name in FEATURES}
