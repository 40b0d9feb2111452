"""What is known of the requests between their first and their last hook."""

import uuid
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tiergate.decisions import CacheDecision, GateDecision, RouteDecision
from tiergate.exchange import Call, Request
from tiergate.policy.money import Usage
from tiergate.ports import StoredAnswer
from tiergate.stages.prompt_vector import PromptVector
from tiergate.telemetry.names import Stage
from tiergate.telemetry.record import DecisionStatus


@dataclass(slots=True, kw_only=True)
class InFlight:
    """One request on its way. The only mutable state of the pipeline.

    Attributes:
        request: The parsed request.
        vector: Its embedding, computed at most once.
        decision_id: Identifier of its record.
        started_at: Unix time in seconds.
        started: Monotonic time in seconds.
        body: The request's data as it was before the first call, without metadata and host objects.
        metadata: LiteLLM's metadata as it was before the first call: an escalation needs it unmixed.
        cache: What the semantic cache decided.
        route: What the intent router decided.
        gate: What the gate decided; None until an answer was judged.
        tier: Tier that is being asked or has answered.
        served: The stored answer to serve; None unless the cache hit.
        calls: Every attempt so far, failed ones included.
        attempts: When the last attempt of each call began, by call id, on the monotonic clock.
        call_tiers: Tier of each escalation, by call id.
        stage_ms: Time of each stage in milliseconds.
        usage: Tokens of the answer that the client gets.
        stage_start_ms: When each stage began, after the request's arrival.
        status: How the request ended.
        stream_done: Whether the last chunk has left.
        call_logged: Whether LiteLLM has told the cost of the streamed call.
        host: LiteLLM's logging object of the request, which no other request shares; opaque here.
        parent: OpenTelemetry context of LiteLLM's request span, opaque here.
    """

    request: Request
    vector: PromptVector
    started_at: float
    started: float
    body: Mapping[str, Any]
    metadata: Mapping[str, Any]
    cache: CacheDecision
    route: RouteDecision
    decision_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    gate: GateDecision | None = None
    tier: str | None = None
    served: StoredAnswer | None = None
    calls: list[Call] = field(default_factory=list)
    attempts: dict[str, float] = field(default_factory=dict)
    call_tiers: dict[str, str] = field(default_factory=dict)
    stage_ms: dict[Stage, float] = field(default_factory=dict)
    usage: Usage | None = None
    stage_start_ms: dict[Stage, float] = field(default_factory=dict)
    status: DecisionStatus = DecisionStatus.OK
    stream_done: bool = False
    call_logged: bool = False
    host: Any = None
    parent: Any = None

    def add_stage(self, stage: Stage, began: float, ended: float) -> None:
        """Note when a stage ran, both on the monotonic clock."""
        self.stage_start_ms[stage] = 1000 * (began - self.started)
        self.stage_ms[stage] = 1000 * (ended - began)

    def since_start_ms(self, moment: float) -> float:
        """Return a moment of the monotonic clock as milliseconds after the request's arrival."""
        return 1000 * (moment - self.started)


class InFlightRegistry:
    """Requests in flight by LiteLLM's call id: bounded, and swept by age.

    Clients can choose the call id (`x-litellm-call-id`), so an id that is already in flight is never
    taken over: the newcomer gets another one.
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

    def get(self, call_id: Any) -> InFlight | None:
        """Return the entry of a call id, or None."""
        if not isinstance(call_id, str):
            return None
        return self._entries.get(call_id) or self._aliases.get(call_id)

    def find(self, data: Mapping[str, Any]) -> InFlight | None:
        """Return the entry of a request's data, or None.

        The call id alone does not prove it: a client may have sent another request under the same id.
        LiteLLM's logging object does; it is gone from the data of a request that failed.
        """
        entry, host = self.get(data.get("litellm_call_id")), data.get("litellm_logging_obj")
        return None if entry is None or (host is not None and host is not entry.host) else entry

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
