"""The cache's stage: who may read and write, and what trouble does."""

from dataclasses import replace
from typing import Any

import pytest

from tiergate.decisions import CacheDecision, CacheOutcome, GateDecision, GateOutcome, Reason
from tiergate.errors import EmbedderError, QueueFullError, StoreError, TiergateError
from tiergate.exchange import Answer, Request
from tiergate.settings import SemanticCache as Settings
from tiergate.stages.prompt_vector import PromptVector
from tiergate.stages.semantic_cache import Candidate, SemanticCache, entry_id
from tiergate.testing import FakeClock, FakeEmbedder, MemoryStore

MISS = CacheDecision(outcome=CacheOutcome.MISS, reason=Reason.NO_NEIGHBOUR)
TRUSTED = GateDecision(outcome=GateOutcome.TRUSTED, reason=Reason.CONFIDENCE_HIGH, final_confidence=0.9)
ANSWER = Candidate(answer=Answer(text="Hi.", finish_reason="stop"), body={"id": "x"}, tier="simple", cost_usd=0.1)


class Kit:
    def __init__(self, **settings: Any) -> None:
        self.store, self.clock, self.embedder = MemoryStore(), FakeClock(), FakeEmbedder()
        self.cache = SemanticCache(store=self.store, settings=Settings(**settings), clock=self.clock)

    def vector(self, prompt: str = "hello there") -> PromptVector:
        return PromptVector(self.embedder, prompt)

    async def keep(self, request: Request, **changes: Any) -> bool:
        facts = {"cache": MISS, "gate": TRUSTED} | changes
        return await self.cache.keep(request, self.vector(request.prompt), ANSWER, **facts)


async def test_what_is_kept_is_found_exactly_without_an_embedding(request_: Request) -> None:
    kit = Kit(ttl_s=60)
    assert (await kit.cache.look_up(request_, kit.vector())).decision.reason is Reason.NO_NEIGHBOUR
    assert await kit.keep(request_)
    kit.embedder.calls.clear()
    kit.clock.advance(5)
    found = await kit.cache.look_up(request_, kit.vector())
    assert (found.decision.outcome, found.decision.reason, found.decision.age_s) == ("hit", "exact_match", 5)
    assert found.served is not None
    assert (found.served.confidence, found.served.tier, found.served.entry_id) == (0.9, "simple", entry_id(request_))
    assert kit.embedder.calls == []


async def test_a_similar_prompt_hits_and_another_does_not(request_: Request) -> None:
    kit = Kit(min_similarity=0.9)
    await kit.keep(request_)
    similar, other = (replace(request_, prompt=prompt) for prompt in ("there hello", "hello moon"))
    assert (await kit.cache.look_up(similar, kit.vector("there hello"))).decision.reason is Reason.SIMILAR_ENOUGH
    missed = await kit.cache.look_up(other, kit.vector("hello moon"))
    assert (missed.decision.reason, missed.served) == (Reason.BELOW_MIN_SIMILARITY, None)


@pytest.mark.parametrize("changes", [{"tenant": "other"}, {"context_key": "other"}])
async def test_another_tenant_or_context_finds_nothing(request_: Request, changes: dict[str, Any]) -> None:
    kit = Kit()
    await kit.keep(request_)
    assert (await kit.cache.look_up(replace(request_, **changes), kit.vector())).served is None


async def test_an_answer_lives_as_long_as_policy_or_the_client_says(request_: Request) -> None:
    kit = Kit(ttl_s=60)
    await kit.keep(replace(request_, controls={"ttl_s": 10}))
    kit.clock.advance(9)
    assert (await kit.cache.look_up(request_, kit.vector())).served is not None
    kit.clock.advance(1)
    assert (await kit.cache.look_up(request_, kit.vector())).served is None


@pytest.mark.parametrize(("control", "reason"), [("off", Reason.CONTROL_OFF), ("refresh", Reason.CONTROL_REFRESH)])
async def test_controls(request_: Request, control: str, reason: Reason) -> None:
    kit = Kit()
    await kit.keep(request_)
    request = replace(request_, controls={"cache": control})
    found = await kit.cache.look_up(request, kit.vector())
    assert (found.decision.outcome, found.decision.reason) == (CacheOutcome.SKIPPED, reason)
    assert await kit.keep(request, cache=found.decision) is (control == "refresh")


async def test_without_a_tenant_nothing_is_read_or_written(request_: Request) -> None:
    kit = Kit()
    request = replace(request_, tenant=None)
    assert (await kit.cache.look_up(request, kit.vector())).decision.reason is Reason.TENANT_UNKNOWN
    assert not await kit.keep(request)
    assert kit.store.entries == {}


@pytest.mark.swallows
@pytest.mark.parametrize(
    ("failure", "reason"), [(StoreError("x"), Reason.STAGE_FAILED), (QueueFullError("x"), Reason.QUEUE_FULL)]
)
async def test_trouble_is_a_skip_with_the_class_of_the_error(
    request_: Request, failure: TiergateError, reason: Reason
) -> None:
    kit = Kit()
    kit.store.failure = failure
    found = await kit.cache.look_up(request_, kit.vector())
    assert (found.decision.outcome, found.decision.reason, found.served) == ("skipped", reason, None)
    assert found.decision.error == type(failure).__name__
    assert not await kit.keep(request_)


@pytest.mark.swallows
async def test_an_embedder_that_fails_is_a_skip_too(request_: Request) -> None:
    kit = Kit()
    kit.embedder.failure = EmbedderError("gone")
    assert (await kit.cache.look_up(request_, kit.vector())).decision.error == "EmbedderError"


def test_an_entry_is_named_by_tenant_context_and_prompt(request_: Request) -> None:
    changes = [{}, {"tenant": "u"}, {"context_key": "l"}, {"prompt": "p"}]
    assert len({entry_id(replace(request_, **change)) for change in changes}) == 4
