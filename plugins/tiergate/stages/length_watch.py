"""How a tier's time grows with the lengths of prompt and answer, learned from its calls of late."""

from dataclasses import dataclass, field

import numpy as np

from tiergate.exchange import Call
from tiergate.policy.latency import BUCKETS, MIN_SAMPLES, RATIO_MS, Counts, LengthFit, find_bucket

WINDOW = 1000
"""When there are this many calls, all sums are halved: what is older fades."""
FIRST_FIT = 10
"""From this many calls on, the fit is good enough to count how far the next call is off; it is renewed as often."""
_SMALLEST_MS = 1e-3
_RIDGE = 1e-9


def _no_counts() -> Counts:
    return np.zeros(BUCKETS)


def _no_products() -> Counts:
    return np.zeros((3, 3))


def _no_sums() -> Counts:
    return np.zeros(3)


@dataclass(slots=True)
class _Ratios:
    """Time over fitted time."""

    counts: Counts = field(default_factory=_no_counts)
    samples: int = 0

    def add(self, ratio: float) -> None:
        self.counts[find_bucket(RATIO_MS * ratio)] += 1.0
        self.samples += 1

    def halve(self) -> None:
        self.counts *= 0.5
        self.samples //= 2


@dataclass(slots=True)
class LengthWatch:
    """Fits ms = base + a * prompt tokens + b * answer tokens to the calls of one tier; none of the three is negative.

    The squares of the relative errors are made least. How far a call is off is counted with the fit before it, so the
    counts are no better than the next call will be. Where enough escalations came to the tier, they count instead:
    there only the length of the weaker answer was known.
    """

    calls: int = 0
    products: Counts = field(default_factory=_no_products)
    sums: Counts = field(default_factory=_no_sums)
    terms: tuple[float, float, float] = (0.0, 0.0, 0.0)
    weak_tokens: float = 0.0
    strong_tokens: float = 0.0
    own: _Ratios = field(default_factory=_Ratios)
    followed: _Ratios = field(default_factory=_Ratios)

    def add_call(self, call: Call) -> None:
        """Count a finished call of the tier."""
        if call.completion_tokens <= 0:
            return
        ms = max(call.ms, _SMALLEST_MS)
        if self.calls >= FIRST_FIT:
            self.own.add(ms / self._fit().fitted_ms(call.prompt_tokens, call.completion_tokens))
        if self.calls >= WINDOW:
            self._halve()
        self.calls += 1
        terms = np.array([1.0, call.prompt_tokens, call.completion_tokens]) / ms
        self.products += np.outer(terms, terms)
        self.sums += terms
        if self.calls % FIRST_FIT == 0:
            base, prompt, answer = self._solve().tolist()
            self.terms = base, prompt, answer

    def add_escalation(self, weak: Call, strong: Call) -> None:
        """Count a call of the tier that came after a weaker tier's answer; before `add_call` of the same call."""
        if weak.completion_tokens <= 0 or strong.completion_tokens <= 0:
            return
        if self.calls >= FIRST_FIT:
            self.followed.add(max(strong.ms, _SMALLEST_MS) / self._fit().after_ms(weak))
        self.weak_tokens += weak.completion_tokens
        self.strong_tokens += strong.completion_tokens

    def read(self) -> LengthFit | None:
        """Return the fit; None before there are enough calls for one."""
        return self._fit() if self.calls >= FIRST_FIT else None

    def _fit(self) -> LengthFit:
        ratios = self.followed if self.followed.samples >= MIN_SAMPLES else self.own
        base, prompt, answer = self.terms
        return LengthFit(
            base_ms=base,
            prompt_token_ms=prompt,
            answer_token_ms=answer,
            stretch=self.strong_tokens / self.weak_tokens if self.weak_tokens > 0 else 1.0,
            ratios=ratios.counts,
            samples=ratios.samples,
        )

    def _solve(self) -> Counts:
        """Solve the normal equations; a term that would be negative is left out, and the rest solved again."""
        scale = np.sqrt(np.maximum(self.products.diagonal(), _SMALLEST_MS**4))
        products, sums = self.products / np.outer(scale, scale), self.sums / scale
        kept = [place for place in range(3) if self.products[place, place] > 0]
        while True:
            part = products[np.ix_(kept, kept)] + _RIDGE * np.eye(len(kept))
            solved = np.linalg.solve(part, sums[kept])
            if len(kept) == 1 or solved.min() >= 0:
                break
            kept.pop(int(solved.argmin()))
        terms = np.zeros(3)
        terms[kept] = solved / scale[kept]
        return terms

    def _halve(self) -> None:
        self.calls //= 2
        self.products /= 2
        self.sums /= 2
        self.weak_tokens, self.strong_tokens = self.weak_tokens / 2, self.strong_tokens / 2
        self.own.halve()
        self.followed.halve()
