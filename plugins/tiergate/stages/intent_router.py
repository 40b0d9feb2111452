"""Stage 2: choose the tier before the call."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.errors import ClassifierError
from tiergate.exchange import Request
from tiergate.policy.constraints import ModelFacts, constrain
from tiergate.policy.intent_router import decide_route, decide_unclassified
from tiergate.ports import IntentClassifier
from tiergate.settings import Policy
from tiergate.stages.failopen import fail_open
from tiergate.stages.prompt_vector import PromptVector
from tiergate.stages.turn_memory import TurnMemory

logger = logging.getLogger(__name__)


def _nothing_known(_model_group: str) -> ModelFacts | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRouter:
    """Classifies a prompt and picks the cheapest tier that fits the request and is good enough.

    Attributes:
        classifier: Scores the prompt.
        policy: The whole policy.
        shadow: A challenger that scores the same prompt and decides nothing; None without one.
        facts: Tells what a model group can take.
        turns: Decisions of the human turns, for their continuations.
    """

    classifier: IntentClassifier
    policy: Policy
    shadow: IntentClassifier | None = None
    facts: Callable[[str], ModelFacts | None] = _nothing_known
    turns: TurnMemory = field(default_factory=TurnMemory)

    async def route(self, request: Request, vector: PromptVector) -> RouteDecision:
        """Choose a tier; never raises for trouble of its own.

        A request that cannot be classified goes on unchanged, or to the strongest tier that a domain
        override names when there are such overrides. Tool results and continuations get the decision of
        their human turn. Hard constraints and floors come last, see `policy.constraints`.
        """
        if not self.policy.intent_router.enabled:
            return RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.DISABLED)
        decision = self._inherited(request) or await self._decide(request, vector)
        return constrain(
            decision, request, self.policy, {tier.name: self.facts(tier.model_group) for tier in self.policy.tiers}
        )

    @staticmethod
    def skipped_for_hit() -> RouteDecision:
        """Return the decision for a request that the cache answers: nothing was classified."""
        return RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.CACHE_HIT)

    def _inherited(self, request: Request) -> RouteDecision | None:
        """Return the decision of the turn that the request continues, or None."""
        if not (request.continues and request.turn_key and self.policy.agents.inherit_turn):
            return None
        decision = self.turns.get(request.turn_key)
        if decision is None or decision.tier not in self.policy.tier_names:
            return None
        return replace(decision, reason=Reason.TURN_INHERITED)

    async def _decide(self, request: Request, vector: PromptVector) -> RouteDecision:
        if not request.prompt.strip():
            return decide_unclassified(self.policy, Reason.NOT_TEXT)
        decision = await fail_open(
            "intent_router",
            self._route(request, vector),
            budget_ms=self.policy.intent_router.budget_ms,
            otherwise=lambda reason, exc: replace(decide_unclassified(self.policy, reason), error=type(exc).__name__),
        )
        if decision.tier is not None and decision.error is None and request.turn_key:
            self.turns.keep(request.turn_key, decision)
        return decision

    async def _route(self, request: Request, vector: PromptVector) -> RouteDecision:
        features, embedding = vector.features, await vector.get()
        classification = await self.classifier.classify(embedding, features, request.prompt)
        decision = decide_route(
            classification,
            self.policy,
            controls=request.controls,
            kind=classification.kind or self.classifier.kind,
            digest=self.classifier.digest,
        )
        if classification.fallback is not None:
            decision = replace(decision, fallback=classification.fallback)
        if self.shadow is None:
            return decision
        return await self._with_shadow(decision, self.shadow, request, vector)

    async def _with_shadow(
        self, decision: RouteDecision, shadow: IntentClassifier, request: Request, vector: PromptVector
    ) -> RouteDecision:
        """Note what the challenger would have chosen; its trouble is no reason to lose the decision."""
        try:
            said = await shadow.classify(await vector.get(), vector.features, request.prompt)
        except ClassifierError as exc:
            logger.warning("the shadow artifact could not score (%s)", exc)
            return decision
        chosen = decide_route(said, self.policy, controls=request.controls, kind=shadow.kind, digest=shadow.digest)
        return replace(
            decision, shadow_tier=chosen.tier, shadow_score=chosen.score, shadow_digest=chosen.artifact_digest
        )
