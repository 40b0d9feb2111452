"""`tiergate label`: select, ask every tier, grade. Interrupted, it goes on where it stopped."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from tiergate.settings import Policy
from tiergate_classifier.grading import grade_row, judge_prompts, read_verdict
from tiergate_classifier.label_rows import LabelRow, load_labels, write_labels
from tiergate_classifier.selection import Candidate, assign_splits, select
from tiergate_classifier.tier_replay import Journal, Price, ProxyClient, Reply, ask_all
from tiergate_classifier.validation import held_out_probabilities, tail_scores

JUDGE_TOKENS = 16
Grading = Literal["auto", "judge", "human"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelPlan:
    """What a run would do.

    Attributes:
        rows: Selected rows, with those of an earlier run first.
        calls: Calls that are still to be made.
        estimated_usd: What they are expected to cost.
        spent_usd: What the journal has cost so far.
        unpriced: Model groups that LiteLLM knows no price for; they count as free.
    """

    rows: tuple[LabelRow, ...]
    calls: int
    estimated_usd: float
    spent_usd: float
    unpriced: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelSettings:
    """How rows are asked and graded.

    Attributes:
        out: The label file; the journal and the selection stand beside it.
        grading: `auto` grades by reference or rule, else by the judge where one is named; `human` leaves the rest open.
        judge_group: Model group that judges; None without one.
        votes: Pairs of judgements (both orders) for each answer.
        expected_tokens: Tokens of an answer, for the estimate.
        keep_text: Whether prompts and answers stay in the label file.
    """

    out: Path
    grading: Grading = "auto"
    judge_group: str | None = None
    votes: int = 1
    expected_tokens: int = 300
    keep_text: bool = True

    @property
    def journal(self) -> Path:
        """Every reply, as it came."""
        return self.out.with_suffix(".journal.jsonl")

    @property
    def selection(self) -> Path:
        """The rows that were drawn, so that a second run draws no others."""
        return self.out.with_suffix(".selection.jsonl")


def choose_rows(
    candidates: Sequence[Candidate],
    size: int,
    settings: LabelSettings,
    *,
    min_quality: float,
    seed: int,
    reference: NDArray[Any] | None = None,
) -> tuple[LabelRow, ...]:
    """Draw rows, or return those that an interrupted run has drawn; near-duplicates of labels keep their side.

    Args:
        candidates: The rows to draw from.
        size: How many.
        settings: Where the draw is kept.
        min_quality: The cut of the policy.
        seed: The same seed draws the same rows.
        reference: Vectors that the artifact in force was trained on, shape (R, D); None where it has none.
    """
    if settings.selection.exists():
        return load_labels(settings.selection)
    earlier = load_labels(settings.out) if settings.out.exists() else ()
    known = {row.id for row in earlier}
    fresh = [candidate for candidate in candidates if candidate.row.id not in known]
    chosen = select(fresh, size, min_quality=min_quality, seed=seed)
    drawn = assign_splits(chosen, earlier, held_out_probability=_chances(fresh, reference))
    write_labels(settings.selection, drawn)
    return drawn


def _chances(candidates: Sequence[Candidate], reference: NDArray[Any] | None) -> Mapping[str, float]:
    """Return the probability of being held out, by id: the tail is held out more often."""
    if not candidates:
        return {}
    stakes = np.array([_stake(candidate) for candidate in candidates])
    chance = held_out_probabilities(tail_scores([candidate.row for candidate in candidates], reference, stakes))
    return {candidate.row.id: value for candidate, value in zip(candidates, chance.tolist(), strict=True)}


def _stake(candidate: Candidate) -> float:
    """Return what a wrong answer is expected to cost in USD: more where a cheap tier is likelier to be taken."""
    if candidate.stake_usd is None:
        return float("nan")
    return candidate.stake_usd * (1.0 if candidate.bound is None else candidate.bound)


def plan_label(
    rows: Sequence[LabelRow], policy: Policy, prices: Mapping[str, Price], settings: LabelSettings
) -> LabelPlan:
    """Count the calls that are left and what they are expected to cost."""
    journal = Journal(settings.journal)
    calls, cost = 0, 0.0
    unpriced: set[str] = set()

    def add(group: str, characters: int, tokens: int) -> None:
        nonlocal calls, cost
        calls += 1
        if group in prices:
            cost += prices[group].estimate(characters, tokens)
        else:
            unpriced.add(group)

    for row in rows:
        for tier in policy.tiers:
            if _tier_key(row, tier.name) not in journal.replies:
                add(tier.model_group, len(row.prompt or ""), settings.expected_tokens)
        if settings.judge_group and row.reference is None and row.rule is None:
            characters = len(row.prompt or "") + 8 * settings.expected_tokens
            for key in _judge_keys(row, policy, settings):
                if key not in journal.replies:
                    add(settings.judge_group, characters, JUDGE_TOKENS)
    return LabelPlan(
        rows=tuple(rows),
        calls=calls,
        estimated_usd=cost,
        spent_usd=journal.spent_usd,
        unpriced=tuple(sorted(unpriced)),
    )


async def label_rows(
    plan: LabelPlan,
    policy: Policy,
    client: ProxyClient,
    prices: Mapping[str, Price],
    settings: LabelSettings,
    advance: Callable[[], Any],
) -> tuple[LabelRow, ...]:
    """Ask every tier, grade, and write the label file.

    Args:
        plan: The rows.
        policy: Says the tiers.
        client: The running proxy.
        prices: Prices by model group.
        settings: How to grade.
        advance: Called after each row.

    Raises:
        CostCapReachedError: The cap is reached; the journal holds what is answered, and a second run goes on there.
        ReplayError: A model group gave no answer.
        ValueError: A rule is unknown.
    """

    async def one(row: LabelRow) -> LabelRow:
        replies = await asyncio.gather(
            *(
                client.ask(
                    _tier_key(row, tier.name),
                    tier.model_group,
                    row.prompt or "",
                    price=prices.get(tier.model_group),
                    params=tier.params,
                )
                for tier in policy.tiers
            )
        )
        answered = _with_replies(row, dict(zip(policy.tier_names, replies, strict=True)))
        graded = grade_row(answered, policy.tier_names)
        if not graded.quality and settings.judge_group and settings.grading != "human":
            graded = await _judge(graded, policy, client, prices, settings)
        advance()
        return graded

    return _merge(await ask_all(plan.rows, one), settings)


def _merge(done: Sequence[LabelRow], settings: LabelSettings) -> tuple[LabelRow, ...]:
    """Write the labelled rows beside those of earlier runs; the draw is done with."""
    earlier = {row.id: row for row in load_labels(settings.out)} if settings.out.exists() else {}
    kept = [row if settings.keep_text else replace(row, prompt=None, answers={}, reference=None) for row in done]
    earlier |= {row.id: row for row in kept}
    write_labels(settings.out, earlier.values())
    settings.selection.unlink(missing_ok=True)
    return tuple(kept)


async def _judge(
    row: LabelRow, policy: Policy, client: ProxyClient, prices: Mapping[str, Price], settings: LabelSettings
) -> LabelRow:
    """Grade each tier against the baseline's answer: the mean over votes of both orders."""
    group = settings.judge_group or ""
    grades = {policy.baseline: 1.0}
    for tier in policy.tier_names:
        if tier == policy.baseline:
            continue
        prompts = judge_prompts(row.prompt or "", row.answers[tier], row.answers[policy.baseline])
        verdicts = []
        for vote in range(settings.votes):
            for place, prompt in zip("AB", prompts, strict=True):
                key = f"{row.id}|judge|{tier}|{vote}|{place}"
                reply = await client.ask(
                    key, group, prompt, price=prices.get(group), params={"max_tokens": JUDGE_TOKENS}
                )
                verdicts.append(read_verdict(reply.text, answer_is=place))
        said = [verdict for verdict in verdicts if verdict is not None]
        if said:
            grades[tier] = sum(said) / len(said)
    return replace(row, quality=grades, graded_by="judge")


def _with_replies(row: LabelRow, replies: Mapping[str, Reply]) -> LabelRow:
    return replace(
        row,
        answers={tier: reply.text for tier, reply in replies.items()},
        cost_usd={tier: reply.cost_usd for tier, reply in replies.items()},
        latency_ms={tier: reply.ms for tier, reply in replies.items()},
        prompt_tokens={tier: reply.prompt_tokens for tier, reply in replies.items()},
        completion_tokens={tier: reply.completion_tokens for tier, reply in replies.items()},
    )


def _tier_key(row: LabelRow, tier: str) -> str:
    return f"{row.id}|tier|{tier}"


def _judge_keys(row: LabelRow, policy: Policy, settings: LabelSettings) -> list[str]:
    return [
        f"{row.id}|judge|{tier}|{vote}|{place}"
        for tier in policy.tier_names
        if tier != policy.baseline
        for vote in range(settings.votes)
        for place in "AB"
    ]
