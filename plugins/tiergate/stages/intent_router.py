"""Stage 2: choose the tier before the call."""

from dataclasses import dataclass, replace

from tiergate.decisions import Reason, RouteDecision, RouteOutcome
from tiergate.exchange import Request
from tiergate.policy.features import features_of
from tiergate.policy.intent_router import decide_route, decide_unclassified
from tiergate.ports import IntentClassifier
from tiergate.settings import Policy
from tiergate.stages.failopen import fail_open
from tiergate.stages.prompt_vector import PromptVector


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentRouter:
    """Classifies a prompt and picks the cheapest tier that is good enough."""

    classifier: IntentClassifier
    policy: Policy

    async def route(self, request: Request, vector: PromptVector) -> RouteDecision:
        """Choose a tier; never raises for trouble of its own.

        A request that cannot be classified goes on unchanged, or to the strongest tier that a domain
        override names when there are such overrides.
        """
        if not self.policy.intent_router.enabled:
            return RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.DISABLED)
        if not request.prompt.strip():
            return decide_unclassified(self.policy, Reason.NOT_TEXT)
        return await fail_open(
            "intent_router",
            self._route(request, vector),
            budget_ms=self.policy.intent_router.budget_ms,
            otherwise=lambda reason, exc: replace(decide_unclassified(self.policy, reason), error=type(exc).__name__),
        )

    @staticmethod
    def skipped_for_hit() -> RouteDecision:
        """Return the decision for a request that the cache answers: nothing was classified."""
        return RouteDecision(outcome=RouteOutcome.SKIPPED, reason=Reason.CACHE_HIT)

    async def _route(self, request: Request, vector: PromptVector) -> RouteDecision:
        classification = await self.classifier.classify(await vector.get(), features_of(request.prompt), request.prompt)
        return decide_route(
            classification,
            self.policy,
            controls=request.controls,
            kind=self.classifier.kind,
            digest=self.classifier.digest,
        )
