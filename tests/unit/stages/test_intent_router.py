"""The router's stage: trouble never ends a request, and overrides fail safe."""

from dataclasses import replace

import pytest
from tests.unit.stages.conftest import policy_of

from tiergate.decisions import Reason, RouteOutcome
from tiergate.errors import ClassifierError, EmbedderError, QueueFullError, TiergateError
from tiergate.exchange import Request
from tiergate.stages.intent_router import IntentRouter
from tiergate.stages.prompt_vector import PromptVector
from tiergate.testing import FakeClassifier, FakeEmbedder

SCORES = {"simple": 0.5, "medium": 0.96, "frontier": 0.99}
FINANCE = {"finance": {"start_tier": "frontier", "gate": "bypass"}}


async def test_it_routes_and_names_the_artifact(request_: Request) -> None:
    router = IntentRouter(classifier=FakeClassifier(scores=SCORES), policy=policy_of())
    decision = await router.route(request_, PromptVector(FakeEmbedder(), "hello there"))
    assert (decision.tier, decision.reason) == ("medium", Reason.SCORE_MEETS_QUALITY)
    assert (decision.classifier, decision.artifact_digest, decision.error) == ("embedded", "fake-artifact", None)


async def test_switched_off_it_embeds_nothing(request_: Request) -> None:
    embedder = FakeEmbedder()
    router = IntentRouter(
        classifier=FakeClassifier(scores=SCORES), policy=policy_of(intent_router={"enabled": False}, domains=FINANCE)
    )
    decision = await router.route(request_, PromptVector(embedder, "hello there"))
    assert (decision.outcome, decision.reason, decision.tier) == (RouteOutcome.SKIPPED, Reason.DISABLED, None)
    assert embedder.calls == []


@pytest.mark.parametrize("prompt", ["", " \n"])
@pytest.mark.parametrize("domains", [{}, FINANCE])
async def test_without_text_nothing_is_classified(request_: Request, prompt: str, domains: dict[str, object]) -> None:
    router = IntentRouter(classifier=FakeClassifier(scores=SCORES), policy=policy_of(domains=domains))
    decision = await router.route(replace(request_, prompt=prompt), PromptVector(FakeEmbedder(), prompt))
    expected = (Reason.DOMAIN_UNKNOWN, "frontier") if domains else (Reason.NOT_TEXT, None)
    assert (decision.reason, decision.tier) == expected


@pytest.mark.swallows
@pytest.mark.parametrize("where", ["classifier", "embedder"])
@pytest.mark.parametrize(
    ("failure", "reason"),
    [
        (ClassifierError("gone"), Reason.STAGE_FAILED),
        (EmbedderError("gone"), Reason.STAGE_FAILED),
        (QueueFullError("full"), Reason.QUEUE_FULL),
    ],
)
async def test_trouble_is_recorded_and_a_domain_override_fails_safe(
    request_: Request, where: str, failure: TiergateError, reason: Reason
) -> None:
    for domains, expected in (({}, (reason, None)), (FINANCE, (Reason.DOMAIN_UNKNOWN, "frontier"))):
        classifier = FakeClassifier(scores=SCORES, failure=failure if where == "classifier" else None)
        embedder = FakeEmbedder(failure=failure if where == "embedder" else None)
        router = IntentRouter(classifier=classifier, policy=policy_of(domains=domains))
        decision = await router.route(request_, PromptVector(embedder, "hello there"))
        assert (decision.reason, decision.tier) == expected
        assert decision.error == type(failure).__name__


def test_a_hit_is_not_classified() -> None:
    assert IntentRouter.skipped_for_hit().reason is Reason.CACHE_HIT
