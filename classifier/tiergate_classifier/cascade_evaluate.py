"""`tiergate evaluate cascade`: cost and quality of routing once, of cascading by confidence, and of both in one.

The three differ in what they may know and do. `route` reads the prompt and asks one tier. `gate` starts at the
cheapest tier and goes up one by one on the calibrated confidence of the answers, which includes no prior from the
prompt. `both` reads prompt and answers, and may start anywhere and jump (`cascade_policy`). Each is fitted for a sweep
of prices on the calibration rows only. The points of a sweep are what can be configured; a mix of two is sent to one or
the other at random, so the area is that under the lower hull of the points as they turn out on the evaluated rows.
To route only, to gate only, and to climb from the cheapest tier with the prompt read are settings of `both`, so their
points are among its own: choosing among the settings on a few hundred calibration rows is worse than to offer all of
them. `both_free_start` is the freest setting alone, without the others' points: what the fit by itself is worth.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from tiergate_classifier.cascade_policy import MAX_TIERS, Strategy, TierTable, fit_policy
from tiergate_classifier.folds import left_out
from tiergate_classifier.gate_calibrate import FittedGate, fit_gate, score_gate
from tiergate_classifier.gate_evaluate import gate_rows
from tiergate_classifier.logistic import sigmoid
from tiergate_classifier.outcomes import Outcomes, OutcomeTableError
from tiergate_classifier.prompt_prior import PromptPrior, fit_prompt_prior, prompt_inputs
from tiergate_classifier.routing_metrics import SEED, Interval, bootstrap_interval, error_cost_area

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

ASSUMED_RATIO = 4.0
"""Without costs each tier is taken to cost four times the one below; the result says so."""
FOLDS = 5
LEAST_ROWS = 50
LEAST_TIERS = 2

_NEVER = 1e6
_AROUND = (*np.geomspace(0.02, 0.2, 4, endpoint=False), *np.geomspace(0.2, 5.0, 25), *np.geomspace(6.0, 50.0, 4))
_BOOTSTRAPS = 200
_NAMES = {"route": "route", "gate": "gate", "climb": "climb", "both": "both_free_start"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sweep:
    """One strategy at every price: P prices, n rows.

    Attributes:
        prices: Price of a unit of cost, shape (P,).
        cost: Cost of each row at each price, shape (P, n).
        good: Goodness of each row at each price, shape (P, n).
    """

    prices: Floats
    cost: Floats
    good: Floats

    def area(self, rows: Indices, low: float, high: float) -> float:
        """Return the error-cost area on these rows."""
        return error_cost_area(self.cost[:, rows].mean(axis=1), 1 - self.good[:, rows].mean(axis=1), low=low, high=high)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CascadeReport:
    """What `evaluate cascade` prints.

    Attributes:
        tiers: Names, cheapest first.
        costs: Mean cost of each tier's call.
        costs_from: "table", "given" or "assumed".
        calibration: "file", or "cross-fitted" when every row was evaluated by fits on the other folds.
        calibration_n: Rows behind the fits.
        table: The evaluated rows.
        sweeps: Sweep by strategy.
    """

    tiers: tuple[str, ...]
    costs: Floats
    costs_from: str
    calibration: str
    calibration_n: int
    table: TierTable
    sweeps: Mapping[str, Sweep]

    def areas(self, rows: Indices) -> dict[str, float]:
        """Return the error-cost area of every strategy, and of each single tier mixed at random with the cheapest.

        The area runs over budgets from the cheapest to the dearest tier's mean cost; it is a mean error.
        """
        low, high = float(self.costs.min()), float(self.costs.max())
        areas = {name: sweep.area(rows, low, high) for name, sweep in self.sweeps.items()}
        error = 1 - self.table.good[rows].mean(axis=0)
        for place, tier in enumerate(self.tiers):
            pair = [0, place] if place else [0]
            areas[tier] = error_cost_area(self.costs[pair], error[pair], low=low, high=high)
        return areas

    def ratio_to_better(self, rows: Indices) -> float | None:
        """Return the area of both in one over the smaller area of routing and cascading alone."""
        areas = self.areas(rows)
        better = min(areas["route"], areas["gate"])
        return areas["both"] / better if better > 0 else None

    def excess_ratio_to_better(self, rows: Indices) -> float | None:
        """Return the same ratio of the areas above the dearest tier's own error, which no budget below it buys off."""
        areas = self.areas(rows)
        floor = 1 - float(self.table.good[rows, -1].mean())
        better = min(areas["route"], areas["gate"]) - floor
        return (areas["both"] - floor) / better if better > 0 else None

    def to_json(self) -> dict[str, object]:
        """Return curves, areas and intervals, ready for JSON."""
        everything = np.arange(len(self.table))
        singles = {
            tier: [{"cost": float(self.costs[place]), "quality": float(self.table.good[:, place].mean())}]
            for place, tier in enumerate(self.tiers)
        }
        curves = {name: _curve(sweep) for name, sweep in self.sweeps.items()}
        return {
            "n": len(self.table),
            "tiers": list(self.tiers),
            "costs": dict(zip(self.tiers, self.costs.tolist(), strict=True)),
            "costs_from": self.costs_from,
            "calibration": self.calibration,
            "calibration_n": self.calibration_n,
            "curves": curves | singles,
            "error_cost_area": self.areas(everything),
            "ratio_to_better": _interval(
                bootstrap_interval(self.ratio_to_better, len(everything), repeats=_BOOTSTRAPS)
            ),
            "excess_ratio_to_better": _interval(
                bootstrap_interval(self.excess_ratio_to_better, len(everything), repeats=_BOOTSTRAPS)
            ),
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CascadeModel:
    """Priors and gates of all tiers, and the calibration rows as those saw them while left out."""

    priors: Sequence[PromptPrior]
    gates: Sequence[FittedGate]
    seen: TierTable

    def table(self, outcomes: Outcomes, inputs: Floats, tiers: Sequence[str], cost: Floats) -> TierTable:
        """Return what the tiers would do on rows that took no part in the fits."""
        return TierTable(
            good=np.column_stack([outcomes.measure("correct", tier) for tier in tiers]),
            cost=cost,
            prior=np.column_stack([sigmoid(prior.log_odds(inputs)) for prior in self.priors]),
            posterior=np.column_stack(
                [
                    score_gate(gate.calibration, gate_rows(outcomes, tier))
                    for gate, tier in zip(self.gates, tiers, strict=True)
                ]
            ),
            has_signal=self.seen.has_signal,
        )


def evaluate_cascade(
    outcomes: Outcomes,
    tiers: Sequence[str],
    calibration: Outcomes | None = None,
    *,
    costs: Sequence[float] | None = None,
    seed: int = SEED,
) -> CascadeReport:
    """Evaluate routing, cascading and both over the tiers.

    Args:
        outcomes: Rows to evaluate on; those in which every tier was run count.
        tiers: Names, cheapest first.
        calibration: Rows to fit on; None to fit on the other folds of `outcomes`.
        costs: Cost of a call per tier; None to read `cost_usd|TIER`, or to assume a ratio of 4 between neighbours.
        seed: Seed of everything drawn at random.

    Raises:
        OutcomeTableError: A tier is missing, there are too few or too many of them, or too few rows.
    """
    _check(outcomes, tiers)
    table = outcomes.take(outcomes.rows_run_on(tiers))
    inputs = prompt_inputs(table.prompts)
    cost, origin = _costs(table, tiers, costs)
    fit_on = table if calibration is None else calibration.take(calibration.rows_run_on(tiers))
    _check_rows(fit_on)
    if calibration is None:
        evaluated, sweeps = _cross_fit(table, inputs, tiers, cost, seed=seed)
    else:
        fit_cost, fit_origin = _costs(fit_on, tiers, costs)
        if fit_origin != origin:
            fit_cost = np.tile(cost.mean(axis=0), (len(fit_on), 1))
        model = fit_cascade(fit_on, prompt_inputs(fit_on.prompts), tiers, fit_cost, seed=seed)
        evaluated = model.table(table, inputs, tiers, cost)
        sweeps = sweep_prices(model.seen, evaluated)
    return CascadeReport(
        tiers=tuple(tiers),
        costs=cost.mean(axis=0),
        costs_from=origin,
        calibration="cross-fitted" if calibration is None else "file",
        calibration_n=len(fit_on),
        table=evaluated,
        sweeps=sweeps,
    )


def fit_cascade(
    outcomes: Outcomes, inputs: Floats, tiers: Sequence[str], cost: Floats, *, seed: int = SEED
) -> CascadeModel:
    """Fit priors and gates of all tiers.

    Args:
        outcomes: Calibration rows, every tier run in each.
        inputs: `prompt_prior.prompt_inputs` of them.
        tiers: Names, cheapest first.
        cost: Cost of each call, shape (n, K).
        seed: Seed of folds and bootstrap samples.
    """
    goods = [outcomes.measure("correct", tier) for tier in tiers]
    priors = [fit_prompt_prior(inputs, good, seed=seed) for good in goods]
    rows = [gate_rows(outcomes, tier) for tier in tiers]
    gates = [fit_gate(row, good, seed=seed) for row, good in zip(rows, goods, strict=True)]
    signals = tuple(bool(np.isfinite(row.confidence).any() or np.isfinite(row.answer).any()) for row in rows)
    seen = TierTable(
        good=np.column_stack(goods),
        cost=cost,
        prior=np.column_stack([sigmoid(prior.left_out) for prior in priors]),
        posterior=np.column_stack([gate.left_out for gate in gates]),
        has_signal=signals,
    )
    return CascadeModel(priors=priors, gates=gates, seen=seen)


def _check(outcomes: Outcomes, tiers: Sequence[str]) -> None:
    if len(tiers) < LEAST_TIERS or len(tiers) > MAX_TIERS or len(set(tiers)) != len(tiers):
        problem = f"{list(tiers)!r} are not two to {MAX_TIERS} different tiers"
        raise OutcomeTableError(outcomes.file, "--tiers", problem, "name them cheapest first, joined by commas")


def _check_rows(outcomes: Outcomes) -> None:
    if len(outcomes) < LEAST_ROWS:
        problem = f"only {len(outcomes)} rows have an outcome of every tier"
        raise OutcomeTableError(outcomes.file, "", problem, f"give at least {LEAST_ROWS} to fit on")


def _costs(table: Outcomes, tiers: Sequence[str], given: Sequence[float] | None) -> tuple[Floats, str]:
    """Return the cost of each call, shape (n, K), and where it is from."""
    if given is not None:
        if len(given) != len(tiers) or min(given) < 0:
            fix = "give one number per tier, joined by commas"
            raise OutcomeTableError(table.file, "--costs", f"{list(given)!r} does not fit {list(tiers)!r}", fix)
        return np.tile(np.array(given, dtype=np.float64), (len(table), 1)), "given"
    columns = np.column_stack([table.measure("cost_usd", tier) for tier in tiers])
    if np.isfinite(columns).any(axis=0).all():
        return np.where(np.isfinite(columns), columns, np.nanmean(columns, axis=0)), "table"
    return np.tile(ASSUMED_RATIO ** np.arange(len(tiers)), (len(table), 1)), "assumed"


def sweep_prices(seen: TierTable, evaluated: TierTable, prices: Floats | None = None) -> dict[str, Sweep]:
    """Fit every strategy at every price on the calibration rows and run it on the others.

    Args:
        seen: Calibration rows.
        evaluated: Rows to run the fitted policies on.
        prices: Prices, rising; None for `prices_around` the calibration rows.
    """
    prices = prices_around(seen) if prices is None else prices
    sweeps: dict[str, Sweep] = {}
    strategies: tuple[Strategy, ...] = get_args(Strategy)
    for strategy in strategies:
        runs = [fit_policy(seen, strategy, price).run(evaluated) for price in prices.tolist()]
        sweeps[_NAMES[strategy]] = Sweep(
            prices=prices, cost=np.array([run[0] for run in runs]), good=np.array([run[1] for run in runs])
        )
    settings = list(sweeps.values())
    del sweeps["climb"]
    sweeps["both"] = Sweep(
        prices=np.concatenate([one.prices for one in settings]),
        cost=np.concatenate([one.cost for one in settings]),
        good=np.concatenate([one.good for one in settings]),
    )
    return sweeps


def prices_around(table: TierTable) -> Floats:
    """Return the prices of a sweep, rising: from 0 to one that no gain is worth.

    They lie densest around what a unit of cost buys between neighbouring tiers: there a policy's choices change.
    """
    cost, good = table.cost.mean(axis=0), table.good.mean(axis=0)
    bought = [
        (good[place + 1] - good[place]) / (cost[place + 1] - cost[place])
        for place in range(table.tiers - 1)
        if cost[place + 1] > cost[place] and good[place + 1] > good[place]
    ]
    dearest = float(cost.max()) or 1.0
    around = np.multiply.outer(bought or [0.1 / dearest], _AROUND).ravel()
    return np.unique(np.concatenate([[0.0], around, [_NEVER / dearest]]))


def _cross_fit(
    table: Outcomes, inputs: Floats, tiers: Sequence[str], cost: Floats, *, seed: int
) -> tuple[TierTable, dict[str, Sweep]]:
    """Evaluate every row by fits on the other folds."""
    everything = np.column_stack([table.measure("correct", tier) for tier in tiers])
    flat = np.full_like(everything, 0.5)
    signals = (True,) * len(tiers)
    prices = prices_around(TierTable(good=everything, cost=cost, prior=flat, posterior=flat, has_signal=signals))
    parts: list[tuple[Indices, TierTable, dict[str, Sweep]]] = []
    for fitted, held in left_out(table.measure("correct", tiers[0]), FOLDS, seed=seed + 2):
        model = fit_cascade(table.take(fitted), inputs[fitted], tiers, cost[fitted], seed=seed)
        evaluated = model.table(table.take(held), inputs[held], tiers, cost[held])
        parts.append((held, evaluated, sweep_prices(model.seen, evaluated, prices)))
    order = np.argsort(np.concatenate([held for held, _, _ in parts]))
    tables = [evaluated for _, evaluated, _ in parts]
    whole = TierTable(
        good=np.concatenate([one.good for one in tables])[order],
        cost=np.concatenate([one.cost for one in tables])[order],
        prior=np.concatenate([one.prior for one in tables])[order],
        posterior=np.concatenate([one.posterior for one in tables])[order],
        has_signal=tables[0].has_signal,
    )
    sweeps = {
        name: Sweep(
            prices=parts[0][2][name].prices,
            cost=np.concatenate([one[name].cost for _, _, one in parts], axis=1)[:, order],
            good=np.concatenate([one[name].good for _, _, one in parts], axis=1)[:, order],
        )
        for name in parts[0][2]
    }
    return whole, sweeps


def _curve(sweep: Sweep) -> list[dict[str, float]]:
    """Return the points of a sweep."""
    cost, quality = sweep.cost.mean(axis=1).tolist(), sweep.good.mean(axis=1).tolist()
    return [
        {"price": price, "cost": one, "quality": other}
        for price, one, other in zip(sweep.prices.tolist(), cost, quality, strict=True)
    ]


def _interval(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else {"value": interval.value, "low": interval.low, "high": interval.high}
