"""What traffic would cost with a policy, before anything is installed: a LiteLLM spend log or JSONL of requests.

Every request is embedded, classified and routed as the proxy would. How often answers would be escalated is not in
such a log; it is a range, from never to a given share.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tiergate.decisions import RouteDecision
from tiergate.json_lines import read_json_rows
from tiergate.policy.expected_cost import is_straight
from tiergate.policy.gate_calibration import GateCalibration
from tiergate.policy.intent_router import decide_route
from tiergate.policy.money import Price
from tiergate.ports import Classification
from tiergate.settings import Policy
from tiergate_classifier.replay_log import Floats, ReplayError
from tiergate_classifier.replay_plan import ReplayPlanner

RESAMPLES = 1000
ESCALATED = 0.05
CHARACTERS_PER_TOKEN = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficRequest:
    """One request of the traffic.

    Attributes:
        prompt: The last user turn.
        prompt_tokens: Tokens of the whole prompt; estimated from its length where the log has none.
        completion_tokens: Tokens of the answer; None where the log has none.
        spend_usd: What it cost; None where the log has none.
    """

    prompt: str
    prompt_tokens: int
    completion_tokens: int | None
    spend_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficCost:
    """What the traffic costs, in USD for all of it; each with a 95 % bootstrap interval over requests.

    Attributes:
        requests: Requests that could be read.
        skipped: Rows without a prompt, such as those of a proxy that does not store prompts.
        tier_shares: Share of requests by tier.
        spent_usd: What the log says it cost; None where it does not say.
        baseline_usd: Everything on the baseline tier.
        routed_usd: With the policy and no escalation.
        escalated_usd: With the given share of requests asked again one tier up; plans of one tier are not.
        intervals: Lower and upper end by figure.
        answer_tokens_assumed: Share of requests whose answer's length had to be assumed.
    """

    requests: int
    skipped: int
    tier_shares: Mapping[str, float]
    spent_usd: float | None
    baseline_usd: float
    routed_usd: float
    escalated_usd: float
    intervals: Mapping[str, tuple[float, float]]
    answer_tokens_assumed: float


def load_traffic(file: Path) -> tuple[list[TrafficRequest], int]:
    """Read a spend log export (JSON, JSONL or CSV) or JSONL of requests; return requests and the rows skipped.

    Raises:
        ConfigurationError: The file cannot be read.
        ReplayError: It is no CSV table, or no row holds a prompt.
    """
    rows = _read_table(file) if file.suffix == ".csv" else [row for _, row in read_json_rows(file)]
    rows = [row for row in rows if isinstance(row, dict)]
    requests = [request for request in map(_parse, rows) if request is not None]
    if not requests:
        fix = "export rows with `messages` (LiteLLM: store_prompts_in_spend_logs: true), or give JSONL of requests"
        raise ReplayError(file, "messages", f"none of {len(rows)} rows holds a prompt", fix)
    return requests, len(rows) - len(requests)


def cost_traffic(
    requests: Sequence[TrafficRequest],
    skipped: int,
    policy: Policy,
    *,
    prices: Mapping[str, Price],
    classify: Callable[[str], Classification],
    answer_tokens: int,
    calibration: GateCalibration | None = None,
) -> TrafficCost:
    """Return what the traffic costs with a policy.

    Args:
        requests: From `load_traffic`.
        skipped: As above.
        policy: The policy.
        prices: Price by tier.
        classify: Classifies a prompt.
        answer_tokens: Length of answers where the log has none; plans expect it of every answer.
        calibration: The gate's, for plans; None for the documented prior.
    """

    def price(item: TrafficRequest, tier: str, answer: int | None = None) -> float:
        answer = answer_tokens if answer is None else answer
        return item.prompt_tokens * prices[tier].input_usd + answer * prices[tier].output_usd

    planner = ReplayPlanner(policy=policy, calibration=calibration)
    routes = [
        planner.plan(
            decide_route(classify(item.prompt), policy, controls={}, kind="", digest=""),
            {tier: price(item, tier) for tier in policy.tier_names},
        )
        for item in requests
    ]
    tiers = [str(route.tier) for route in routes]
    columns = _cost_columns(requests, routes, policy, price)
    return TrafficCost(
        requests=len(requests),
        skipped=skipped,
        tier_shares={name: tiers.count(name) / len(tiers) for name in policy.tier_names},
        spent_usd=float(columns["spent_usd"].sum()) if "spent_usd" in columns else None,
        baseline_usd=float(columns["baseline_usd"].sum()),
        routed_usd=float(columns["routed_usd"].sum()),
        escalated_usd=float(columns["escalated_usd"].sum()),
        intervals=_bootstrap(columns),
        answer_tokens_assumed=sum(item.completion_tokens is None for item in requests) / len(requests),
    )


def _cost_columns(
    requests: Sequence[TrafficRequest],
    routes: Sequence[RouteDecision],
    policy: Policy,
    price: Callable[[TrafficRequest, str, int | None], float],
) -> dict[str, Floats]:
    """Return what each request costs, by figure; what was spent only where each row says it."""

    def paid(item: TrafficRequest, tier: str) -> float:
        return price(item, tier, item.completion_tokens)

    def again(item: TrafficRequest, route: RouteDecision) -> float:
        tier = str(route.tier)
        return 0.0 if is_straight(route, policy) else paid(item, policy.stronger_tier(tier) or tier)

    pairs = list(zip(requests, routes, strict=True))
    routed = np.array([paid(item, str(route.tier)) for item, route in pairs])
    columns = {
        "baseline_usd": np.array([paid(item, policy.baseline) for item in requests]),
        "routed_usd": routed,
        "escalated_usd": routed + ESCALATED * np.array([again(item, route) for item, route in pairs]),
    }
    if all(item.spend_usd is not None for item in requests):
        columns["spent_usd"] = np.array([item.spend_usd or 0.0 for item in requests])
    return columns


def _bootstrap(columns: Mapping[str, Floats]) -> dict[str, tuple[float, float]]:
    rng, size = np.random.default_rng(0), len(next(iter(columns.values())))
    counts = rng.multinomial(size, np.full(size, 1.0 / size), RESAMPLES)
    found = {}
    for name, column in columns.items():
        low, high = np.quantile(counts @ column, [0.025, 0.975])
        found[name] = (float(low), float(high))
    saving = 1.0 - (counts @ columns["routed_usd"]) / (counts @ columns["baseline_usd"])
    low, high = np.quantile(saving, [0.025, 0.975])
    found["saving"] = (float(low), float(high))
    return found


def _read_table(file: Path) -> list[Any]:
    try:
        return pl.read_csv(file.read_bytes(), infer_schema=False).to_dicts()
    except (OSError, pl.exceptions.PolarsError) as exc:
        problem = f"cannot be read ({str(exc).partition(chr(10))[0]})"
        raise ReplayError(file, "", problem, "give CSV with a heading, in UTF-8") from exc


def _parse(row: Mapping[str, Any]) -> TrafficRequest | None:
    request = _decode(row.get("proxy_server_request"))
    messages = _decode(row.get("messages")) or (request.get("messages") if isinstance(request, dict) else None)
    prompt, length = _read_messages(messages or row.get("prompt"))
    if not prompt.strip():
        return None
    usage = row.get("usage") if isinstance(row.get("usage"), dict) else row
    prompt_tokens, completion_tokens = _number(usage, "prompt_tokens"), _number(usage, "completion_tokens")
    spend = _number(row, "spend")
    return TrafficRequest(
        prompt=prompt,
        prompt_tokens=int(prompt_tokens) if prompt_tokens else max(1, round(length / CHARACTERS_PER_TOKEN)),
        completion_tokens=None if completion_tokens is None else int(completion_tokens),
        spend_usd=spend,
    )


def _decode(value: Any) -> Any:
    """Return a field that a CSV or database export may hold as JSON text."""
    if isinstance(value, str) and value[:1] in {"[", "{"}:
        try:
            return json.loads(value)
        except ValueError:
            return None
    return value


def _read_messages(messages: Any) -> tuple[str, int]:
    """Return the last user turn and the length of all turns in characters."""
    if isinstance(messages, str):
        return messages, len(messages)
    if not isinstance(messages, list):
        return "", 0
    texts = [(item.get("role"), _text(item.get("content"))) for item in messages if isinstance(item, dict)]
    asked = next((text for role, text in reversed(texts) if role == "user"), "")
    return asked, sum(len(text) for _, text in texts)


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""


def _number(row: Any, key: str) -> float | None:
    value = row.get(key) if isinstance(row, Mapping) else None
    try:
        return None if value is None or value == "" else float(str(value))
    except ValueError:
        return None
