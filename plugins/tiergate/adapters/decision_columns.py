"""What replay needs of many decisions, as columns: a million rows fit in memory and are read at once.

Columns are packed as safetensors, so that a block is read without executing anything that it holds.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from tiergate.decisions import GateOutcome, HedgeOutcome, Reason
from tiergate.errors import DecisionLogError

Floats = NDArray[np.float64]
Codes = NDArray[np.int16]
Flags = NDArray[np.bool_]

FAILURES: Final = (Reason.REFUSAL, Reason.TRUNCATED, Reason.EMPTY_ANSWER, Reason.INVALID_JSON)
"""Structural defects of an answer, by the code that `failure` holds."""
NONE: Final = -1
"""Code of a row that has no tier, no failure or no digest."""

_FLOATS: Final = (
    "propensity", "confidence", "tokens", "first_cost_usd", "first_ms", "cost_usd", "latency_ms", "quality",
)  # fmt: skip
_FLAGS: Final = ("classified", "controlled", "escalated")
_NAMES: Final = ("tiers", "domains", "digests")
_HEADER: Final = 8
"""Bytes in which safetensors says how long its JSON header is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionColumns:
    """n decisions as columns.

    Attributes:
        tiers: Names behind the codes of `tier` and the columns of `lower_bounds`.
        domains: Names behind the columns of `domain_scores`.
        digests: Names behind the codes of `digest`.
        ids: Shape (n,), uint64: `hash_id` of each decision's id.
        lower_bounds: Shape (n, tiers); NaN where the row has none.
        domain_scores: Shape (n, domains); NaN where the row has none.
        tier: Shape (n,). Tier of the first call that gave an answer.
        failure: Shape (n,). Structural defect of the first answer, place in `FAILURES`.
        digest: Shape (n,). Classifier artifact.
        classified: Shape (n,). Whether the row has scores.
        controlled: Shape (n,). Whether the client asked for this tier.
        escalated: Shape (n,). Whether a stronger tier was asked.
        propensity: Shape (n,). P(this tier was chosen).
        confidence: Shape (n,). Of the first answer; NaN without a signal.
        tokens: Shape (n,). Tokens of the first call.
        first_cost_usd: Shape (n,). Cost of the calls to the first tier.
        first_ms: Shape (n,). Latency without the escalation's calls.
        cost_usd: Shape (n,). Cost of all calls.
        latency_ms: Shape (n,). Latency of the request.
        quality: Shape (n,). Feedback, 0 to 1; NaN when nobody said.
    """

    tiers: tuple[str, ...]
    domains: tuple[str, ...]
    digests: tuple[str, ...]
    ids: NDArray[np.uint64]
    lower_bounds: Floats
    domain_scores: Floats
    tier: Codes
    failure: Codes
    digest: Codes
    classified: Flags
    controlled: Flags
    escalated: Flags
    propensity: Floats
    confidence: Floats
    tokens: Floats
    first_cost_usd: Floats
    first_ms: Floats
    cost_usd: Floats
    latency_ms: Floats
    quality: Floats

    def __len__(self) -> int:
        return len(self.ids)


def hash_id(decision_id: str) -> int:
    """Return 64 bits of a decision id; two of a million ids share them with a chance of 3 in 100 million."""
    return int.from_bytes(blake2b(decision_id.encode(), digest_size=8).digest(), "little")


class _Codes(dict[str, int]):
    """Codes of names in the order in which they came."""

    def of(self, name: str | None) -> int:
        return NONE if name is None else self.setdefault(name, len(self))


def read_columns(rows: Iterable[Mapping[str, Any]]) -> DecisionColumns:
    """Return the columns of rows of the decision log, as `find_decisions` gives them."""
    tiers, digests = _Codes(), _Codes()
    found: dict[str, list[Any]] = {name: [] for name in ("ids", "tier", "failure", "digest", *_FLAGS, *_FLOATS)}
    bounds: list[Mapping[str, float]] = []
    domains: list[Mapping[str, float]] = []
    for row in rows:
        for name, value in _read_row(row).items():
            found[name].append(value)
        route = _section(row, "route")
        found["tier"][-1] = tiers.of(found["tier"][-1])
        found["digest"].append(digests.of(_name(route.get("artifact_digest"))))
        bounds.append(_section(route, "lower_bounds"))
        domains.append(_section(route, "domains"))
    for name in (name for row_bounds in bounds for name in row_bounds):
        tiers.of(name)
    domain_names = tuple(dict.fromkeys(name for scores in domains for name in scores))
    kinds = {"ids": np.uint64, **dict.fromkeys(("tier", "failure", "digest"), np.int16), **dict.fromkeys(_FLAGS, bool)}
    columns = {name: np.array(values, dtype=kinds.get(name, np.float64)) for name, values in found.items()}
    return DecisionColumns(
        tiers=tuple(tiers),
        domains=domain_names,
        digests=tuple(digests),
        lower_bounds=_to_matrix(bounds, tuple(tiers)),
        domain_scores=_to_matrix(domains, domain_names),
        **columns,
    )


