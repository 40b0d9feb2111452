"""What a log of requests would have had from the cache: `tiergate cache simulate`."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tiergate.adapters.embedder_choice import build_embedder
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.cache_parts import build_semantic_cache, find_pair_model
from tiergate.decisions import CacheOutcome, GateDecision, GateOutcome, Reason
from tiergate.errors import ConfigurationError, StoreError
from tiergate.exchange import Answer, Request
from tiergate.hooks.earlier_turns import parse_conversation
from tiergate.hooks.request_parser import parse_request
from tiergate.hooks.tenant import hash_identity
from tiergate.json_lines import read_json_rows
from tiergate.ports import Embedder
from tiergate.settings import Policy, load_policy
from tiergate.stages.prompt_vector import PromptVector
from tiergate.stages.semantic_cache import Candidate, SemanticCache

_TRUSTED = GateDecision(
    outcome=GateOutcome.TRUSTED, reason=Reason.CONFIDENCE_HIGH, confidence=1.0, final_confidence=1.0
)
_UNKNOWN_ANSWER = "The log holds no answer."


@dataclass(slots=True)
class LogClock:
    """The time of the log."""

    time_s: float = 0.0

    def now(self) -> float:
        """Return the time of the row that is played."""
        return self.time_s

    def monotonic(self) -> float:
        """Return the same."""
        return self.time_s


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRequest:
    """One row of a log.

    Attributes:
        ts: Unix time in seconds.
        tenant: Whoever asked, as the log names it.
        body: The request as the client sent it.
        cost_usd: What it cost; 0 where the log does not say.
        answer: The answer's text; None where the log does not say.
    """

    ts: float
    tenant: str
    body: Mapping[str, Any]
    cost_usd: float
    answer: str | None


async def simulate_log(policy_path: Path, log: Path) -> dict[str, Any]:
    """Play a log through the stage that serves, on an empty store of its own.

    Rows are played one after the other, so nobody waits for another. Every complete answer counts as trusted.

    Args:
        policy_path: policy.yaml.
        log: JSONL, or a JSON list: LiteLLM's spend log, requests, or rows of the decision log with prompts.

    Raises:
        ConfigurationError: The policy is wrong, or the log cannot be read.
        StoreError: The log holds no row with a prompt.
    """
    policy = load_policy(policy_path)
    rows = sorted(read_log(log, policy), key=lambda row: row.ts)
    if not rows:
        raise StoreError(f"{log} holds no row with a prompt; a decision log needs `store_prompts: true` for that")
    patient = policy.semantic_cache.model_copy(update={"budget_ms": 600_000.0})
    policy = policy.model_copy(update={"semantic_cache": patient})
    pool = InferencePool(threads=policy.encoder.threads, max_queue=policy.encoder.max_queue)
    embedder, clock = build_embedder(policy.encoder, pool), LogClock()
    with tempfile.TemporaryDirectory(prefix="tiergate-simulate-") as folder:
        store = QdrantEdgeStore(Path(folder) / "cache", embedder.dimensions, embedder.digest)
        store.open()
        model = find_pair_model(policy, embedder)
        stage = build_semantic_cache(policy, store, embedder, clock, pair_model=model)
        stage = replace(stage, flights=None, limit=None)
        try:
            return await _play(stage, embedder, rows, policy, clock)
        finally:
            await store.aclose()
            await embedder.aclose()
            await pool.aclose()


async def _play(
    stage: SemanticCache, embedder: Embedder, rows: list[LoggedRequest], policy: Policy, clock: LogClock
) -> dict[str, Any]:
    reasons: Counter[str] = Counter()
    saved_usd = spent_usd = doubt = 0.0
    bounds: set[float] = set()
    for row in rows:
        clock.time_s = row.ts
        request = _parse(row, policy)
        vector = PromptVector(embedder, request.prompt)
        found = await stage.look_up(request, vector)
        decision = found.decision
        reasons[decision.reason] += 1
        spent_usd += row.cost_usd
        if decision.outcome is CacheOutcome.HIT:
            saved_usd += row.cost_usd
            doubt += 1.0 - decision.probability if decision.probability is not None else 0.0
            bounds |= {decision.error_bound} if decision.error_bound is not None else set()
            continue
        text = row.answer if row.answer is not None else _UNKNOWN_ANSWER
        message = {"role": "assistant", "content": text}
        body = {"choices": [{"index": 0, "finish_reason": "stop", "message": message}]}
        candidate = Candidate(
            answer=Answer(text=text, finish_reason="stop"), body=body, tier=policy.baseline, cost_usd=row.cost_usd
        )
        await stage.keep(request, vector, candidate, cache=decision, gate=_TRUSTED, ticket=found.ticket)
    exact, similar = reasons[Reason.EXACT_MATCH], reasons[Reason.SIMILAR_ENOUGH]
    return {
        "requests": len(rows),
        "hits": exact + similar,
        "exact_hits": exact,
        "similar_hits": similar,
        "hit_ratio": round((exact + similar) / len(rows), 4),
        "spent_usd": round(spent_usd, 6),
        "saved_usd": round(saved_usd, 6),
        "max_error": policy.semantic_cache.max_error,
        "error_bound": max(bounds, default=None),
        "expected_wrong_hits": round(doubt, 2),
        "reasons": {str(reason): count for reason, count in reasons.most_common()},
    }


def _parse(row: LoggedRequest, policy: Policy) -> Request:
    settings = policy.semantic_cache
    tenant = hash_identity(settings.scope, "" if settings.scope == "global" else row.tenant)
    body = {name: value for name, value in row.body.items() if name != "metadata"}
    data = {**body, "proxy_server_request": {"body": body}}
    request = parse_request(data, "acompletion", tenant, policy=policy)
    return replace(request, caller=hash_identity("caller log", row.tenant), **parse_conversation(data))


def read_log(log: Path, policy: Policy) -> Iterator[LoggedRequest]:
    """Yield the rows of a log that hold a prompt; the form is told by the row's keys.

    Raises:
        ConfigurationError: The log cannot be read, or a line is not JSON or has a cost that is no number; names it.
    """
    for number, row in read_json_rows(log):
        parsed = _read_row(log, row, number, policy) if isinstance(row, dict) else None
        if parsed is not None:
            yield parsed


def _read_row(log: Path, row: Mapping[str, Any], number: int, policy: Policy) -> LoggedRequest | None:
    """Return a row of LiteLLM's spend log, of the decision log, or a plain request; None without a prompt."""
    request = row.get("request")
    sent = row.get("proxy_server_request") or (request if isinstance(request, dict) else None) or row
    sent = _loads_dict(sent)
    messages = _loads_list(sent.get("messages") or row.get("messages"))
    if not messages and isinstance(row.get("prompt"), str) and row["prompt"]:
        messages = [{"role": "user", "content": row["prompt"]}]
    if not messages:
        return None
    model = str(sent.get("model") or row.get("entry_model") or row.get("model_group") or policy.entry_models[0])
    known = {name: value for name, value in sent.items() if name in _BODY_FIELDS}
    return LoggedRequest(
        ts=_time(row.get("ts") or row.get("startTime") or row.get("timestamp"), number),
        tenant=str(row.get("tenant") or row.get("api_key") or row.get("user") or "log"),
        body={**known, "model": model, "messages": messages},
        cost_usd=_cost(log, number, row),
        answer=_answer(row),
    )


