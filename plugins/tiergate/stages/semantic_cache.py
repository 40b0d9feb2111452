"""Stage 1: answer from what was answered before, inside the caller's scope."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tiergate.decisions import CacheDecision, CacheOutcome, GateDecision, Reason
from tiergate.exchange import Answer, Request
from tiergate.policy.semantic_cache import decide_eligibility, decide_hit, decide_store
from tiergate.ports import AnswerStore, Clock, StoredAnswer
from tiergate.settings import SemanticCache as Settings
from tiergate.stages.failopen import fail_open
from tiergate.stages.prompt_vector import PromptVector


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUp:
    """What a look-up gave: the decision, and the stored answer when it is served."""

    decision: CacheDecision
    served: StoredAnswer | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An answer that may be stored: as parsed, as the host's JSON-ready body, with its tier and cost."""

    answer: Answer
    body: Mapping[str, Any]
    tier: str
    cost_usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SemanticCache:
    """Looks answers up before the call and stores them after the gate."""

    store: AnswerStore
    settings: Settings
    clock: Clock

    async def look_up(self, request: Request, vector: PromptVector) -> LookUp:
        """Look for an answer to serve; never raises for trouble of its own.

        An exact repeat is found by its identifier, without an embedding; then by meaning.
        """
        refused = decide_eligibility(request, self.settings)
        if refused is None and request.controls.get("cache") == "refresh":
            refused = Reason.CONTROL_REFRESH
        if refused is not None:
            return LookUp(decision=CacheDecision(outcome=CacheOutcome.SKIPPED, reason=refused))
        return await fail_open(
            "semantic_cache",
            self._look_up(request, vector),
            budget_ms=self.settings.budget_ms,
            otherwise=lambda reason, exc: LookUp(
                decision=CacheDecision(outcome=CacheOutcome.SKIPPED, reason=reason, error=type(exc).__name__)
            ),
        )

    async def _look_up(self, request: Request, vector: PromptVector) -> LookUp:
        tenant, key, now = request.tenant or "", request.context_key, self.clock.now()
        neighbour = await self.store.look_up_exact(tenant, key, request.prompt, now=now)
        if neighbour is None:
            found = await self.store.look_up(tenant, key, await vector.get(), now=now)
            neighbour = found[0] if found else None
        decision = decide_hit(neighbour, request, self.settings, now=now)
        hit = decision.outcome is CacheOutcome.HIT and neighbour is not None
        return LookUp(decision=decision, served=neighbour.answer if hit and neighbour else None)

    async def keep(
        self,
        request: Request,
        vector: PromptVector,
        candidate: Candidate,
        *,
        cache: CacheDecision,
        gate: GateDecision,
    ) -> bool:
        """Store an answer that the gate trusts; tell whether it was stored. Never raises for trouble of its own."""
        if request.tenant is None or not decide_store(cache, gate, candidate.answer, self.settings):
            return False

        async def store() -> bool:
            now = self.clock.now()
            await self.store.store(
                StoredAnswer(
                    entry_id=entry_id(request),
                    tenant=request.tenant or "",
                    context_key=request.context_key,
                    prompt=request.prompt,
                    vector=await vector.get(),
                    body=candidate.body,
                    tier=candidate.tier,
                    confidence=gate.final_confidence,
                    cost_usd=candidate.cost_usd,
                    stored_at=now,
                    expires_at=now + float(request.controls.get("ttl_s") or self.settings.ttl_s),
                )
            )
            return True

        return await fail_open(
            "semantic_cache", store(), budget_ms=10 * self.settings.budget_ms, otherwise=lambda _reason, _: False
        )


def entry_id(request: Request) -> str:
    """Return the identifier of a prompt in its tenant and context: 32 hexadecimal digits."""
    parts = "\x1f".join((request.tenant or "", request.context_key, request.prompt))
    return hashlib.sha256(parts.encode()).hexdigest()[:32]
