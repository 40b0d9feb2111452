"""What the endpoints need of the running proxy: the log to read, the policy to compare with, the cache to clear."""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tiergate.adapters.decision_feedback import NEVER_JUDGED, FeedbackRow
from tiergate.adapters.decision_reader import DecisionReader
from tiergate.adapters.decision_rollups import hour_of
from tiergate.hooks.tenant import identify_tenant
from tiergate.ports import AnswerInvalidator, Invalidation
from tiergate.settings import Policy
from tiergate.telemetry.metrics import DecisionMeter
from tiergate.telemetry.record import decode_embedding

ESCALATION_LIMIT: Final = 0.05
"""Share of escalations above which the cheap tier or its threshold is wrong."""

_ROW_TRIES: Final = 10
_ROW_PAUSE_S: Final = 0.1
"""Feedback waits up to a second for a row that the log's thread has not written yet."""


_audit = logging.getLogger("tiergate.cache.audit")


class NotInvalidatedError(Exception):
    """The answer store of this policy cannot remove answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongHit:
    """What became of a stored answer that was wrong.

    Attributes:
        removed: How many stored answers were removed.
        served: The decisions that were served from it, this one included: `decision_id`, `trace_id`, `ts` and more.
    """

    removed: int
    served: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """Answers the endpoints' questions.

    Attributes:
        policy_in_force: Returns the policy in force; a reload changes it.
        reader: Reads the decision log.
        store: Removes stored answers; None without a cache.
        log_state: Returns pending, written and dropped rows of the log.
        meters: Count feedback.
    """

    policy_in_force: Callable[[], Policy]
    reader: DecisionReader
    store: AnswerInvalidator | None
    log_state: Callable[[], dict[str, int]]
    meters: Sequence[DecisionMeter] = ()

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.policy_in_force()

    async def summarise(self, hours: int) -> dict[str, Any]:
        """Return the summary of the last hours, the current one included, with the limits to compare with."""
        end = hour_of(time.time()) + 1
        summary = await self.reader.summarise((end - hours, end))
        gate = self.policy.confidence_gate
        return {
            **summary,
            "limits": {
                "escalation_ratio": ESCALATION_LIMIT,
                "p95_budget_ms": self.policy.latency.p95_budget_ms,
                "escalate_below": gate.escalate_below,
                "trust_from": gate.trust_from,
                "min_quality": self.policy.intent_router.min_quality,
            },
            "tier_order": list(self.policy.tier_names),
            "baseline_tier": self.policy.baseline,
            "log": self.log_state(),
        }

    async def find(self, decision_id: str) -> dict[str, Any] | None:
        """Return one decision without its embedding, of which only the size is told; None when there is none."""
        row = await self.reader.find(decision_id)
        if row is not None:
            embedding = row.pop("embedding", None)
            row["embedding_bytes"] = 0 if embedding is None else len(embedding) * 3 // 4
        return row

    async def await_decision(self, decision_id: str) -> dict[str, Any] | None:
        """Return one decision, also one that is being written right now."""
        for _ in range(_ROW_TRIES):
            row = await self.find(decision_id)
            if row is not None:
                return row
            await asyncio.sleep(_ROW_PAUSE_S)
        return None

    def owns(self, identity: Any, row: dict[str, Any]) -> bool:
        """Tell whether a decision was made for the caller's own tenant."""
        tenant = identify_tenant(identity, self.policy.semantic_cache)
        return tenant is not None and tenant == row.get("tenant")

    async def take_feedback(self, feedback: FeedbackRow, row: dict[str, Any]) -> WrongHit | None:
        """Keep feedback; a wrong hit's stored answer goes, where the store can remove it, and is never served again.

        Returns:
            What became of a wrong hit; None for other feedback.

        Raises:
            DecisionLogError: The feedback could not be kept.
            StoreError: It was kept, but the store failed.
        """
        await self.reader.keep_feedback(feedback)
        hit = row["cache"]["outcome"] == "hit"
        for meter in self.meters:
            meter.record_feedback(
                confidence=None if row["gate"]["outcome"] in NEVER_JUDGED else row["gate"]["confidence"],
                score=feedback.score,
                hit=hit,
                wrong_hit=feedback.wrong_cache_hit,
            )
        entry_id = row["cache"].get("entry_id")
        if not feedback.wrong_cache_hit or entry_id is None:
            return None
        served = await self.reader.find_served(entry_id)
        _audit.warning("%s", json.dumps({"action": "recall notice", "entry_id": entry_id, "served": served}))
        if self.store is None:
            return WrongHit(removed=0, served=served)
        whole = await self.reader.find(feedback.decision_id) or {}
        asked = decode_embedding(whole["embedding"]) if whole.get("embedding") else None
        recalled = Invalidation(tenant=row.get("tenant"), entry_id=entry_id, asked=asked)
        return WrongHit(removed=await self.store.invalidate(recalled), served=served)

    async def invalidate(self, invalidation: Invalidation) -> int:
        """Remove stored answers.

        Raises:
            NotInvalidatedError: The store cannot.
            StoreError: The store failed.
        """
        if self.store is None:
            raise NotInvalidatedError
        return await self.store.invalidate(invalidation)

    def describe_health(self) -> dict[str, Any]:
        """Return the state of each stage and of the log, without secrets."""
        policy, log = self.policy, self.log_state()
        return {
            "status": "ok",
            "stages": {
                "semantic_cache": {"enabled": policy.semantic_cache.enabled, "can_invalidate": self._can_invalidate},
                "intent_router": {
                    "enabled": policy.intent_router.enabled,
                    "classifier": policy.intent_router.classifier.kind,
                },
                "confidence_gate": {"enabled": policy.confidence_gate.enabled},
                "decision_record": {"enabled": True, **log},
            },
        }

    @property
    def _can_invalidate(self) -> bool:
        return self.store is not None
