"""What an answer itself says about its quality, as named numbers.

Token signals, from the log-probabilities (natural logarithm) of the generated tokens:

- `logprob_mean`: mean per token, the length-normalised log-probability of the answer (Malinin and Gales
  2021, "Uncertainty Estimation in Autoregressive Structured Prediction", section 3; Jiang et al. 2021,
  "How Can We Know When Language Models Know?").
- `logprob_min`: the least probable token (Manakul et al. 2023, "SelfCheckGPT", section 5.1).
- `logprob_tail`: mean of the least probable tenth, at least one token. A long answer hides its few
  decisive tokens in the mean (Gupta et al. 2024, "Language Model Cascades: Token-Level Uncertainty and
  Beyond", section 3).
- `entropy_mean`: mean entropy in nats of the tokens' distributions (Malinin and Gales 2021;
  SelfCheckGPT). What the given alternatives leave over counts as one more outcome, so this is a lower
  bound.
- `margin_mean`: mean difference in probability between the two most probable tokens (Wang and Zhou 2024,
  "Chain-of-Thought Reasoning without Prompting", section 2.2).
- `logprob_tokens`: number of tokens behind these.

Structural signals, 1.0 when the answer fails the check and 0.0 when it passes; absent when not checked:
`truncated`, `refusal`, `empty`, `invalid_json` (JSON was asked for; against the schema that the client sent),
`invalid_tool_arguments` (a tool was called; against the schema of the tool on offer). `repetition` is a
share (Welleck et al. 2020, "Neural Text Generation with Unlikelihood Training", section 6.1, seq-rep-4).

A value that is missing, not a number, infinite or above zero is dropped; if that leaves less than half of
the tokens, there are no token signals. Nothing is made up.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiergate.exchange import Answer, Request, TokenLogprob
from tiergate.policy.schema_check import breaks_schema

Array = NDArray[np.float64]

_FLOOR = -25.0
"""Least log-probability that counts; some providers write -9999 for "very unlikely"."""
_ROUNDING = 1e-3
"""A log-probability this little above zero is a rounding error and counts as zero."""
_MIN_USABLE = 0.5
_MAX_ALTERNATIVES = 20
_MAX_TOKENS = 4_000
"""Tokens that are looked at; it bounds the time that a very long answer takes."""
_TAIL = 0.1
_MAX_JSON_CHARS = 100_000
_REPETITION_CHARS = 4_000
_MIN_NGRAMS = 40
_NGRAM = 4
_MAX_WORD_CHARS = 20
_REFUSAL_CHARS = 200

_UNABLE = r"(?:can(?:no|')t|can not|am (?:not able|unable) to|won't|will not|must decline)"
_ACTS = (
    r"(?:help(?! but)|assist|provide|answer|comply|fulfil|discuss|share|do (?:that|this)|create|generate"
    r"|write|engage|support)"
)
_OPENING = (
    r"(?:(?:i'?m |i am )?(?:very |truly )?sorry,? ?(?:but )?|i apologi[sz]e,? ?(?:but )?|unfortunately,? )?"
    r"(?:as an ai[^.]*?,? )?"
)
_REFUSALS = (
    rf"{_OPENING}i {_UNABLE}(?: be able)?(?: to)? (?:\w+ )?{_ACTS}",
    r"(?:i'?m |i am )?sorry,? (?:but )?i (?:don't|do not) (?:know|have)",
    r"i (?:don't|do not) (?:know\b(?! (?:that|how much|if you))|have (?:access|enough|any) )",
    r"i'?m not (?:able to|comfortable) ",
    r"(?:es tut mir (?:sehr )?leid,? .{0,60}?|leider )kann ich .{0,80}?(?:nicht|keine?n?)\b",
    r"(?:je suis )?(?:vraiment )?désolée?,? .{0,40}?je ne peux pas",
    r"je ne (?:peux|suis) pas (?:vous aider|en mesure)",
    r"lo siento,? .{0,40}?no puedo",
    r"no puedo (?:ayudar|proporcionar|responder)",
    r"mi dispiace,? .{0,40}?non posso",
    r"(?:desculpe|sinto muito|lamento),? .{0,40}?não posso",
    r"(?:het spijt me|sorry),? .{0,40}?ik kan .{0,60}?niet",
    r"(?:przykro mi|przepraszam),? .{0,40}?nie mogę",
    r"(?:извините|к сожалению|простите),? .{0,40}?я не могу",
    r"(?:很?抱歉|对不起|對不起).{0,20}?(?:无法|無法|不能)",
    r"(?:申し訳(?:ありません|ございません)).{0,60}?できません",
    r"죄송(?:합니다|하지만).{0,60}?없습니다",
)
_REFUSAL = re.compile("|".join(_REFUSALS), re.IGNORECASE)


def measure_signals(answer: Answer, request: Request) -> Mapping[str, float]:
    """Return the signals of an answer, by name; every value is finite.

    Args:
        answer: The answer.
        request: What it answers.
    """
    return _measure_tokens(answer.logprobs) | _measure_structure(answer, request)


def _measure_tokens(tokens: Sequence[TokenLogprob]) -> dict[str, float]:
    tokens = tokens[:_MAX_TOKENS]
    if not tokens:
        return {}
    given = _clean(_to_array([token.logprob for token in tokens]))
    logprobs = given[~np.isnan(given)]
    if len(logprobs) < max(1.0, _MIN_USABLE * len(tokens)):
        return {}
    lowest = np.sort(logprobs)
    signals = {
        "logprob_tokens": float(len(logprobs)),
        "logprob_mean": float(logprobs.mean()),
        "logprob_min": float(lowest[0]),
        "logprob_tail": float(lowest[: math.ceil(_TAIL * len(lowest))].mean()),
    }
    return signals | _measure_alternatives(tokens)


def _measure_alternatives(tokens: Sequence[TokenLogprob]) -> dict[str, float]:
    """Return entropy and margin over the tokens that come with alternatives."""
    given = [token.top[:_MAX_ALTERNATIVES] for token in tokens if token.top]
    if not given:
        return {}
    sizes = np.array([len(top) for top in given])
    table = np.full((len(given), int(sizes.max())), math.nan)
    table[np.arange(table.shape[1]) < sizes[:, None]] = _to_array(list(chain.from_iterable(given)))
    table = _clean(table)
    chances: Array = np.where(np.isnan(table), 0.0, np.exp(table))
    usable = (~np.isnan(table)).sum(axis=1)
    total = chances.sum(axis=1, keepdims=True)
    chances = chances / np.maximum(1.0, total)
    signals = {}
    if (some := usable >= 1).any():
        rest = 1.0 - np.minimum(1.0, total[some])
        outcomes = np.concatenate([chances[some], rest], axis=1)
        entropy = -(outcomes * np.log(np.where(outcomes > 0, outcomes, 1.0))).sum(axis=1)
        signals["entropy_mean"] = abs(float(entropy.mean()))
    if (several := usable >= 2).any():  # noqa: PLR2004  a margin is between two
        ranked = np.sort(chances[several], axis=1)
        signals["margin_mean"] = float((ranked[:, -1] - ranked[:, -2]).mean())
    return signals


def _to_array(values: Sequence[Any]) -> Array:
    """Return numbers as an array; what is no number becomes NaN."""
    try:
        return np.array(values, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        return np.array([value if isinstance(value, float) else math.nan for value in values], dtype=np.float64)


def _clean(values: Array) -> Array:
    """Return log-probabilities between the floor and zero; what can be none becomes NaN."""
    usable = np.isfinite(values) & (values <= _ROUNDING)
    cleaned: Array = np.where(usable, np.clip(values, _FLOOR, 0.0), math.nan)
    return cleaned


def _measure_structure(answer: Answer, request: Request) -> dict[str, float]:
    text, calls = answer.text, answer.tool_arguments
    blank = not text or text.isspace()
    refused = answer.refusal or answer.finish_reason == "content_filter" or _reads_as_refusal(text)
    signals = {
        "truncated": float(answer.finish_reason == "length"),
        "refusal": float(refused),
        "empty": float(blank and not calls),
        "repetition": measure_repetition(text),
    }
    if request.json_asked and not blank and len(text) <= _MAX_JSON_CHARS:
        schema = request.answer_schema
        signals["invalid_json"] = float(not _is_json(text) or (schema is not None and breaks_schema(text, schema)))
    if calls:
        checked = [(name, arguments) for name, arguments in calls if len(arguments) <= _MAX_JSON_CHARS]
        signals["invalid_tool_arguments"] = float(not all(_fits_tool(*call, request) for call in checked))
    return signals


def _reads_as_refusal(text: str) -> bool:
    """Whether an answer opens as refusals do, in one of a dozen languages."""
    opening = text[:_REFUSAL_CHARS].replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    return _REFUSAL.match(opening.lstrip(" \t\r\n\"'*#>")) is not None


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return False
    return True


def _is_arguments(text: str) -> bool:
    """Whether a text is a JSON object; no text at all stands for no arguments."""
    return not text or (_is_json(text) and text.lstrip().startswith("{"))


def _fits_tool(name: str, arguments: str, request: Request) -> bool:
    """Whether a call's arguments are a JSON object that follows the schema of the tool, where it is known."""
    if not _is_arguments(arguments):
        return False
    schema = request.tool_schemas.get(name)
    return schema is None or not breaks_schema(arguments or "{}", schema)


def measure_repetition(text: str) -> float:
    """Return the share of word 4-grams that repeat an earlier one, between 0 and 1.

    Looked at are the last 4 000 characters, where a loop shows. A text without blanks (Chinese, or one
    endless word) is cut into characters in place of words. Fewer than 40 4-grams count as no repetition.
    """
    tail = text[-_REPETITION_CHARS:]
    words: Sequence[str] = tail.split()
    if len(words) * _MAX_WORD_CHARS < len(tail.strip()):
        words = tail
    total = len(words) - _NGRAM + 1
    if total < _MIN_NGRAMS:
        return 0.0
    distinct = len(set(zip(*(words[start:] for start in range(_NGRAM)), strict=False)))
    return 1.0 - distinct / total
