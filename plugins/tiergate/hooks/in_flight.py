"""What is known of the requests between their first and their last hook."""

import asyncio
import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tiergate.decisions import (
    CacheDecision,
    CacheOutcome,
    GateDecision,
    HedgeDecision,
    Reason,
    RouteDecision,
    RouteOutcome,
)
from tiergate.exchange import Call, Request
from tiergate.hooks.request_parser import METADATA_KEYS
from tiergate.policy.experiment import Assignment
from tiergate.policy.money import Usage
from tiergate.ports import StoredAnswer
from tiergate.stages.hedged_call import HedgedCall
from tiergate.stages.prompt_vector import PromptVector
from tiergate.stages.semantic_cache import Ticket
from tiergate.telemetry.names import Stage
from tiergate.telemetry.record import DecisionStatus

NOT_LOOKED_UP = CacheDecision(outcome=CacheOutcome.SKIPPED, reason=Reason.STAGE_FAILED)
CANCELLED = "cancelled"
"""Status of a call whose stream was given up for a stronger tier's."""
NOT_ROUTED = RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.STAGE_FAILED)
"""What stands in the record of a request that no stage got to."""


@dataclass(slots=True, kw_only=True)
class InFlight:
    """One request on its way. The only mutable state of the pipeline.

    Attributes:
        request: The parsed request.
        host: LiteLLM's logging object of the request: whoever else comes with the same call id has another.
        vector: Its embedding, computed at most once.
        decision_id: Identifier of its record.
        started_at: Unix time in seconds.
        started: Monotonic time in seconds.
        body: The request's data as it was before the first call, without metadata and host objects.
        metadata: LiteLLM's metadata as it was before the first call: an escalation needs it unmixed.
        assignment: Its arm of an experiment; None without one.
        cache: What the semantic cache decided.
        route: What the intent router decided.
        gate: What the gate decided; None until an answer was judged.
        tier: Tier that is being asked or has answered.
        served: The stored answer to serve; None unless the cache hit.
        ticket: What a miss leaves for its answer; None when the cache was not asked.
        calls: Every attempt so far, failed ones included.
        attempts: When the last attempt of each call began, by call id, on the monotonic clock.
        hosts: LiteLLM's logging object of each call, by call id.
        call_tiers: Tier of each escalation, by call id.
        stage_ms: Time of each stage in milliseconds.
        usage: Tokens of the answer that the client gets.
        answer_text: Its text, for a judge; None before, and when it is no plain text.
        stage_start_ms: When each stage began, after the request's arrival.
        status: How the request ended.
        call_logged: Set when LiteLLM has told the cost of the streamed calls.
        pipeline: The pipeline that the request began with; a reload does not change it.
        cancelled: The first call, when its stream was given up for a stronger tier's; without its cost.
        answering: Call id of the stream that the client gets; None for the first call.
        awaited: Call ids whose cost is awaited; empty for the first call alone.
        logged: Call ids whose cost LiteLLM has told.
        session: Hashed name of its session; None when it belongs to none.
        side_calls: Call ids of verifiers: calls whose answer no client gets.
        asked_logprobs: Model that was asked for log-probabilities, by call id.
        plain_calls: Call ids that go on without asking: the provider refused them with it.
        parent: OpenTelemetry context of LiteLLM's request span, opaque here.
        hedge: Whether the stronger tier's call begins early; None where policy has no hedge.
        hedged: That call; None until the first call begins.
        under_way: Call ids whose last attempt has begun and not ended.
        ended: When the client had its answer, on the monotonic clock; None while nothing is late.
    """

    request: Request
    host: Any
    vector: PromptVector
    started_at: float
    started: float
    body: Mapping[str, Any]
    metadata: Mapping[str, Any]
    assignment: Assignment | None = None
    cache: CacheDecision = NOT_LOOKED_UP
    route: RouteDecision = NOT_ROUTED
    decision_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    gate: GateDecision | None = None
    tier: str | None = None
    served: StoredAnswer | None = None
    ticket: Ticket | None = None
    calls: list[Call] = field(default_factory=list)
    attempts: dict[str, float] = field(default_factory=dict)
    hosts: dict[str, Any] = field(default_factory=dict)
    call_tiers: dict[str, str] = field(default_factory=dict)
    stage_ms: dict[Stage, float] = field(default_factory=dict)
    usage: Usage | None = None
    stage_start_ms: dict[Stage, float] = field(default_factory=dict)
    status: DecisionStatus = DecisionStatus.OK
    call_logged: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: Call | None = None
    answering: str | None = None
    awaited: frozenset[str] = frozenset()
    logged: set[str] = field(default_factory=set)
    session: str | None = None
    side_calls: set[str] = field(default_factory=set)
    asked_logprobs: dict[str, str] = field(default_factory=dict)
    plain_calls: set[str] = field(default_factory=set)
    parent: Any = None
    pipeline: Any = None
    answer_text: str | None = None
    hedge: HedgeDecision | None = None
    hedged: HedgedCall | None = None
    under_way: set[str] = field(default_factory=set)
    ended: float | None = None

    def add_stage(self, stage: Stage, began: float, ended: float) -> None:
        """Note when a stage ran, both on the monotonic clock."""
        self.stage_start_ms[stage] = 1000 * (began - self.started)
        self.stage_ms[stage] = 1000 * (ended - began)

    def note_logged(self, call_id: str) -> None:
        """Note that LiteLLM has told a streamed call's cost."""
        self.logged.add(call_id)
        if self.awaited <= self.logged:
            self.call_logged.set()

    def await_log_of(self, call_id: str, *, also_first: bool) -> None:
        """Wait for the cost of an escalation's stream, and for the first call's if it came to its end."""
        self.awaited = frozenset({call_id, self.request.call_id} if also_first else {call_id})
        if not self.awaited <= self.logged:
            self.call_logged.clear()

    def since_start_ms(self, moment: float) -> float:
        """Return a moment of the monotonic clock as milliseconds after the request's arrival."""
        return 1000 * (moment - self.started)


