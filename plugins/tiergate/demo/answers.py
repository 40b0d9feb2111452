"""What a stand-in provider answers: text, tokens, log-probabilities, tool calls.

Pure: the same request gets the same answer. A token is at most eight word characters, or one other sign, with
the blanks before it. A prompt counts the tokens of all its texts plus four for each message; tool definitions
and pictures are not counted.
"""

import hashlib
import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tiergate.demo.scenario import Fault, FaultRule, Level, Rule

_TOKEN = re.compile(r"\s*(?:\w{1,8}|[^\w\s])|\s+")
_TOKENS_PER_MESSAGE = 4
_DEFAULT_MAX_TOKENS = 4096
_CERTAINTY: Mapping[Level, tuple[float, float]] = {
    # mean and spread of a token's probability: the gate's prior trusts, doubts and rejects such answers
    "confident": (0.99, 0.005),
    "hesitant": (0.85, 0.08),
    "weak": (0.42, 0.18),
}
_ALTERNATIVES = (" the", " a", " one", " this", " not", " about", " some", " that", " it", " no")
_OPENINGS = (
    "In short, on {topic}:",
    "Here is what matters about {topic}:",
    "A direct answer on {topic}:",
    "Taking {topic} step by step:",
)
_BODIES = (
    "the main point holds in the usual case, and the exceptions are few and easy to check.",
    "start from what is given, apply the standard rule, and check the result against the question.",
    "there are two parts, and the second follows from the first once the terms are clear.",
    "the common reading is right here, and nothing in the wording calls for another one.",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """A tool that the request offers: its name and the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request asks for, independent of the wire format.

    Attributes:
        model: Name of the model.
        question: The last user message as text.
        prompt_tokens: Tokens of the whole prompt.
        stream: Whether a stream is asked for.
        include_usage: Whether a stream ends with the usage (chat and text completions).
        logprobs: Whether log-probabilities are asked for.
        top_logprobs: Number of alternatives per token.
        choices: Number of answers.
        max_tokens: Most tokens of one answer.
        stop: Texts before which the answer ends.
        schema: JSON schema that the answer must follow; an empty one means any JSON object.
        tools: Tools on offer.
        tool_forced: Name of the tool that must be called, "" for any one, None for none.
        thinking: Whether a thinking block is asked for (Anthropic).
        echo: Fields of the request that the answer repeats (responses).
    """

    model: str
    question: str
    prompt_tokens: int = 0
    stream: bool = False
    include_usage: bool = False
    logprobs: bool = False
    top_logprobs: int = 0
    choices: int = 1
    max_tokens: int | None = None
    stop: Sequence[str] = ()
    schema: Mapping[str, Any] | None = None
    tools: Sequence[Tool] = ()
    tool_forced: str | None = None
    thinking: bool = False
    echo: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenScore:
    """A token, its log-probability, and the alternatives, most probable first."""

    token: str
    logprob: float
    top: Sequence[tuple[str, float]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StandInAnswer:
    """One answer.

    Attributes:
        tokens: The text, cut into tokens; empty for a tool call.
        scores: One per token; empty unless asked for.
        finish_reason: In OpenAI's words.
        refusal: Whether the text is a refusal.
        tool_call: Name and raw arguments of the tool called; None without one.
        thinking: Text of the thinking block; empty without one.
    """

    tokens: Sequence[str]
    scores: Sequence[TokenScore] = ()
    finish_reason: str = "stop"
    refusal: bool = False
    tool_call: tuple[str, str] | None = None
    thinking: str = ""

    @property
    def text(self) -> str:
        """The whole text."""
        return "".join(self.tokens)

    @property
    def completion_tokens(self) -> int:
        """Tokens that are billed: text, arguments of a tool call, and thinking."""
        arguments = count_tokens(self.tool_call[1]) if self.tool_call else 0
        return len(self.tokens) + arguments + count_tokens(self.thinking)


def split_tokens(text: str) -> list[str]:
    """Cut a text into tokens that join to the same text."""
    return _TOKEN.findall(text)


def count_tokens(text: str) -> int:
    """Number of tokens of a text."""
    return len(_TOKEN.findall(text))


def count_prompt_tokens(texts: Sequence[str]) -> int:
    """Tokens of a prompt, given the text of each message."""
    return sum(count_tokens(text) + _TOKENS_PER_MESSAGE for text in texts)


def build_rng(*parts: object) -> random.Random:
    """Return a generator whose seed is the digest of the parts."""
    digest = hashlib.blake2b("\x1f".join(map(str, parts)).encode(errors="replace"), digest_size=8).digest()
    return random.Random(int.from_bytes(digest))  # noqa: S311  repeatable draws, no secrets


def decide_answer(
    asked: Asked,
    *,
    rule: Rule | None,
    certainty: Level,
    seed: int,
    index: int = 0,
    fault: FaultRule | None = None,
) -> StandInAnswer:
    """Return the answer number `index` to a request.

    Args:
        asked: The request.
        rule: The rule that applies; None for the default behaviour.
        certainty: Level of the log-probabilities unless the rule says otherwise.
        seed: Seed of the scenario.
        index: Which of the `n` answers.
        fault: A fault that changes the answer itself (empty, huge, NaN); others do not concern it.
    """
    rng = build_rng(seed, asked.model, asked.question, index)
    tool_call = _decide_tool_call(asked, rule, rng)
    thinking = f"The question is about {_find_topic(asked.question)}." if asked.thinking else ""
    if tool_call is not None:
        return StandInAnswer(tokens=(), finish_reason="tool_calls", tool_call=tool_call, thinking=thinking)
    refusal = rule is not None and rule.refusal is not None
    tokens, finish_reason = _cut(split_tokens(_write_text(asked, rule, rng, fault)), asked)
    if rule is not None and rule.finish_reason is not None:
        finish_reason = rule.finish_reason
    scores: Sequence[TokenScore] = ()
    if asked.logprobs:
        level = rule.certainty if rule is not None and rule.certainty is not None else certainty
        nan = fault is not None and fault.fault is Fault.NAN_LOGPROBS
        scores = _score_tokens(tokens, level, asked.top_logprobs, rng, nan=nan)
    return StandInAnswer(
        tokens=tokens, scores=scores, finish_reason=finish_reason, refusal=refusal, thinking=thinking
    )


def _find_topic(question: str) -> str:
    words = question.split()
    topic = " ".join(words[:12]).rstrip(".?!,;:")
    return f'"{topic}"' if topic else "your message"


def _write_text(asked: Asked, rule: Rule | None, rng: random.Random, fault: FaultRule | None) -> str:
    if fault is not None and fault.fault is Fault.EMPTY_ANSWER:
        return ""
    if fault is not None and fault.fault is Fault.HUGE_ANSWER:
        return "huge " * int(fault.megabytes * 1_000_000 / 5)
    if rule is not None and rule.refusal is not None:
        return rule.refusal
    if rule is not None and rule.answer is not None:
        return rule.answer.replace("{question}", asked.question).replace("{model}", asked.model)
    if asked.schema is not None:
        value = (
            build_instance(asked.schema, asked.question) if asked.schema else {"answer": asked.question[:200]}
        )
        return json.dumps(value, ensure_ascii=False)
    return f"{rng.choice(_OPENINGS).format(topic=_find_topic(asked.question))} {rng.choice(_BODIES)}"


def _cut(tokens: list[str], asked: Asked) -> tuple[list[str], str]:
    if asked.stop:
        text = "".join(tokens)
        ends = [at for stop in asked.stop if stop and (at := text.find(stop)) >= 0]
        if ends:
            tokens = split_tokens(text[: min(ends)])
    limit = asked.max_tokens
    if limit is not None and len(tokens) > limit:
        return tokens[:limit], "length"
    return tokens, "stop"


def _decide_tool_call(asked: Asked, rule: Rule | None, rng: random.Random) -> tuple[str, str] | None:
    wanted = rule.tool_call if rule is not None else None
    if not asked.tools or (wanted is None and asked.tool_forced is None):
        return None
    name = asked.tool_forced or (wanted.name if wanted is not None else None) or asked.tools[0].name
    tool = next((tool for tool in asked.tools if tool.name == name), None)
    if tool is None:
        return None
    if wanted is not None and wanted.arguments is not None:
        return name, wanted.arguments
    return name, json.dumps(build_instance(tool.schema, asked.question, number=rng.randint(1, 9)))


def _score_tokens(
    tokens: Sequence[str], level: Level | Sequence[float], top: int, rng: random.Random, *, nan: bool
) -> list[TokenScore]:
    scores = []
    for place, token in enumerate(tokens):
        if nan:
            logprob = math.nan
        elif isinstance(level, str):
            mean, spread = _CERTAINTY[level]
            logprob = math.log(min(0.9999, max(0.02, rng.gauss(mean, spread))))
        else:
            logprob = level[place % len(level)] if level else 0.0
        scores.append(
            TokenScore(
                token=token, logprob=logprob, top=_rank_alternatives(token, logprob, top) if top else ()
            )
        )
    return scores


def _rank_alternatives(token: str, logprob: float, top: int) -> list[tuple[str, float]]:
    """Rank the token and what else might have stood there; each other one gets 40 % of the one before."""
    rest = max(1e-6, 1.0 - math.exp(logprob)) if math.isfinite(logprob) else math.nan
    ranked = [(token, logprob)]
    others = [other for other in _ALTERNATIVES if other != token]
    for place, other in enumerate(others[: max(0, top - 1)]):
        ranked.append((other, math.log(rest * 0.6 * 0.4**place) if rest == rest else math.nan))  # noqa: PLR0124
    return sorted(ranked, key=lambda entry: -entry[1]) if rest == rest else ranked  # noqa: PLR0124


def build_instance(schema: Mapping[str, Any], text: str, *, number: int = 1) -> Any:
    """Return the simplest value that satisfies a JSON schema, with `text` in its free strings.

    Knows types, enum, const, default, anyOf/oneOf/allOf (first branch), `$ref` into the same schema, and
    the bounds of numbers, strings and arrays. Patterns and formats are not tried.
    """
    return _Instance(root=schema, text=text[:200] or "text", number=number).build(schema, depth=0)


_MAX_DEPTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Instance:
    root: Mapping[str, Any]
    text: str
    number: int

    def build(self, schema: Mapping[str, Any], depth: int) -> Any:
        if depth > _MAX_DEPTH:
            return None
        if "$ref" in schema:
            return self.build(self._resolve(str(schema["$ref"])), depth + 1)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        if schema.get("enum"):
            return schema["enum"][0]
        for key in ("anyOf", "oneOf", "allOf"):
            if schema.get(key):
                return self.build(schema[key][0], depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        return self._build_kind(kind[0] if isinstance(kind, list) else kind, schema, depth)

    def _build_kind(self, kind: str, schema: Mapping[str, Any], depth: int) -> Any:
        if kind == "object":
            return {
                name: self.build(part, depth + 1) for name, part in (schema.get("properties") or {}).items()
            }
        if kind == "array":
            return [self.build(schema.get("items") or {}, depth + 1)] * max(1, int(schema.get("minItems", 1)))
        if kind in {"integer", "number"}:
            number = max(self.number, schema.get("minimum", self.number))
            return min(number, schema.get("maximum", number))
        if kind == "boolean":
            return True
        if kind == "null":
            return None
        return self.text.ljust(int(schema.get("minLength", 0)), ".")[: int(schema.get("maxLength", 200))]

    def _resolve(self, reference: str) -> Mapping[str, Any]:
        node: Any = self.root
        for part in reference.removeprefix("#").strip("/").split("/"):
            node = node.get(part, {}) if isinstance(node, Mapping) and part else node
        return node if isinstance(node, Mapping) else {}
