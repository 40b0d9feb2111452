import numpy as np
import pytest

pytest.importorskip("scipy", reason="needs the extra [train]")

from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate_classifier.recalibrate import recalibrate, slice_errors
from tiergate_classifier.routing_metrics import calibration_error


def test_probabilities_fit_a_workload_that_the_artifact_has_not_seen() -> None:
    artifact = load_artifact(builtin_artifact_path())
    assert artifact.reference is not None
    random = np.random.default_rng(0)
    vectors = artifact.reference.vectors.astype(np.float32)[random.integers(0, 1500, 1500)]
    features = np.tile(artifact.head.feature_mean, (1500, 1))
    chance = 1 / (1 + np.exp(-(0.5 + 6 * vectors[:, 3])))
    good = (random.random(1500) < chance).astype(float)

    head, calibration = recalibrate(artifact, vectors[:500], features[:500], {"simple": good[:500]})

    log_odds = head.log_odds(vectors[500:], features[500:])[0][:, 0].astype(float)
    curve = calibration.tiers["simple"]
    said = np.interp(log_odds, curve.knots, curve.probability)
    assert calibration_error(said, good[500:]) <= 0.05
    assert calibration.tiers["medium"] == artifact.calibration.tiers["medium"]


def test_an_unknown_tier_is_refused() -> None:
    artifact = load_artifact(builtin_artifact_path())
    with pytest.raises(ValueError, match="no tier of the artifact"):
        recalibrate(
            artifact, np.zeros((20, 384)), np.zeros((20, len(artifact.manifest.features))), {"nope": np.zeros(20)}
        )


def test_only_slices_with_enough_rows_are_reported() -> None:
    n = 1200
    said = np.linspace(0, 1, n)

    names = {
        one.name: one.n
        for one in slice_errors(said, said, domains=("law",) * 600 + (None,) * 600, characters=np.arange(n) * 1.0)
    }

    assert names == {"all": 1200, "domain/law": 600}
