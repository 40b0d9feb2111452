"""Will a plan stay inside its latency budget? Quantiles of histograms, and of their sums.

A model group's times are counted in fixed buckets whose bounds grow by a tenth, so that a quantile is off by
5 % at most (Masson, Rim and Lee 2019, "DDSketch", section 2, with the bucket of a value found the same way).
Buckets of that kind can be added up: a cascade takes the cheap tier's time, and with the probability of an escalation
the strong tier's time on top. A question with a long answer takes both tiers long, so the two are added quantile by
quantile. Over the traffic of benchmarks/latency_budget.py that is off by 4 % at most; taken as independent, by 9 %.

Once the cheap answer is there, its length is known, and so the strong tier's time is known better: `LengthFit`.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tiergate.decisions import Reason
from tiergate.exchange import Call

Counts = NDArray[np.float64]

GROWTH: Final = 1.1
MIN_MS: Final = 1.0
BUCKETS: Final = 152
"""Up to half an hour."""
QUANTILE: Final = 0.95
MIN_SAMPLES: Final = 20
"""Fewer times than this give no prediction; 95 % of 20 is the last but one."""

RATIO_MS: Final = 1000.0
"""Ratios are counted in the same buckets: 1 counts as a second."""
_LEVELS: Final[Counts] = (np.arange(400) + 0.5) / 400
_MIDDLES: Final[Counts] = np.asarray(MIN_MS * GROWTH ** (np.arange(BUCKETS) + 0.5), dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class LengthFit:
    """How a tier's time grows with the lengths of prompt and answer.

    Attributes:
        base_ms: Time of a call whatever its length.
        prompt_token_ms: Time of each token of the prompt.
        answer_token_ms: Time of each token of the answer.
        stretch: Tokens of this tier's answer for each token of the weaker answer before it.
        ratios: Weight of time over fitted time in each bucket, shape (BUCKETS,); a ratio of 1 is `RATIO_MS`.
        samples: Ratios behind it.
    """

    base_ms: float
    prompt_token_ms: float
    answer_token_ms: float
    stretch: float
    ratios: Counts
    samples: int

    def fitted_ms(self, prompt_tokens: float, answer_tokens: float) -> float:
        """Return the fitted time of a call."""
        return max(MIN_MS, self.base_ms + self.prompt_token_ms * prompt_tokens + self.answer_token_ms * answer_tokens)

    def after_ms(self, weak: Call) -> float:
        """Return the fitted time of a call of this tier that follows a weaker tier's answer to the same request."""
        return self.fitted_ms(weak.prompt_tokens, self.stretch * weak.completion_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class TierLatency:
    """How long a tier takes.

    Attributes:
        counts: Weight in each bucket, shape (BUCKETS,).
        samples: Measured times behind it.
        escalation_ratio: Share of the tier's judged answers that were escalated.
        length: How its time grows with the answer's length; None where that says nothing, as for a first token.
    """

    counts: Counts
    samples: int
    escalation_ratio: float = 0.0
    length: LengthFit | None = None


def find_bucket(ms: float) -> int:
    """Return the bucket of a time in milliseconds."""
    if not ms > MIN_MS:
        return 0
    return min(BUCKETS - 1, int(math.log(ms / MIN_MS) / math.log(GROWTH)))


def predict(latency: TierLatency | None, quantile: float = QUANTILE) -> float | None:
    """Return a quantile of a tier's time in milliseconds; None with too few samples."""
    if latency is None or latency.samples < MIN_SAMPLES:
        return None
    return _quantile(_MIDDLES, latency.counts, quantile)


def predict_after(latency: TierLatency | None, weak: Call | None, quantile: float = QUANTILE) -> float | None:
    """Return a quantile of a tier's time in milliseconds, given the weaker answer before it.

    Args:
        latency: How long the tier takes.
        weak: The call that gave the weaker answer; None when not known: then it is that of `predict`.
        quantile: Which quantile.
    """
    fit = latency.length if latency is not None else None
    if fit is None or weak is None or fit.samples < MIN_SAMPLES:
        return predict(latency, quantile)
    return _quantile(_MIDDLES, fit.ratios, quantile) / RATIO_MS * fit.after_ms(weak)


def mean_s(latency: TierLatency | None) -> float | None:
    """Return a tier's mean time in seconds; None with too few samples."""
    if latency is None or latency.samples < MIN_SAMPLES:
        return None
    return float(latency.counts @ _MIDDLES / latency.counts.sum()) / 1000


def predict_cascade(
    cheap: TierLatency | None,
    strong: TierLatency | None,
    quantile: float = QUANTILE,
    *,
    hedge_ms: float = math.inf,
) -> float | None:
    """Return a quantile of the time of a cascade over two tiers in milliseconds; None with too few samples.

    Args:
        cheap: How long the first tier takes.
        strong: How long the tier takes that weak answers go to.
        quantile: Which quantile.
        hedge_ms: The stronger call begins after this time, even when the cheap one still runs.
    """
    if cheap is None or strong is None or min(cheap.samples, strong.samples) < MIN_SAMPLES:
        return None
    alone, extra = _quantiles(cheap.counts), _quantiles(strong.counts)
    share = min(1.0, max(0.0, cheap.escalation_ratio))
    weights = np.repeat([1 - share, share], len(_LEVELS))
    escalated = np.maximum(alone, np.minimum(alone, hedge_ms) + extra)
    return _quantile(np.concatenate([alone, escalated]), weights, quantile)


def decide_start(
    planned: str,
    stronger: str | None,
    latencies: dict[str, TierLatency],
    *,
    budget_ms: float | None,
    hedge_ms: float = math.inf,
) -> tuple[str, Reason | None]:
    """Choose where a request starts so that it stays inside its budget.

    In this order: the cascade as planned; the stronger tier at once, which holds the quality without a gate;
    the planned tier alone, whose escalation will then be skipped; the faster of the two. What has too few
    samples is not predicted, and what is not predicted is not changed.

    Args:
        planned: Tier that the router chose.
        stronger: Tier that its weak answers go to; None when nothing is escalated.
        latencies: How long each tier takes, by tier name.
        budget_ms: The budget; None for none.
        hedge_ms: When a hedge of the planned tier begins; never by default.

    Returns:
        The tier to start with, and `LATENCY_BUDGET` when it is another one than planned.
    """
    if budget_ms is None or stronger is None:
        return planned, None
    cascade = predict_cascade(latencies.get(planned), latencies.get(stronger), hedge_ms=hedge_ms)
    cheap_ms, strong_ms = predict(latencies.get(planned)), predict(latencies.get(stronger))
    if cascade is None or cheap_ms is None or strong_ms is None or cascade <= budget_ms:
        return planned, None
    if strong_ms <= budget_ms or (cheap_ms > budget_ms and strong_ms < cheap_ms):
        return stronger, Reason.LATENCY_BUDGET
    return planned, None


def fits(
    latency: TierLatency | None,
    *,
    elapsed_ms: float,
    budget_ms: float | None,
    weak: Call | None = None,
) -> bool:
    """Tell whether a call may still be made: its 95th percentile on top of what has passed meets the budget.

    Args:
        latency: How long the tier takes; None when not known.
        elapsed_ms: What has passed of the budget.
        budget_ms: The budget; None for none.
        weak: The call that gave the weaker answer at hand; None when its length says nothing.
    """
    if budget_ms is None:
        return True
    predicted = predict_after(latency, weak)
    return elapsed_ms + (predicted or 0.0) <= budget_ms


def _quantiles(counts: Counts) -> Counts:
    """Return the times at `_LEVELS`."""
    reached = np.cumsum(counts) / counts.sum()
    return _MIDDLES[np.minimum(np.searchsorted(reached, _LEVELS), BUCKETS - 1)]


def _quantile(times: Counts, weights: Counts, quantile: float) -> float:
    order = np.argsort(times)
    reached = np.cumsum(weights[order])
    place = int(np.searchsorted(reached, quantile * reached[-1]))
    return float(times[order[min(place, len(order) - 1)]])
