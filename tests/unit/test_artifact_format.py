from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from tiergate.artifact_format import Head, TierCalibration, labels_of


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"knots": (0.0,)}, "differ in length"),
        ({"knots": (1.0, 1.0)}, "do not rise"),
        ({"probability": (0.9, 0.5)}, "falls"),
        ({"lower_bound": (0.4, 0.3)}, "falls"),
        ({"lower_bound": (0.1, 0.95)}, "above probability"),
        ({"probability": (0.2, 1.2)}, "less than or equal to 1"),
        ({"probability": (0.2, float("nan"))}, "nan|finite"),
        ({"knots": (0.0, float("inf"))}, "finite"),
    ],
)
def test_a_calibration_that_cannot_be_right_is_refused(changes: dict[str, Any], message: str) -> None:
    fields: dict[str, Any] = {"knots": (0.0, 1.0), "probability": (0.2, 0.9), "lower_bound": (0.1, 0.8)}
    TierCalibration(**fields)

    with pytest.raises(ValidationError, match=message):
        TierCalibration(**fields | changes)


def test_labels_name_tiers_and_then_domains() -> None:
    assert labels_of(["a", "b"], ["x"]) == ("good_enough/a", "good_enough/b", "domain/x")


def test_log_odds_standardise_and_clip_the_features() -> None:
    head = Head(
        tier_weight=np.array([[1, 10], [0, 0]], np.float32),
        tier_bias=np.array([0.5, 0], np.float32),
        domain_weight=np.array([[0, 1]], np.float32),
        domain_bias=np.zeros(1, np.float32),
        feature_mean=np.array([2], np.float32),
        feature_scale=np.array([0.5], np.float32),
    )

    tiers, domains = head.log_odds(np.array([[3.0], [3.0]]), np.array([[2.5], [1000.0]]))

    np.testing.assert_allclose(tiers, [[3 + 10 + 0.5, 0], [3 + 40 + 0.5, 0]])
    np.testing.assert_allclose(domains, [[1], [4]])


def test_a_domain_machine_reads_features_beside_the_vector() -> None:
    head = Head(
        tier_weight=np.zeros((1, 3), np.float32),
        tier_bias=np.zeros(1, np.float32),
        domain_weight=np.zeros((1, 3), np.float32),
        domain_bias=np.zeros(1, np.float32),
        feature_mean=np.array([2], np.float32),
        feature_scale=np.array([0.5], np.float32),
        flag_weight=np.array([[1.0]], np.float32),
        flag_bias=np.array([0.25], np.float32),
        flag_extra=np.array([[0.5]], np.float32),
    )
    vector, reference = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
    extra = head.flag_inputs(np.array([[3.0]]), [0], 0.5)

    np.testing.assert_allclose(extra, [[1.0]])
    near = np.exp(-0.3 * (2 + 0.5**2))
    np.testing.assert_allclose(head.flag_log_odds(vector, reference, 0.3, extra), [[near + 0.25]])
