"""Stage 1: answer from what was answered before, inside the caller's scope."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from tiergate.decisions import CacheDecision, CacheOutcome, GateDecision, Reason
from tiergate.errors import EmbedderError, QueueFullError
from tiergate.exchange import Answer, Request
from tiergate.policy.answer_agreement import agrees
from tiergate.policy.cache_key import SHARED_SCOPES, CacheKey, build_cache_key, build_flight_key
from tiergate.policy.deployment_cuts import PairLabel
from tiergate.policy.pair_features import compare, profile_of
from tiergate.policy.semantic_cache import (
    DEFAULT_MIN_SIMILARITY,
    PairVerdict,
    decide_eligibility,
    decide_hit,
    decide_store,
    decide_ttl_s,
)
from tiergate.ports import AnswerStore, Clock, Embedder, Neighbour, StoredAnswer, Vector
from tiergate.settings import SemanticCache as Settings
from tiergate.stages.failopen import fail_open
from tiergate.stages.grey_zone import GreyZone
from tiergate.stages.pair_judge import COMPARED_FROM, PairJudge
from tiergate.stages.prompt_vector import PromptVector
from tiergate.stages.single_flight import Boarding, Flight, SingleFlights
from tiergate.stages.store_limit import StoreLimit

STORE_BUDGET_MS = 2_000.0
"""How long the answer of a miss may wait for the store."""

_JITTER_DIGITS = 8
_MAX_CONFIRMATIONS = 64
_SHARED_IN_FLIGHT = frozenset({Reason.STORED, Reason.NOT_TRUSTED, Reason.TOO_LONG, Reason.STORE_LIMIT})
"""Complete answers. Who asked the same at the same moment gets what the leader's own client got, stored or not."""

_TOO_UNLIKE = frozenset({Reason.ABOVE_MAX_ERROR, Reason.NO_CONTROLLED_CUT, Reason.BELOW_MIN_SIMILARITY})
"""A neighbour was there and its prompt was not near enough: what the model answers tells whether that was right."""

_NO_VECTOR: Vector = np.zeros(0, dtype=np.float32)
_NO_VECTOR.setflags(write=False)