def _read_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row's values; what has an unexpected shape counts as absent, as in the sums by the hour."""
    route, gate = _section(row, "route"), _section(row, "gate")
    listed = row.get("calls")
    calls = [call for call in listed if isinstance(call, Mapping)] if isinstance(listed, list) else []
    tier, reason = _name(route.get("tier")), gate.get("reason")
    first = next((call for call in calls if call.get("tier") == tier and call.get("status") == "ok"), None)
    later = [call for call in calls if call.get("tier") not in {tier, None}]
    cost, latency = _number(row.get("cost_usd"), 0.0), _number(row.get("latency_ms"), 0.0)
    return {
        "ids": hash_id(str(row.get("decision_id", ""))),
        "tier": None if first is None else tier,
        "failure": FAILURES.index(Reason(reason)) if reason in FAILURES else NONE,
        "classified": bool(_section(route, "lower_bounds")),
        "controlled": route.get("reason") == Reason.START_TIER_CONTROL,
        "escalated": gate.get("outcome") == GateOutcome.ESCALATED,
        "propensity": _number(route.get("propensity"), 0.0) or 1.0,
        "confidence": _number(gate.get("confidence"), np.nan),
        "tokens": sum(_number((first or {}).get(name), 0.0) for name in ("prompt_tokens", "completion_tokens")),
        "first_cost_usd": cost - sum(_number(call.get("cost_usd"), 0.0) for call in later),
        "first_ms": latency - sum(_later_ms(row, first or {}, call) for call in later),
        "cost_usd": cost,
        "latency_ms": latency,
        "quality": _number(_section(row, "feedback").get("score"), np.nan),
    }


def _later_ms(row: Mapping[str, Any], first: Mapping[str, Any], call: Mapping[str, Any]) -> float:
    """Return what a later call added to the latency: of a hedge, the part after the first answer, if it was needed."""
    took_ms = _number(call.get("ms"), 0.0)
    if call.get("hedge") is not True:
        return took_ms
    if _section(row, "hedge").get("outcome") != HedgeOutcome.WON:
        return 0.0
    ends = [_number(one.get("start_ms"), 0.0) + _number(one.get("ms"), 0.0) for one in (first, call)]
    return min(took_ms, max(0.0, ends[1] - ends[0]))


def _section(row: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = row.get(name)
    return value if isinstance(value, Mapping) else {}


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _number(value: Any, default: float) -> float:
    return default if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def _to_matrix(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> Floats:
    matrix = [[_number(row.get(name), np.nan) for name in names] for row in rows]
    return np.array(matrix, dtype=np.float64).reshape(len(rows), len(names))


def concatenate(parts: Sequence[DecisionColumns]) -> DecisionColumns:
    """Return the rows of several parts, one behind the other; each part may name tiers in an order of its own."""
    names = {field: tuple(dict.fromkeys(name for part in parts for name in getattr(part, field))) for field in _NAMES}
    plain = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in ("ids", "failure", *_FLAGS, *_FLOATS)
    }
    coded = {
        field: np.concatenate([_recode(getattr(part, field), getattr(part, of), names[of]) for part in parts])
        for field, of in (("tier", "tiers"), ("digest", "digests"))
    }
    matrices = {
        field: np.concatenate([_rearrange(getattr(part, field), getattr(part, of), names[of]) for part in parts])
        for field, of in (("lower_bounds", "tiers"), ("domain_scores", "domains"))
    }
    values: dict[str, Any] = {**names, **plain, **coded, **matrices}
    return DecisionColumns(**values)


def select_columns(columns: DecisionColumns, rows: Flags) -> DecisionColumns:
    """Return the rows for which a flag of shape (n,) is set."""
    arrays = [name for name in DecisionColumns.__dataclass_fields__ if name not in _NAMES]
    changes: dict[str, Any] = {name: getattr(columns, name)[rows] for name in arrays}
    return replace(columns, **changes)


def split_by_domain(columns: DecisionColumns) -> dict[str, DecisionColumns]:
    """Return the rows of each domain: the one with the highest score; rows without scores are left out."""
    scored = np.isfinite(columns.domain_scores).any(axis=1)
    if not scored.any():
        return {}
    best = np.where(np.isfinite(columns.domain_scores), columns.domain_scores, -np.inf).argmax(axis=1)
    split = {name: scored & (best == place) for place, name in enumerate(columns.domains)}
    return {name: select_columns(columns, rows) for name, rows in split.items() if rows.any()}


def _recode(codes: Codes, own: Sequence[str], names: Sequence[str]) -> Codes:
    if tuple(own) == tuple(names)[: len(own)]:
        return codes
    # NONE is -1, which is the last place.
    return np.array([*(names.index(name) for name in own), NONE], dtype=np.int16)[codes]


def _rearrange(matrix: Floats, own: Sequence[str], names: Sequence[str]) -> Floats:
    if tuple(own) == tuple(names):
        return matrix
    wide = np.full((len(matrix), len(names)), np.nan)
    wide[:, [names.index(name) for name in own]] = matrix
    return wide


def pack_columns(columns: DecisionColumns) -> bytes:
    """Return columns as bytes, for `unpack_columns`."""
    arrays = {
        name: np.ascontiguousarray(getattr(columns, name))
        for name in DecisionColumns.__dataclass_fields__
        if name not in _NAMES
    }
    return bytes(save(arrays, metadata={name: json.dumps(getattr(columns, name)) for name in _NAMES}))


def unpack_columns(data: bytes) -> DecisionColumns:
    """Return the columns that were packed.

    Raises:
        DecisionLogError: The bytes are something else.
    """
    try:
        arrays = load(data)
        header = json.loads(data[_HEADER : _HEADER + int.from_bytes(data[:_HEADER], "little")])
        named = {name: tuple(json.loads(header["__metadata__"][name])) for name in _NAMES}
        values: dict[str, Any] = {**named, **arrays}
        return DecisionColumns(**values)
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise DecisionLogError(f"a block of its columns cannot be read: {type(error).__name__}") from error
