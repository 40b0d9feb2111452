"""What is known of a request -> its decision record, written and put into headers."""

from typing import Literal

from tiergate.decisions import GateDecision, GateOutcome, Reason
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.quality_judge import judge_later
from tiergate.policy.expected_cost import is_straight
from tiergate.policy.money import estimate_baseline, saved, sum_cost
from tiergate.telemetry.names import Stage
from tiergate.telemetry.parent import find_trace_id
from tiergate.telemetry.record import DecisionRecord, DecisionStatus, build_headers


def begin_record(pipeline: Pipeline, entry: InFlight) -> dict[str, str]:
    """Write what is known when the headers leave before the last call has ended, and return the headers."""
    record = build_record(pipeline, entry)
    pipeline.decision_record.begin(record)
    if not entry.request.stream:  # nobody is to wait for a hedge: neither the same question nor the session
        pipeline.semantic_cache.release(entry.ticket)
        _learn_session(pipeline, entry)
    return build_headers(record, streaming=entry.request.stream, settled=False)


def finish_record(pipeline: Pipeline, entry: InFlight) -> dict[str, str]:
    """Write the final record and return the headers."""
    pipeline.semantic_cache.release(entry.ticket)
    record = build_record(pipeline, entry)
    _learn(pipeline, entry)
    pipeline.decision_record.finish(record, parent=entry.parent)
    judge_later(pipeline, entry, record)
    return build_headers(record, streaming=False)


def build_record(pipeline: Pipeline, entry: InFlight) -> DecisionRecord:
    """Assemble the record of a request from what its stages decided and its calls cost."""
    pipeline = pipeline.of(entry)
    policy, cost_usd = pipeline.policy, sum_cost(entry.calls)
    baseline = estimate_baseline(entry.usage, pipeline.catalogue.price(policy.tier(policy.baseline).model_group))
    failed = entry.status is not DecisionStatus.OK
    return DecisionRecord(
        decision_id=entry.decision_id,
        ts=entry.started_at,
        call_id=entry.request.call_id,
        trace_id=find_trace_id(entry.parent),
        tenant=entry.request.tenant,
        entry_model=entry.request.entry_model,
        session=entry.session,
        strategy=_strategy(pipeline, entry),
        mode=policy.mode,
        experiment=entry.assignment.experiment if entry.assignment else None,
        arm=entry.assignment.arm if entry.assignment else None,
        unit=entry.assignment.unit if entry.assignment else None,
        cache=entry.cache,
        route=entry.route,
        gate=entry.gate or GateDecision(outcome=GateOutcome.SKIPPED, reason=_ungated_reason(entry, failed=failed)),
        hedge=entry.hedge,
        calls=tuple(entry.calls),
        final_tier=None if failed else entry.tier,
        cost_usd=cost_usd,
        baseline_cost_usd=baseline,
        saved_usd=saved(baseline, cost_usd),
        latency_ms=entry.since_start_ms(pipeline.clock.monotonic() if entry.ended is None else entry.ended),
        overhead_ms=_overhead_ms(entry),
        stage_ms=dict(entry.stage_ms),
        stage_start_ms=dict(entry.stage_start_ms),
        status=entry.status,
        errors=_errors(entry),
        embedding=entry.vector.known,
        features=entry.vector.features if entry.route.scores else None,
        prompt=entry.request.prompt if policy.decision_log.store_prompts else None,
    )


def _overhead_ms(entry: InFlight) -> float:
    """Return the time of the stages before the call; waiting for the same question of another is no overhead."""
    spent = sum(entry.stage_ms.get(stage, 0.0) for stage in (Stage.SEMANTIC_CACHE, Stage.INTENT_ROUTER))
    return max(0.0, spent - (entry.cache.waited_ms or 0.0))


def _learn(pipeline: Pipeline, entry: InFlight) -> None:
    """Remember how long the tiers took, what the gate made of the first answer, and where the session stands."""
    pipeline.latency.add_calls(entry.calls, pipeline.clock.monotonic())
    if entry.route.tier is not None and entry.gate is not None:
        pipeline.latency.add_outcome(entry.route.tier, entry.gate)
    if entry.ended is None:
        _learn_session(pipeline, entry)


def _learn_session(pipeline: Pipeline, entry: InFlight) -> None:
    """Remember where the session stands."""
    now = pipeline.clock.monotonic()
    if entry.session is not None and entry.tier is not None and entry.status is DecisionStatus.OK:
        cached = next((call.cached_tokens for call in reversed(entry.calls) if call.tier == entry.tier), 0)
        pipeline.sessions.note(entry.session, entry.tier, now, cached_tokens=cached)


def _strategy(pipeline: Pipeline, entry: InFlight) -> Literal["route", "cascade"] | None:
    if entry.route.tier is None or pipeline.policy.mode == "shadow":
        return None
    straight = is_straight(entry.route, pipeline.policy)
    return "cascade" if pipeline.policy.confidence_gate.enabled and not straight else "route"


def _errors(entry: InFlight) -> dict[Stage, str]:
    """Return the error class of each stage that failed."""
    errors = {
        Stage.SEMANTIC_CACHE: entry.cache.error,
        Stage.INTENT_ROUTER: entry.route.error,
        Stage.CONFIDENCE_GATE: entry.gate.error if entry.gate else None,
    }
    return {stage: error for stage, error in errors.items() if error is not None}


def _ungated_reason(entry: InFlight, *, failed: bool) -> Reason:
    """Return why no answer was judged."""
    if failed:
        return Reason.CALL_FAILED
    return Reason.STREAM_BEGUN if entry.request.stream else entry.route.reason
