import numpy as np
import pytest

from tiergate.decisions import (
    CacheDecision,
    CacheOutcome,
    GateDecision,
    GateOutcome,
    HedgeDecision,
    HedgeOutcome,
    JudgeDecision,
    PlanCost,
    Reason,
    RouteDecision,
    RouteOutcome,
)
from tiergate.exchange import Call
from tiergate.telemetry.names import Stage
from tiergate.telemetry.record import DecisionRecord

EMBEDDING = np.array([0.6, -0.8], dtype=np.float32)


@pytest.fixture
def escalated() -> DecisionRecord:
    """A weak answer of the cheap tier, replaced by the frontier's."""
    weak = Call(
        tier="simple",
        model_group="tier-simple",
        model="deepseek-v4-pro",
        provider="deepseek",
        fallback_from="tier-simple-alt",
        prompt_tokens=20,
        completion_tokens=5,
        cached_tokens=8,
        cost_usd=0.00001,
        ms=40.0,
        start_ms=5.0,
    )
    strong = Call(
        tier="frontier",
        model_group="tier-frontier",
        model="claude-opus-4.7",
        provider="anthropic",
        prompt_tokens=20,
        completion_tokens=50,
        cost_usd=0.002,
        ms=100.0,
        start_ms=46.0,
    )
    return DecisionRecord(
        decision_id="dec-1",
        ts=1_700_000_000.0,
        call_id="call-1",
        trace_id="0af7651916cd43dd8448eb211c80319c",
        tenant="t-9",
        entry_model="auto",
        strategy="cascade",
        experiment="gate-065-vs-075",
        arm="b",
        unit="u-7",
        session="s-4",
        cache=CacheDecision(
            outcome=CacheOutcome.MISS, reason=Reason.BELOW_MIN_SIMILARITY, similarity=0.5, error_bound=0.01
        ),
        route=RouteDecision(
            outcome=RouteOutcome.ROUTED,
            reason=Reason.SCORE_MEETS_QUALITY,
            tier="simple",
            score=0.91237,
            scores={"simple": 0.91237, "frontier": 0.99},
            lower_bounds={"simple": 0.9, "frontier": 0.98},
            domain="coding",
            domain_score=0.7,
            classifier="embedded",
            artifact_digest="sha256:ab",
            ruled_out={"medium": "images"},
            shadow_tier="medium",
            shadow_score=0.95,
            shadow_digest="sha256:cd",
            fallback="ClassifierError",
            domains={"coding": 0.7, "finance": 0.1},
            propensity=0.95,
            plan=("simple", "frontier"),
            plans=(
                PlanCost(
                    tiers=("simple", "frontier"),
                    quality=0.97,
                    escalation_probability=0.25,
                    calls_usd=0.004,
                    verifier_usd=0.0005,
                    latency_s=None,
                    latency_usd=0.0,
                    switching_usd=0.0005,
                    expected_usd=0.005,
                ),
            ),
        ),
        gate=GateDecision(
            outcome=GateOutcome.ESCALATED,
            reason=Reason.CONFIDENCE_LOW,
            confidence=0.4,
            final_confidence=0.93,
            signals={"mean_logprob": -1.5},
            escalate_below=0.7,
            trust_from=0.85,
            escalate_to="frontier",
        ),
        hedge=HedgeDecision(
            outcome=HedgeOutcome.SKIPPED,
            reason=Reason.ANSWERED_IN_TIME,
            tier="frontier",
            after_ms=250.0,
            escalation_probability=0.55,
        ),
        calls=(weak, strong),
        final_tier="frontier",
        cost_usd=0.00201,
        baseline_cost_usd=0.002,
        saved_usd=-0.00001,
        latency_ms=150.0,
        overhead_ms=4.5,
        stage_ms={Stage.SEMANTIC_CACHE: 1.5, Stage.INTENT_ROUTER: 0.5, Stage.CONFIDENCE_GATE: 1.0},
        stage_start_ms={Stage.SEMANTIC_CACHE: 2.0, Stage.INTENT_ROUTER: 3.5, Stage.CONFIDENCE_GATE: 45.0},
        judge=JudgeDecision(score=0.5, probability=0.01, cost_usd=0.003),
        embedding=EMBEDDING,
        features={"log_words": 1.0986123},
        prompt="a secret question",
    )
