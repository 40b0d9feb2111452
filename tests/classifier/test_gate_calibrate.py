"""Noise is not mixed in, what helps is; rows without a confidence are calibrated too."""

import numpy as np
import pytest

pytest.importorskip("sklearn")

from tiergate.policy.answer_features import ANSWER_FEATURES
from tiergate.policy.gate_calibration import dump_gate_calibration, parse_gate_calibration
from tiergate_classifier.gate_calibrate import (
    GateRows,
    answer_matrix,
    build_calibration,
    fit_gate,
    score_gate,
)
from tiergate_classifier.routing_metrics import auroc, calibration_error

N, FITTED = 4000, np.arange(500)
HELD = np.arange(500, N)


def _world(*, seed: int = 0, helpful: float = 0.0, missing: float = 0.0) -> tuple[GateRows, np.ndarray]:
    """Answers whose confidence, and as far as `helpful` whose prior and text, tell of their goodness."""
    generator = np.random.default_rng(seed)
    seen, hidden = generator.normal(size=N), generator.normal(size=N)
    good = (generator.random(N) < 1 / (1 + np.exp(-(0.3 + 1.2 * seen + 1.0 * hidden)))).astype(float)
    confidence = 1 / (1 + np.exp(-seen - 2))
    confidence[generator.random(N) < missing] = np.nan
    text = generator.normal(size=(N, len(ANSWER_FEATURES)))
    text[:, 7] += helpful * 3 * hidden
    prior = helpful * hidden + (1 - helpful) * generator.normal(size=N)
    return GateRows(confidence=confidence, prior=prior, answer=text), good


@pytest.mark.parametrize("seed", range(4))
def test_noise_is_not_mixed_in(seed: int) -> None:
    rows, good = _world(seed=seed)
    gate = fit_gate(rows.take(FITTED), good[FITTED])
    scores = score_gate(gate.calibration, rows.take(HELD))
    raw = auroc(rows.confidence[HELD], good[HELD]) or 0
    assert (auroc(scores, good[HELD]) or 0) >= raw - 0.01
    assert calibration_error(scores, good[HELD]) <= 0.04


def test_evidence_that_helps_is_mixed_in() -> None:
    rows, good = _world(helpful=1.0)
    gate = fit_gate(rows.take(FITTED), good[FITTED])
    scores = score_gate(gate.calibration, rows.take(HELD))
    assert gate.evidence
    assert (auroc(scores, good[HELD]) or 0) > (auroc(rows.confidence[HELD], good[HELD]) or 0) + 0.03
    assert calibration_error(scores, good[HELD]) <= 0.04


@pytest.mark.parametrize("missing", [0.05, 0.3, 0.6, 1.0])
def test_rows_without_a_confidence_are_calibrated(missing: float) -> None:
    rows, good = _world(helpful=0.5, missing=missing)
    gate = fit_gate(rows.take(FITTED), good[FITTED])
    scores = score_gate(gate.calibration, rows.take(HELD))
    gone = ~np.isfinite(rows.confidence[HELD])
    assert calibration_error(scores, good[HELD]) <= 0.04
    assert abs(scores[gone].mean() - good[HELD][gone].mean()) < 0.08
    assert gate.calibration.n_without_confidence == int((~np.isfinite(rows.confidence[FITTED])).sum())
    assert gate.calibration.without_confidence.spread > gate.calibration.with_confidence.spread


def test_what_was_left_out_scores_like_what_was_never_seen() -> None:
    rows, good = _world(helpful=0.5, missing=0.2)
    gate = fit_gate(rows.take(FITTED), good[FITTED])
    unseen = auroc(score_gate(gate.calibration, rows.take(HELD)), good[HELD]) or 0
    assert (auroc(gate.left_out, good[FITTED]) or 0) == pytest.approx(unseen, abs=0.05)


@pytest.mark.parametrize("n", [1, 5, 30, 60])
def test_a_handful_of_outcomes_gives_a_valid_file(n: int) -> None:
    rows, good = _world(missing=0.3)
    some = np.arange(n)
    group = fit_gate(rows.take(some), good[some]).calibration
    whole = build_calibration({"cheap": group}, b"rows")
    assert parse_gate_calibration(dump_gate_calibration(whole), "f") == whole


def test_an_answer_that_is_absent_has_no_features() -> None:
    table = answer_matrix(["It is B.", None], ["why", "why"])
    assert np.isfinite(table[0]).all()
    assert np.isnan(table[1]).all()
    assert answer_matrix([], []).shape == (0, len(ANSWER_FEATURES))