_BODY_FIELDS = frozenset(
    {
        *("temperature", "top_p", "max_tokens", "max_completion_tokens", "response_format", "tools", "functions"),
        *("n", "seed", "stop", "logprobs", "reasoning_effort"),
    }
)


def _loads_dict(value: Any) -> Mapping[str, Any]:
    value = _decode(value)
    return value if isinstance(value, dict) else {}


def _loads_list(value: Any) -> list[Any]:
    value = _decode(value)
    return value if isinstance(value, list) else []


def _decode(value: Any) -> Any:
    """Spend logs hold JSON as text in some exports."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def _answer(row: Mapping[str, Any]) -> str | None:
    if isinstance(row.get("answer"), str):
        return str(row["answer"])
    choices: Any = _loads_dict(row.get("response")).get("choices") or ()
    message = (choices[0].get("message") or {}) if choices and isinstance(choices[0], dict) else {}
    return str(message["content"]) if isinstance(message.get("content"), str) else None


def _cost(log: Path, number: int, row: Mapping[str, Any]) -> float:
    value = row.get("cost_usd") or row.get("spend") or 0.0
    try:
        return float(value)
    except (TypeError, ValueError) as exc:
        problem = f"has the cost {value!r:.80}, which is no number"
        raise ConfigurationError(log, f"line {number}", problem, "write `spend` in USD, or leave it out") from exc


def _time(value: Any, number: int) -> float:
    """Return Unix seconds; a row without a time counts as one second after the row before."""
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).timestamp()
        except ValueError:
            return float(number)
    return float(number)
