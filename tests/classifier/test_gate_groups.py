"""Every tier's model group is calibrated on the outcomes of its tier, with the prior that is served."""

from dataclasses import replace

import numpy as np
import pytest

from tiergate.settings import Policy
from tiergate_classifier.gate_groups import LEAST_ROWS, calibrate_groups
from tiergate_classifier.outcomes import Outcomes, OutcomeTableError

POLICY = Policy.model_validate(
    {"tiers": [{"name": name, "model_group": f"tier-{name}"} for name in ("simple", "medium", "frontier")]}
)


def table(rows: int = 400, *, scale: float = 1.0, strong_rows: int | None = None) -> Outcomes:
    """Simple answers are good with the probability that is the square of their confidence."""
    rng = np.random.default_rng(7)
    confidence = rng.uniform(0.3, 1.0, rows)
    strong = (rng.uniform(size=rows) < 0.95).astype(float)
    strong[strong_rows if strong_rows is not None else rows :] = np.nan
    return Outcomes(
        file="t.csv",
        tiers=("simple", "frontier"),
        ids=tuple(map(str, range(rows))),
        prompts=("What is it?",) * rows,
        domains=(None,) * rows,
        sessions=(None,) * rows,
        numbers={
            ("correct", "simple"): (rng.uniform(size=rows) < confidence**2).astype(float),
            ("confidence", "simple"): confidence * scale,
            ("correct", "frontier"): strong,
        },
    )


def test_a_group_of_each_tier_with_outcomes_and_cuts_between_neighbours() -> None:
    fitted = calibrate_groups(table(), POLICY, None, b"data")
    groups = fitted.calibration.groups
    assert set(groups) == {"tier-simple", "tier-frontier"}
    assert fitted.figures["tier-simple"].ece < 0.06
    assert groups["tier-simple"].score(0.5).probability == pytest.approx(0.25, abs=0.15)
    assert groups["tier-simple"].score(0.95).probability == pytest.approx(0.9, abs=0.1)
    assert groups["tier-simple"].escalate_below is not None
    assert groups["tier-frontier"].escalate_below is None
    assert fitted.to_json()["tier-frontier"]["n_without_confidence"] == 400
    assert fitted.calibration.data_digest != calibrate_groups(table(), POLICY, None, b"other").calibration.data_digest


def test_the_served_prior_counts_where_it_tells_something() -> None:
    known = table()
    good = known.measure("correct", "frontier")
    scores = [{"simple": 0.5, "frontier": 0.97 if one else 0.5} for one in good.tolist()]
    frontier = calibrate_groups(known, POLICY, scores, b"").calibration.groups["tier-frontier"]
    assert frontier.without_confidence.prior > 0
    without = [{"simple": 0.5}] * len(known)
    assert (
        calibrate_groups(known, POLICY, without, b"").calibration.groups["tier-frontier"].without_confidence.prior == 0
    )


def test_few_outcomes_leave_a_group_to_the_documented_prior() -> None:
    few = calibrate_groups(table(strong_rows=LEAST_ROWS - 1), POLICY, None, b"")
    assert set(few.calibration.groups) == {"tier-simple"}
    with pytest.raises(OutcomeTableError, match="correct"):
        calibrate_groups(table(rows=10), POLICY, None, b"")


def test_a_tier_without_a_neighbours_outcomes_suggests_no_cuts() -> None:
    rng = np.random.default_rng(1)
    known = table()
    apart = rng.uniform(size=len(known)) < 0.5
    numbers = dict(known.numbers)
    numbers["correct", "simple"] = np.where(apart, numbers["correct", "simple"], np.nan)
    numbers["correct", "frontier"] = np.where(apart, np.nan, numbers["correct", "frontier"])
    split = Outcomes(
        file=known.file, tiers=known.tiers, ids=known.ids, prompts=known.prompts, domains=known.domains,
        sessions=known.sessions, numbers=numbers,
    )  # fmt: skip
    assert calibrate_groups(split, POLICY, None, b"").calibration.groups["tier-simple"].escalate_below is None


def test_a_confidence_that_is_no_probability_is_refused() -> None:
    with pytest.raises(OutcomeTableError, match=r"confidence\|simple"):
        calibrate_groups(table(scale=100.0), POLICY, None, b"")


def test_what_the_answers_tell_is_kept_for_plans() -> None:
    fitted = calibrate_groups(table(), POLICY, None, b"")
    groups = fitted.calibration.groups
    assert groups["tier-simple"].answer_auroc == pytest.approx(fitted.figures["tier-simple"].auroc)
    assert groups["tier-simple"].answer_auroc == pytest.approx(0.77, abs=0.08)
    assert groups["tier-frontier"].answer_auroc == pytest.approx(0.5, abs=0.05), "no outcome of it has a confidence"


def test_outcomes_that_are_all_alike_tell_nothing_of_the_gate() -> None:
    known = table()
    alike = replace(known, numbers=known.numbers | {("correct", "simple"): np.ones(len(known))})
    assert calibrate_groups(alike, POLICY, None, b"").calibration.groups["tier-simple"].answer_auroc is None


def test_what_the_router_knew_before_is_not_counted_as_the_answers() -> None:
    known = table(2000)
    good = known.measure("correct", "simple")
    rng = np.random.default_rng(3)
    scores = [
        {"simple": float(one), "frontier": 0.9}
        for one in np.clip(0.5 + 0.3 * (good - 0.5) + rng.normal(0, 0.1, 2000), 0.05, 0.95)
    ]
    with_prior = calibrate_groups(known, POLICY, scores, b"")
    simple = with_prior.calibration.groups["tier-simple"]
    assert simple.with_confidence.prior > 0
    assert simple.answer_auroc is not None
    assert with_prior.figures["tier-simple"].auroc is not None
    assert simple.answer_auroc < with_prior.figures["tier-simple"].auroc - 0.05
    assert simple.answer_auroc == pytest.approx(0.77, abs=0.06)
