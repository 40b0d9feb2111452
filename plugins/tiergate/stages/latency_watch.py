"""How long each tier has taken of late, how long its answers were, and how often they were escalated."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

import numpy as np

from tiergate.decisions import GateDecision, GateOutcome, Reason
from tiergate.exchange import Call, Request
from tiergate.policy.latency import BUCKETS, Counts, TierLatency, find_bucket
from tiergate.stages.length_watch import LengthWatch

WINDOW = 1000
"""When a tier has this many times, all its counts are halved: what is older fades."""
STALE_S = 600.0
"""A tier that was not asked for so long is not predicted: it gets another chance, and is learned anew."""
PRIOR_JUDGED, PRIOR_ESCALATED = 10.0, 2.0
"""Before there are outcomes a fifth of the answers counts as escalated."""
PRIOR_TOKENS = 300.0
"""Length of an answer before there are any."""
LENGTH_STEP = 0.05
"""Weight of the newest answer in the mean length."""
_JUDGED = frozenset({GateOutcome.TRUSTED, GateOutcome.VERIFIED, GateOutcome.ESCALATED})


def _no_counts() -> Counts:
    return np.zeros(BUCKETS)


@dataclass(slots=True)
class _Times:
    counts: Counts = field(default_factory=_no_counts)
    samples: int = 0
    foreseen: int = 0
    seen: float = 0.0

    def add(self, ms: float, now: float) -> None:
        if now - self.seen > STALE_S:
            self.counts, self.samples, self.foreseen = _no_counts(), 0, 0
        self.seen = now
        self.samples += 1
        self._count(ms)

    def foresee(self, ms: float) -> None:
        """Count what a call that was not made would have taken; it says nothing of how the tier is now."""
        self.foreseen += 1
        self._count(ms)

    def _count(self, ms: float) -> None:
        if self.samples + self.foreseen > WINDOW:
            self.counts *= 0.5
            self.samples, self.foreseen = self.samples // 2, self.foreseen // 2
        self.counts[find_bucket(ms)] += 1.0


@dataclass(slots=True)
class _Outcomes:
    judged: float = PRIOR_JUDGED
    escalated: float = PRIOR_ESCALATED

    def add(self, *, escalated: bool) -> None:
        if self.judged >= WINDOW:
            self.judged, self.escalated = self.judged / 2, self.escalated / 2
        self.judged += 1
        self.escalated += escalated


@dataclass(frozen=True, slots=True)
class LatencyWatch:
    """Keeps running quantiles by tier: of whole answers, and of first tokens of streams. Bounded by the tiers."""

    _totals: dict[str, _Times] = field(default_factory=dict)
    _firsts: dict[str, _Times] = field(default_factory=dict)
    _outcomes: dict[str, _Outcomes] = field(default_factory=dict)
    _lengths: dict[str, float] = field(default_factory=dict)
    _fits: dict[str, LengthWatch] = field(default_factory=dict)

    def add_calls(self, calls: Sequence[Call], now: float) -> None:
        """Count the finished calls of a request, in their order.

        The other tiers are counted with the time that they would have taken by their `LengthFit`: a tier that is asked
        only where its answer is short would look fast otherwise.

        Args:
            calls: All calls of the request.
            now: Monotonic time in seconds, as for the other methods.
        """
        weak: Call | None = None
        for call in calls:
            if call.tier is None or call.status != "ok":
                continue
            fit = self._fit_of(call.tier, now)
            if weak is not None and weak.tier != call.tier:
                fit.add_escalation(weak, call)
            fit.add_call(call)
            self.add_call(call, now)
            weak = call
        if weak is not None and weak.completion_tokens > 0:
            self._foresee(weak, {call.tier for call in calls})

    def add_call(self, call: Call, now: float) -> None:
        """Count the time of a finished call; failed and cancelled ones say nothing of an answer's time."""
        if call.tier is not None and call.status == "ok":
            self._totals.setdefault(call.tier, _Times()).add(call.ms, now)
            if call.completion_tokens > 0:
                mean = self.answer_tokens(call.tier)
                self._lengths[call.tier] = mean + (call.completion_tokens - mean) * LENGTH_STEP

    def add_first_token(self, tier: str, ms: float, now: float) -> None:
        """Count the time to the first token of a stream."""
        self._firsts.setdefault(tier, _Times()).add(ms, now)

    def add_outcome(self, tier: str, gate: GateDecision) -> None:
        """Count what the gate made of a tier's first answer."""
        wanted = gate.reason in (
            Reason.ESCALATION_FAILED,
            Reason.LATENCY_BUDGET,
            Reason.STREAM_BEGUN,
            Reason.STRAIGHT_PLAN,
        )
        if gate.outcome in _JUDGED or wanted:
            escalated = wanted or gate.outcome is GateOutcome.ESCALATED
            self._outcomes.setdefault(tier, _Outcomes()).add(escalated=escalated)

    def read(self, request: Request, now: float) -> dict[str, TierLatency]:
        """Return the latencies that count for a request, by tier: to the first token for a stream.

        Args:
            request: The request.
            now: Monotonic time in seconds, as for the other methods.
        """
        times = self._firsts if request.stream else self._totals
        return {
            tier: self._tier(tier, of, whole=not request.stream)
            for tier, of in times.items()
            if now - of.seen <= STALE_S
        }

    def answer_tokens(self, tier: str) -> float:
        """Return how many tokens the tier's answers have of late."""
        return self._lengths.get(tier, PRIOR_TOKENS)

    def _foresee(self, answered: Call, asked: Collection[str | None]) -> None:
        for tier, watch in self._fits.items():
            times = self._totals.get(tier)
            fit = watch.read() if tier not in asked and times is not None else None
            if times is not None and fit is not None:
                times.foresee(fit.after_ms(answered))

    def _fit_of(self, tier: str, now: float) -> LengthWatch:
        """Return the fit of a tier, a new one where its times are stale."""
        times = self._totals.get(tier)
        if tier not in self._fits or (times is not None and now - times.seen > STALE_S):
            self._fits[tier] = LengthWatch()
        return self._fits[tier]

    def _tier(self, tier: str, times: _Times, *, whole: bool) -> TierLatency:
        outcomes = self._outcomes.get(tier, _Outcomes())
        ratio = outcomes.escalated / outcomes.judged
        length = self._fits[tier].read() if whole and tier in self._fits else None
        return TierLatency(counts=times.counts, samples=times.samples, escalation_ratio=ratio, length=length)
