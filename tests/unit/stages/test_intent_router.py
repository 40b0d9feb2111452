"""The router's stage: trouble never ends a request, and overrides fail safe."""

from dataclasses import replace

import pytest
from tests.unit.stages.conftest import policy_of

from tiergate.decisions import Reason, RouteOutcome
from tiergate.errors import ClassifierError, EmbedderError, QueueFullError, TiergateError
from tiergate.exchange import Need, Request
from tiergate.policy.constraints import ModelFacts
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


async def test_a_continuation_gets_the_decision_of_its_turn_without_a_score(request_: Request) -> None:
    embedder = FakeEmbedder()
    router = IntentRouter(classifier=FakeClassifier(scores=SCORES), policy=policy_of())
    turn = replace(request_, turn_key="turn")
    first = await router.route(turn, PromptVector(embedder, "hello there"))
    embedder.failure = EmbedderError("not asked")
    again = await router.route(replace(turn, continues=True), PromptVector(embedder, "hello there"))
    assert (again.tier, again.reason, again.scores) == (first.tier, Reason.TURN_INHERITED, first.scores)


async def test_a_stalled_continuation_goes_up_from_its_turn(request_: Request) -> None:
    router = IntentRouter(classifier=FakeClassifier(scores=SCORES), policy=policy_of())
    turn = replace(request_, turn_key="turn")
    await router.route(turn, PromptVector(FakeEmbedder(), "hello there"))
    stalled = await router.route(
        replace(turn, continues=True, stalled=True), PromptVector(FakeEmbedder(), "hello there")
    )
    assert (stalled.tier, stalled.reason) == ("frontier", Reason.TOOL_STALL)


async def test_inheritance_can_be_switched_off_and_an_unknown_turn_is_scored(request_: Request) -> None:
    later = replace(request_, turn_key="turn", continues=True)
    for agents in ({}, {"inherit_turn": False}):
        router = IntentRouter(classifier=FakeClassifier(scores=SCORES), policy=policy_of(agents=agents))
        for _ in range(2 if agents else 1):
            decision = await router.route(later, PromptVector(FakeEmbedder(), "hello there"))
            assert decision.reason is Reason.SCORE_MEETS_QUALITY


async def test_what_a_group_cannot_take_rules_its_tier_out(request_: Request) -> None:
    facts = {"tier-medium": ModelFacts(images=False)}.get
    router = IntentRouter(classifier=FakeClassifier(scores=SCORES), policy=policy_of(), facts=facts)
    decision = await router.route(
        replace(request_, needs=frozenset({Need.IMAGES})), PromptVector(FakeEmbedder(), "hello there")
    )
    assert (decision.tier, decision.reason) == ("frontier", Reason.TIER_RULED_OUT)
    assert decision.ruled_out == {"medium": "images"}


async def test_a_shadow_scores_and_decides_nothing(request_: Request) -> None:
    shadow = FakeClassifier(scores={"simple": 0.99, "medium": 1.0, "frontier": 1.0}, digest="challenger")
    router = IntentRouter(classifier=FakeClassifier(scores=SCORES), policy=policy_of(), shadow=shadow)
    decision = await router.route(request_, PromptVector(FakeEmbedder(), "hello there"))
    assert (decision.tier, decision.artifact_digest) == ("medium", "fake-artifact")
    assert (decision.shadow_tier, decision.shadow_score, decision.shadow_digest) == ("simple", 0.99, "challenger")


async def test_trouble_of_the_shadow_changes_no_decision(request_: Request) -> None:
    shadow = FakeClassifier(scores=SCORES, failure=ClassifierError("gone"))
    router = IntentRouter(classifier=FakeClassifier(scores=SCORES), policy=policy_of(), shadow=shadow)
    decision = await router.route(request_, PromptVector(FakeEmbedder(), "hello there"))
    assert (decision.tier, decision.error, decision.shadow_tier) == ("medium", None, None)
