"""A request and a policy for the tests of the stages, and a cache stage over real parts in memory."""

from dataclasses import replace
from typing import Any

import pytest

from tiergate.decisions import CacheDecision, GateDecision, GateOutcome, Reason
from tiergate.exchange import Answer, Request
from tiergate.settings import Policy
from tiergate.settings import SemanticCache as Settings
from tiergate.stages.grey_zone import GreyZone
from tiergate.stages.pair_judge import PairJudge
from tiergate.stages.prompt_vector import PromptVector
from tiergate.stages.semantic_cache import Candidate, LookUp, SemanticCache
from tiergate.stages.single_flight import SingleFlights
from tiergate.stages.store_limit import StoreLimit
from tiergate.testing import FakeClock, FakeEmbedder, MemoryStore

TRUSTED = GateDecision(outcome=GateOutcome.TRUSTED, reason=Reason.CONFIDENCE_HIGH, confidence=0.9, final_confidence=0.9)


class Bench:
    """A cache stage and what it stands on; `ask` plays a whole request."""

    def __init__(self, *, draw: float = 1.0, **settings: Any) -> None:
        self.settings = Settings(**{"min_similarity": 0.9, "ttl_jitter": 0, **settings})
        self.clock, self.embedder, self.store = FakeClock(), FakeEmbedder(), MemoryStore()
        self.grey_zone = GreyZone(self.settings, draw=lambda: draw)
        self.cache = SemanticCache(
            store=self.store,
            settings=self.settings,
            clock=self.clock,
            version="v",
            trust_from=0.85,
            embedder=self.embedder,
            judge=PairJudge(embedder=self.embedder, max_error=self.settings.max_error),
            flights=SingleFlights(self.settings.single_flight, self.clock),
            limit=StoreLimit(self.settings.store_limit, self.clock),
            grey_zone=self.grey_zone,
        )

    def request(self, prompt: str, **changes: Any) -> Request:
        plain = Request(
            call_id="1", endpoint="chat_completions", entry_model="auto", tenant="t", caller="a", prompt=prompt,
            context_key="c", system_key="s",
        )  # fmt: skip
        return replace(plain, **changes)

    def vector(self, request: Request) -> PromptVector:
        return PromptVector(self.embedder, request.prompt)

    async def look_up(self, request: Request) -> LookUp:
        return await self.cache.look_up(request, self.vector(request))

    async def keep(self, request: Request, found: LookUp, text: str, **gate: Any) -> Reason:
        body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        candidate = Candidate(answer=Answer(text=text, finish_reason="stop"), body=body, tier="simple", cost_usd=0.01)
        return await self.cache.keep(
            request, self.vector(request), candidate, cache=found.decision, gate=replace(TRUSTED, **gate),
            ticket=found.ticket,
        )  # fmt: skip

    async def ask(self, prompt: str, answer: str = "An answer.", **changes: Any) -> CacheDecision:
        """Look up; on a miss, answer and keep. The decision holds what became of the answer."""
        request = self.request(prompt, **changes)
        found = await self.look_up(request)
        if found.served is not None:
            return found.decision
        return replace(found.decision, store_reason=await self.keep(request, found, answer))


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.fixture
def make_bench() -> type[Bench]:
    return Bench


@pytest.fixture
def request_() -> Request:
    return Request(
        call_id="c", endpoint="chat_completions", entry_model="auto", tenant="t", prompt="hello there", context_key="k"
    )


def policy_of(**sections: Any) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in ("simple", "medium", "frontier")]
    return Policy.model_validate({"tiers": tiers, **sections})