@dataclass(slots=True, kw_only=True)
class Ticket:
    """What a miss leaves behind for the moment its answer is there.

    Attributes:
        key: Where the answer belongs.
        flight: The flight that this request leads; None when nobody waits.
        neighbour: The nearest entry, which was not served.
        re_asked: Whether the entry would have been served, and the model is asked to label the pair.
        drawn: Whether the pair was drawn at random to be labelled.
        agreed: Whether the new answer says the same as the neighbour's; None when they were not compared.
    """

    key: CacheKey
    flight: Flight | None = None
    neighbour: Neighbour | None = None
    re_asked: bool = False
    drawn: bool = False
    agreed: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """What a look-up gave: the decision, the stored answer when it is served, and the ticket of a miss."""

    decision: CacheDecision
    served: StoredAnswer | None = None
    ticket: Ticket | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An answer that may be stored: as parsed, as the host's JSON-ready body, with its tier and cost."""

    answer: Answer
    body: Mapping[str, Any]
    tier: str
    cost_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticCache:
    """Looks answers up before the call and stores them after the gate.

    Attributes:
        store: Where answers are kept.
        settings: The cache's policy.
        clock: The time.
        version: What in policy changes answers (`policy.cache_key.answer_version`).
        trust_from: The gate's upper cut; None when the gate is disabled.
        embedder: For texts other than the last turn: conversations, and answers that are compared.
        judge: Compares prompts; None compares nothing but the cosine.
        flights: Equal questions at the same time; None lets each ask.
        limit: The brake on stuffing; None for none.
        grey_zone: Labels from re-asks, closed slices and recalled entries; None for none.
    """

    store: AnswerStore
    settings: Settings
    clock: Clock
    version: str = ""
    trust_from: float | None = None
    embedder: Embedder | None = None
    judge: PairJudge | None = None
    flights: SingleFlights | None = None
    limit: StoreLimit | None = None
    grey_zone: GreyZone | None = field(default=None)

    async def look_up(self, request: Request, vector: PromptVector) -> LookUp:
        """Look for an answer to serve; never raises for trouble of its own.

        Of equal requests at the same time one looks and asks, and the others wait for it. An exact repeat is found
        by its identifier, without an embedding; then by meaning.
        """
        refused = decide_eligibility(request, self.settings)
        if refused is not None:
            return LookUp(decision=CacheDecision(outcome=CacheOutcome.SKIPPED, reason=refused))
        key = build_cache_key(request, self.settings, version=self.version)
        if request.controls.get("cache") == "refresh":
            decision = CacheDecision(outcome=CacheOutcome.SKIPPED, reason=Reason.CONTROL_REFRESH)
            return LookUp(decision=decision, ticket=Ticket(key=key))
        if self.flights is None or request.controls.get("max_age_s") is not None:
            return await self._look_up_alone(request, vector, key)
        boarding = await self.flights.join(build_flight_key(key, request, self.settings))
        if boarding.answer is not None:
            return self._landed(boarding.answer, boarding.waited_s)
        if boarding.flight is None:
            found = await self._look_up_alone(request, vector, key)
            waited_ms = 1000 * boarding.waited_s if boarding.waited_s else None
            return replace(found, decision=replace(found.decision, waited_ms=waited_ms))
        return await self._lead(request, vector, key, boarding.flight, self.flights)

    async def _lead(
        self, request: Request, vector: PromptVector, key: CacheKey, flight: Flight, flights: SingleFlights
    ) -> LookUp:
        """Look up for all who wait; after a miss the flight stays open until the answer is there."""
        try:
            found = await self._look_up_alone(request, vector, key)
            if found.served is not None:
                flights.land(flight, found.served)
                return found
            latest = flights.latest(flight)
            boarding = Boarding(answer=latest) if latest is not None else await flights.lead_all(flight)
        except BaseException:  # a cancelled client must not leave the others waiting
            flights.land(flight, None)
            raise
        if boarding.answer is not None:
            flights.land(flight, boarding.answer)
            return self._landed(boarding.answer, boarding.waited_s)
        ticket = found.ticket or Ticket(key=key)
        ticket.flight = flight
        return replace(found, ticket=ticket)

    def _landed(self, answer: StoredAnswer, waited_s: float) -> LookUp:
        decision = CacheDecision(
            outcome=CacheOutcome.HIT,
            reason=Reason.SAME_FLIGHT,
            similarity=1.0,
            age_s=max(0.0, self.clock.now() - answer.stored_at),
            entry_id=answer.entry_id,
            waited_ms=1000 * waited_s,
        )
        return LookUp(decision=decision, served=answer)

    async def _look_up_alone(self, request: Request, vector: PromptVector, key: CacheKey) -> LookUp:
        found = await fail_open(
            "semantic_cache",
            self._search(request, vector, key),
            budget_ms=self.settings.budget_ms,
            otherwise=lambda reason, exc: LookUp(
                decision=CacheDecision(outcome=CacheOutcome.SKIPPED, reason=reason, error=type(exc).__name__)
            ),
        )
        return found if found.served is not None or found.ticket else replace(found, ticket=Ticket(key=key))

    async def _search(self, request: Request, vector: PromptVector, key: CacheKey) -> LookUp:
        now = self.clock.now()
        exact = await self.store.look_up_exact(key.tenant, key.context_key, key.prompt, now=now)
        decision = self._decide(exact, request, None, now=now)
        if decision.outcome is CacheOutcome.HIT and exact is not None:
            return self._serve(decision, key, exact, None)
        unit = await self._vector(vector, key).get()
        found = await self.store.look_up(key.tenant, key.context_key, unit, now=now, limit=2)
        neighbour = next((each for each in found if each.answer.prompt != key.prompt), None)
        if neighbour is None:
            return LookUp(decision=decision, ticket=Ticket(key=key, neighbour=None))
        verdict = None
        if self.judge is not None:
            verdict = self.judge.judge(
                key.prompt,
                unit,
                neighbour,
                conversation=key.conversation,
                min_similarity=self.settings.min_similarity or DEFAULT_MIN_SIMILARITY,
            )
        decision = self._decide(neighbour, request, verdict, now=now)
        if decision.outcome is CacheOutcome.HIT:
            return self._serve(decision, key, neighbour, unit)
        return LookUp(decision=decision, ticket=Ticket(key=key, neighbour=neighbour, drawn=self._draws(key, decision)))

    def _draws(self, key: CacheKey, missed: CacheDecision) -> bool:
        """Tell whether the answer of a miss labels the pair: where a nearer cut could have served it, by chance."""
        unlike = missed.reason in _TOO_UNLIKE and (missed.similarity or 0.0) >= COMPARED_FROM
        return unlike and not key.conversation and self.grey_zone is not None and self.grey_zone.draws()

    def _decide(
        self, neighbour: Neighbour | None, request: Request, verdict: PairVerdict | None, *, now: float
    ) -> CacheDecision:
        return decide_hit(neighbour, request, self.settings, now=now, verdict=verdict, trust_from=self.trust_from)

    def _serve(self, decision: CacheDecision, key: CacheKey, neighbour: Neighbour, unit: Vector | None) -> LookUp:
        """Serve a hit, unless its slice is closed, its entry recalled, or it is drawn for a re-ask."""
        reason = self.grey_zone.find_obstacle(key, neighbour, vector=unit) if self.grey_zone is not None else None
        if reason is None:
            return LookUp(decision=decision, served=neighbour.answer)
        missed = replace(decision, outcome=CacheOutcome.MISS, reason=reason, age_s=None, entry_id=None)
        re_asked = reason in {Reason.RE_ASKED, Reason.SLICE_CLOSED}
        # Every would-be hit of a closed slice is asked; only the share that is drawn anyway is a random sample.
        drawn = reason is Reason.RE_ASKED or (re_asked and self.grey_zone is not None and self.grey_zone.draws())
        drawn = drawn and not key.conversation
        return LookUp(decision=missed, ticket=Ticket(key=key, neighbour=neighbour, re_asked=re_asked, drawn=drawn))

    def _vector(self, vector: PromptVector, key: CacheKey) -> PromptVector:
        """The vector of the text that is matched: shared with the classifier unless it is a conversation."""
        if key.conversation and self.embedder is not None:
            return PromptVector(self.embedder, key.prompt)
        return vector

    async def keep(
        self,
        request: Request,
        vector: PromptVector,
        candidate: Candidate,
        *,
        cache: CacheDecision,
        gate: GateDecision,
        ticket: Ticket | None = None,
    ) -> Reason:
        """Store an answer that the gate trusts, and hand it to those who wait. Never raises for trouble of its own.

        Returns:
            `stored`, or why not.
        """
        ticket = ticket or Ticket(key=build_cache_key(request, self.settings, version=self.version))
        reason = decide_eligibility(request, self.settings)
        reason = reason or decide_store(cache, gate, candidate.answer, request, self.settings)
        near = ticket.neighbour.similarity if ticket.neighbour is not None else None
        caller = request.caller or request.tenant or ""
        if reason is Reason.STORED and self.limit is not None and not self.limit.take(caller, near):
            reason = Reason.STORE_LIMIT
        if reason not in _SHARED_IN_FLIGHT:
            self.release(ticket)
            return reason
        fresh = self._entry(request, ticket.key, candidate, gate)
        if reason is not Reason.STORED:
            self._land(ticket, fresh, keep=False)
            return reason

        async def store() -> Reason:
            unit = await self._vector(vector, ticket.key).get()
            entry = replace(fresh, vector=unit, confirmed_by=await self._confirmations(fresh))
            await self.store.store(entry)
            if self.grey_zone is not None:
                self.grey_zone.renew(entry.entry_id)
            await self._label(ticket, entry)
            return Reason.STORED

        try:
            return await fail_open(
                "semantic_cache", store(), budget_ms=STORE_BUDGET_MS, otherwise=lambda _reason, _: Reason.STORE_FAILED
            )
        finally:
            self._land(ticket, fresh, keep=True)

    def release(self, ticket: Ticket | None) -> None:
        """Let those who wait go on alone: the request ended without an answer to share."""
        if ticket is not None:
            self._land(ticket, None, keep=False)

    def _land(self, ticket: Ticket, answer: StoredAnswer | None, *, keep: bool) -> None:
        if ticket.flight is not None and self.flights is not None:
            self.flights.land(ticket.flight, answer, keep=keep)

    def _entry(self, request: Request, key: CacheKey, candidate: Candidate, gate: GateDecision) -> StoredAnswer:
        now = self.clock.now()
        draw = int(key.entry_id[:_JITTER_DIGITS], 16) / 16**_JITTER_DIGITS
        return StoredAnswer(
            entry_id=key.entry_id,
            tenant=key.tenant,
            context_key=key.context_key,
            prompt=key.prompt,
            vector=_NO_VECTOR,
            body=candidate.body,
            tier=candidate.tier,
            confidence=gate.final_confidence,
            cost_usd=candidate.cost_usd,
            stored_at=now,
            expires_at=now + decide_ttl_s(request, self.settings, draw=draw),
            tags=request.tags,
            confirmed_by=(request.caller,) if request.caller else (),
        )

    async def _confirmations(self, fresh: StoredAnswer) -> tuple[str, ...]:
        """Who has had the same answer to exactly this question, this caller included.

        An answer to a similar question confirms nothing: whoever stuffs near-collisions could confirm himself.
        """
        if self.settings.scope not in SHARED_SCOPES:
            return fresh.confirmed_by
        before = await self.store.look_up_exact(fresh.tenant, fresh.context_key, fresh.prompt, now=0.0)
        if before is None or not await self._agree(fresh, before.answer):
            return fresh.confirmed_by
        return tuple(dict.fromkeys((*before.answer.confirmed_by, *fresh.confirmed_by)))[-_MAX_CONFIRMATIONS:]

    async def _label(self, ticket: Ticket, fresh: StoredAnswer) -> None:
        """Compare the new answer with the one that was not served, where it was asked for: that labels the pair."""
        if not (ticket.re_asked or ticket.drawn) or ticket.neighbour is None or self.grey_zone is None:
            return
        stored, similarity = ticket.neighbour.answer, ticket.neighbour.similarity
        ticket.agreed = await self._agree(fresh, stored)
        self.grey_zone.add_pair(
            PairLabel(
                ts=fresh.stored_at,
                tenant=fresh.tenant,
                entry_id=stored.entry_id,
                similarity=similarity,
                same=ticket.agreed,
                would_hit=ticket.re_asked,
                drawn=ticket.drawn,
                features=compare(profile_of(fresh.prompt), profile_of(stored.prompt), similarity),
                asked=fresh.vector,
                stored=stored.vector,
            )
        )

    async def _agree(self, one: StoredAnswer, other: StoredAnswer) -> bool:
        texts = text_of(one.body), text_of(other.body)
        embedder = self.embedder
        if embedder is None or not all(embedder.covers(text) for text in texts):
            return agrees(*texts)
        try:
            return agrees(*texts, vectors=(await embedder.embed(texts[0]), await embedder.embed(texts[1])))
        except (EmbedderError, QueueFullError):
            return agrees(*texts)


def text_of(body: Mapping[str, Any]) -> str:
    """Return the text of a stored chat completion; empty when it has none."""
    choices: Any = body.get("choices") or ({},)
    return str((choices[0].get("message") or {}).get("content") or "")