class InFlightRegistry:
    """Requests in flight by LiteLLM's call id: bounded, and swept by age.

    Clients can choose the call id (`x-litellm-call-id`). So an id that is already in flight is never
    taken over (the newcomer gets another one), and an entry is handed out only together with LiteLLM's
    own logging object of that very request.
    """

    def __init__(self, *, max_entries: int = 10_000, max_age_s: float = 3600) -> None:
        self._entries: OrderedDict[str, InFlight] = OrderedDict()
        self._aliases: dict[str, InFlight] = {}
        self._max_entries, self._max_age_s = max_entries, max_age_s

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: InFlight) -> None:
        """Keep an entry under its request's call id; `sweep` forgets the oldest when there are too many."""
        self._entries[entry.request.call_id] = entry

    def holds(self, call_id: Any) -> bool:
        """Tell whether a call id is in flight."""
        return self._of(call_id) is not None

    def find(self, data: Mapping[str, Any]) -> InFlight | None:
        """Return the entry of a request by the data that LiteLLM hands to its hooks, or None.

        On its failure and logging paths LiteLLM leaves its logging object out; there the key has to be the same.
        """
        call_id, host = data.get("litellm_call_id"), data.get("litellm_logging_obj")
        if host is not None:
            return self.get(call_id, host)
        entry = self._of(call_id)
        key = METADATA_KEYS[entry.request.endpoint] if entry is not None else ""
        return entry if entry is not None and caller_of(data, key) == caller_of({key: entry.metadata}, key) else None

    def get(self, call_id: Any, host: Any) -> InFlight | None:
        """Return the entry of a call id that belongs to this logging object, or None.

        The second call of an escalation has a logging object of its own, under a call id that only
        tiergate knows.
        """
        entry = self._of(call_id)
        if entry is None or (entry.host is not host and call_id not in entry.call_tiers):
            return None
        return entry

    def alias(self, call_id: str, entry: InFlight, tier: str) -> None:
        """Let a second call of the same request, to another tier, be found under its own call id.

        An entry that was forgotten meanwhile gets no alias: nothing would remove it again.
        """
        entry.call_tiers[call_id] = tier
        if self._entries.get(entry.request.call_id) is entry:
            self._aliases[call_id] = entry

    def remove(self, entry: InFlight) -> None:
        """Forget an entry and its aliases."""
        if self._entries.get(entry.request.call_id) is entry:
            del self._entries[entry.request.call_id]
        for call_id in entry.call_tiers:
            self._aliases.pop(call_id, None)

    def sweep(self, now: float) -> Iterator[InFlight]:
        """Forget the oldest entries, those too old or too many, and yield each so that it can be recorded."""
        while self._entries:
            oldest = next(iter(self._entries.values()))
            if len(self._entries) <= self._max_entries and now - oldest.started < self._max_age_s:
                return
            self.remove(oldest)
            yield oldest

    def _of(self, call_id: Any) -> InFlight | None:
        if not isinstance(call_id, str):
            return None
        return self._entries.get(call_id) or self._aliases.get(call_id)


def caller_of(data: Mapping[str, Any], key: str = "metadata") -> Any:
    """Return the hash of the key that LiteLLM authenticated, from the metadata of a request or of a logged call.

    `key` says where LiteLLM keeps its metadata on this endpoint; the other place is the client's.
    """
    metadata = data.get(key) or (data.get("litellm_params") or {}).get(key)
    if not isinstance(metadata, Mapping):
        return None
    return metadata.get("user_api_key_hash") or metadata.get("user_api_key")
