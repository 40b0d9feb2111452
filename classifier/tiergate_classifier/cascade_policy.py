"""Policies that choose which tiers to ask, fitted on outcomes: route once, cascade by confidence, or both in one.

Asking tiers one after the other is an optimal stopping problem. At every step the best policy compares the expected
goodness it would gain with the price of what it costs, given all that is known so far: before any call the router's
prior of every tier, afterwards the calibrated confidence of the answers at hand too (Dekoninck et al. 2024, "A unified
approach to routing and cascading for LLMs", theorem 3: routing and cascading are the two special cases). The expected
gains are regressed on what is known, from the last step backwards, on what the fitted later steps really earned on the
calibration rows (Longstaff and Schwartz 2001, least-squares Monte Carlo). A row's own outcome has no part in the choice
that it is credited with: else going on looks better than it is, and a tier that should be asked at once is asked after
a cheap call for nothing. One price of a unit of cost gives one policy;
a sweep of prices gives the cost-quality curve (the Lagrangian of "least cost at a quality").
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from tiergate_classifier.logistic import log_odds_of

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Strategy = Literal["route", "gate", "climb", "both"]
State = tuple[int, ...]

MAX_TIERS = 6
_PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 10_000.0)
_LEAST = 0.01
"""Log-odds are cut off at this probability: a linear gain must not follow a confidence to the end of the line."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TierTable:
    """What each of K tiers would do with each of n requests.

    Attributes:
        good: Outcomes between 0 and 1, shape (n, K), cheapest tier first.
        cost: Cost of the call, shape (n, K).
        prior: P(good) before any call, shape (n, K).
        posterior: P(good) after the tier's answer is seen, by the calibrated gate, shape (n, K).
        has_signal: Whether the tier's answers show anything to judge them by, length K.
    """

    good: Floats
    cost: Floats
    prior: Floats
    posterior: Floats
    has_signal: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.good)

    @property
    def tiers(self) -> int:
        """Number of tiers."""
        return int(self.good.shape[1])

    def take(self, rows: Indices) -> "TierTable":
        """Return these rows."""
        return TierTable(
            good=self.good[rows],
            cost=self.cost[rows],
            prior=self.prior[rows],
            posterior=self.posterior[rows],
            has_signal=self.has_signal,
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CascadePolicy:
    """A fitted policy.

    Attributes:
        strategy: What it may do: `route` reads the prompt and asks once; `gate` reads answers and climbs from the
            cheapest tier in order; `climb` does the same and reads the prompt too; `both` also starts anywhere.
        tiers: Number of tiers.
        price: What a unit of cost is worth in goodness.
        gains: (tiers asked so far, next tier) -> gain over stopping; before any call: over the cheapest.
    """

    strategy: Strategy
    tiers: int
    price: float
    gains: Mapping[tuple[State, int], "_Gain"]

    def run(self, table: TierTable) -> tuple[Floats, Floats]:
        """Return cost and goodness of every request, each of shape (n,)."""
        cost, good = np.zeros(len(table)), np.zeros(len(table))
        waiting: dict[State, Indices] = {(): np.arange(len(table))}
        for state in _states(self.tiers, backwards=False):
            rows = waiting.pop(state, None)
            if rows is None or len(rows) == 0:
                continue
            part = table.take(rows)
            chosen = self._choose(part, state)
            stopped = chosen < 0
            if stopped.any():
                good[rows[stopped]] = _returned(part.take(np.flatnonzero(stopped)), state)
            for tier in set(chosen[~stopped].tolist()):
                going = rows[chosen == tier]
                cost[going] += table.cost[going, tier]
                following = (*state, tier)
                waiting[following] = np.concatenate([waiting.get(following, np.zeros(0, dtype=np.intp)), going])
        return cost, good

    def _choose(self, table: TierTable, state: State) -> Indices:
        """Return the tier to ask next in each row; -1 to stop."""
        return _decide(table, state, self.strategy, self.gains)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Gain:
    """A linear regression of a gain, net of its price, on what is known in a state."""

    mean: Floats
    weights: Floats
    intercept: float

    def predict(self, inputs: Floats) -> Floats:
        return np.asarray(self.intercept + (inputs - self.mean) @ self.weights)


def fit_policy(table: TierTable, strategy: Strategy, price: float) -> CascadePolicy:
    """Fit the policy that gains most at a price.

    Args:
        table: Calibration rows; priors and posteriors must come from fits that did not see the row.
        strategy: What the policy may do.
        price: What a unit of cost is worth in goodness, not below 0.
    """
    earned: dict[State, Floats] = {}
    gains: dict[tuple[State, int], _Gain] = {}
    for state in _states(table.tiers, backwards=True):
        following = _allowed(state, strategy, table.tiers)
        if not following:
            earned[state] = _returned(table, state)
            continue
        after = {tier: earned[*state, tier] - price * table.cost[:, tier] for tier in following}
        stop = after[0] if not state else _returned(table, state)
        inputs = _inputs(table, state, strategy)
        left_out: dict[int, Floats] = {}
        for tier in following:
            if state or tier:
                gains[state, tier], left_out[tier] = _regress(inputs, after[tier] - stop)
        chosen = _best(left_out, start=-1 if state else 0, n=len(table))
        earned[state] = np.select([chosen == tier for tier in following], list(after.values()), stop)
    return CascadePolicy(strategy=strategy, tiers=table.tiers, price=price, gains=gains)


def _states(tiers: int, *, backwards: bool) -> Iterator[State]:
    """Yield the sets of tiers that may have been asked, each after (backwards: before) those it follows from."""
    sizes = range(tiers, -1, -1) if backwards else range(tiers + 1)
    for size in sizes:
        yield from combinations(range(tiers), size)


def _allowed(state: State, strategy: Strategy, tiers: int) -> list[int]:
    """Return the tiers that may be asked next, only stronger ones than before."""
    if strategy == "route":
        return [] if state else list(range(tiers))
    if strategy in {"gate", "climb"}:
        return [len(state)] if state == tuple(range(len(state))) and len(state) < tiers else []
    return list(range(state[-1] + 1 if state else 0, tiers))


def _inputs(table: TierTable, state: State, strategy: Strategy) -> Floats:
    """Return what is known in a state, as log-odds, shape (n, m)."""
    known: list[Floats] = []
    if strategy != "gate":
        known.append(log_odds_of(table.prior, least=_LEAST))
    if strategy != "route":
        known.append(log_odds_of(table.posterior[:, list(state)], least=_LEAST))
    return np.column_stack(known)


def _returned(table: TierTable, state: State) -> Floats:
    """Return the goodness of the answer the client gets, shape (n,).

    The better answer by calibrated confidence, so that escalation never makes it worse; a stronger tier's answer that
    shows nothing to judge it by wins.
    """
    best = np.full(len(table), state[0], dtype=np.intp)
    for tier in state[1:]:
        if not table.has_signal[tier]:
            best[:] = tier
            continue
        rows = np.arange(len(table))
        best = np.where(table.posterior[:, tier] >= table.posterior[rows, best], tier, best)
    return np.asarray(table.good[np.arange(len(table)), best])


def _decide(table: TierTable, state: State, strategy: Strategy, gains: Mapping[tuple[State, int], _Gain]) -> Indices:
    """Return the tier with the greatest gain above 0, -1 to stop; before any call the cheapest where none gains."""
    options = [tier for tier in _allowed(state, strategy, table.tiers) if (state, tier) in gains]
    inputs = _inputs(table, state, strategy) if options else np.zeros((len(table), 0))
    values = {tier: gains[state, tier].predict(inputs) for tier in options}
    return _best(values, start=-1 if state else 0, n=len(table))


def _best(values: Mapping[int, Floats], *, start: int, n: int) -> Indices:
    """Return the tier with the greatest value above 0, `start` where there is none, shape (n,)."""
    if not values:
        return np.full(n, start, dtype=np.intp)
    stacked = np.column_stack(list(values.values()))
    best = np.argmax(stacked, axis=1)
    positive = stacked[np.arange(n), best] > 0
    return np.asarray(np.where(positive, np.array(list(values))[best], start), dtype=np.intp)


def _regress(inputs: Floats, gain: Floats) -> tuple[_Gain, Floats]:
    """Ridge regression on standardised inputs, its strength by generalised cross-validation.

    Returns:
        The regression, and what it would have said of each row had it been fitted on the others: for a linear smoother
        that follows from its residual and leverage alone (Golub, Heath and Wahba 1979).
    """
    n, mean, scale = len(gain), inputs.mean(axis=0), inputs.std(axis=0)
    scale = np.where(scale > 1e-9, scale, np.inf)  # noqa: PLR2004 - a constant says nothing
    table = (inputs - mean) / scale
    weights, leverage = np.zeros(inputs.shape[1]), np.full(n, 1.0 / n)
    if inputs.shape[1] and np.isfinite(scale).any() and float(gain.std()) > 0.0:
        ridge = RidgeCV(alphas=_PENALTIES).fit(table, gain)
        weights = np.asarray(ridge.coef_)
        inverse = np.linalg.inv(table.T @ table + float(ridge.alpha_) * np.eye(table.shape[1]))
        leverage = leverage + np.einsum("ij,jk,ik->i", table, inverse, table)
    centre = float(gain.mean())
    fitted = centre + table @ weights
    left_out = gain - (gain - fitted) / (1.0 - leverage)
    return _Gain(mean=mean, weights=weights / scale, intercept=centre), left_out
