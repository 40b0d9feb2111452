"""After the record: grade a sample of answers in the background, against what the baseline tier says."""

import uuid
from dataclasses import replace
from typing import Any

from tiergate.decisions import JudgeDecision
from tiergate.errors import EscalationError
from tiergate.hooks.answer_parser import parse_answer, parse_call
from tiergate.hooks.in_flight import InFlight
from tiergate.hooks.pipeline import Pipeline
from tiergate.hooks.request_parser import copy_containers
from tiergate.policy.quality_judge import build_question, decide_sampled, decide_score, parse_verdict
from tiergate.stages.failopen import suppressed
from tiergate.telemetry.record import DecisionRecord, DecisionStatus

_VERDICT_TOKENS = 8


def judge_later(pipeline: Pipeline, entry: InFlight, record: DecisionRecord) -> None:
    """Start grading, where the draw and today's money say so. The request does not wait for it.

    What the baseline tier answered itself is not graded: there is nothing to compare it with.
    """
    spent_usd = pipeline.judge_spend.at(pipeline.clock.now())
    if (
        entry.answer_text is not None
        and record.status is DecisionStatus.OK
        and entry.tier not in {None, pipeline.policy.baseline}
        and decide_sampled(pipeline.policy.quality_judge, entry.decision_id, spent_usd=spent_usd)
    ):
        pipeline.spawn(_judge(pipeline, entry, record, entry.answer_text))


async def _judge(pipeline: Pipeline, entry: InFlight, record: DecisionRecord, served: str) -> None:
    """Ask the baseline tier, then the judge twice, and write the row again with the grade."""
    judge = pipeline.policy.quality_judge
    if judge is None:
        return
    cost_usd, score = 0.0, None
    tier = pipeline.policy.tier(pipeline.policy.baseline)

    async def ask(body: Any, group: str, params: Any) -> str:
        nonlocal cost_usd
        response = await pipeline.models.ask(body, copy_containers(entry.metadata), group, str(uuid.uuid4()), params)
        call = parse_call(response, tier=None, asked=group, start_ms=0.0, ms=0.0)
        cost_usd += call.cost_usd
        pipeline.judge_spend.add(pipeline.clock.now(), call.cost_usd)
        return parse_answer(response).text

    with suppressed("quality_judge"):
        try:
            body = {key: value for key, value in entry.body.items() if key not in {"stream", "stream_options"}}
            baseline = await ask(body, tier.model_group, tier.params)
            verdicts = []
            for pair in ((served, baseline), (baseline, served)):
                question = {"messages": build_question(entry.request.prompt, *pair), "max_tokens": _VERDICT_TOKENS}
                verdicts.append(parse_verdict(await ask(question, judge.model_group, {})))
            score = decide_score(*verdicts)
        except EscalationError:
            score = None
        grade = JudgeDecision(score=score, probability=judge.share, cost_usd=cost_usd)
        pipeline.decision_record.begin(replace(record, judge=grade))
