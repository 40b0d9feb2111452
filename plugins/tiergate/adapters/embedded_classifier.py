"""Intent classifier in this process: linear heads on the shared vector and surface features."""

from collections.abc import Mapping
from itertools import starmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiergate.artifact import Artifact
from tiergate.artifact_format import MANIFEST, TierCalibration
from tiergate.errors import ArtifactError, ClassifierError
from tiergate.policy.domain_heads import DomainHeads
from tiergate.policy.features import FEATURES
from tiergate.ports import Classification, Vector


class EmbeddedClassifier:
    """Scores prompts with a loaded artifact (port `IntentClassifier`).

    A classification takes some tens of microseconds and runs on the event loop. Everything is in memory:
    the artifact's folder may go away.

    Scores and lower bounds never fall from a tier to a stronger one: each takes the highest value of the
        tiers up to it
    (the ordinal reading of Frank and Hall, "A Simple Approach to Ordinal Classification", ECML 2001).

    Args:
        artifact: What to score with.
        own_domains: Heads of the domains that policy.yaml names by examples.

    Raises:
        ArtifactError: The artifact reads a surface feature that this version does not compute.
    """

    kind = "embedded"

    def __init__(self, artifact: Artifact, own_domains: DomainHeads | None = None) -> None:
        unknown = set(artifact.manifest.features) - set(FEATURES)
        if unknown:
            problem = f"{sorted(unknown)!r} are no surface features of this version of tiergate"
            raise ArtifactError(MANIFEST, "features", problem, "train the artifact with this version")
        self._artifact = artifact
        self._own = own_domains
        reference = artifact.reference
        self._reference = np.zeros((0, 0)) if reference is None else reference.vectors.astype(np.float32)
        self._flags = artifact.calibration.domains
        self._flag_places = [artifact.manifest.features.index(name) for name in self._flags.flag_features]
        self._dimensions = artifact.manifest.encoder.dimensions
        self._calibrations = [_Curve(artifact.calibration.tiers[tier]) for tier in artifact.tiers]
        self._temperature = artifact.calibration.domains.temperature
        own_cuts = own_domains.cuts if own_domains is not None else {}
        self.cuts = Classification(
            scores={},
            lower_bounds={},
            domains={},
            domain_cuts={**artifact.calibration.domains.min_scores, **own_cuts},
            tier_cuts={name: cut.cut for name, cut in artifact.calibration.cuts.items()},
            cut_qualities={name: cut.min_quality for name, cut in artifact.calibration.cuts.items()},
        )
        """A classification that holds the cuts alone."""

    @property
    def digest(self) -> str:
        """Digest of the artifact."""
        return self._artifact.digest

    @property
    def tiers(self) -> tuple[str, ...]:
        """Tiers the artifact scores, cheapest first."""
        return self._artifact.tiers

    @property
    def domains(self) -> tuple[str, ...]:
        """Domains that get a score."""
        own = self._own.cuts if self._own is not None else ()
        return (*self._artifact.domains, *(name for name in own if name not in self._artifact.domains))

    async def classify(self, vector: Vector, features: Mapping[str, float], prompt: str) -> Classification:
        """Score one prompt.

        Args:
            vector: The prompt's embedding, shape (dimensions,), by the encoder that the artifact names.
            features: Surface features of `policy.features`.
            prompt: Not read.

        Raises:
            ClassifierError: The vector has another shape, a feature is missing, or a number is not finite.
        """
        del prompt
        return self.score(vector, features)

    def score(self, vector: Vector, features: Mapping[str, float]) -> Classification:
        """Score one prompt without an event loop; see `classify`.

        Raises:
            ClassifierError: As `classify`.
        """
        if vector.shape != (self._dimensions,):
            raise ClassifierError(
                f"the vector has shape {vector.shape}, the artifact was trained on ({self._dimensions},)"
            )
        try:
            values = np.array([features[name] for name in self._artifact.manifest.features], dtype=np.float32)
        except KeyError as exc:
            raise ClassifierError(f"the artifact needs the feature {exc}, which was not given") from exc
        with np.errstate(invalid="ignore", over="ignore"):  # the next line looks at what came out
            tier_log_odds, domain_logits = self._artifact.head.log_odds(vector[np.newaxis], values[np.newaxis])
        if not (np.isfinite(tier_log_odds).all() and np.isfinite(domain_logits).all()):
            raise ClassifierError("a score is not finite; the vector or a feature is not finite")
        pairs = starmap(_Curve.at, zip(self._calibrations, tier_log_odds[0], strict=True))
        scores, bounds = np.maximum.accumulate(np.array(list(pairs)), axis=0).T.tolist()
        domains = dict(zip(self._artifact.domains, self._softmax(domain_logits[0]).tolist(), strict=True))
        extra = self._artifact.head.flag_inputs(values[np.newaxis], self._flag_places, self._flags.flag_gain)
        flags = self._artifact.head.flag_log_odds(vector[np.newaxis], self._reference, self._flags.flag_width, extra)[0]
        domains |= dict(zip(self._artifact.calibration.domains.flags, _sigmoid(flags).tolist(), strict=True))
        if self._own is not None:
            domains |= self._own.scores(vector)
        return Classification(
            scores=dict(zip(self.tiers, scores, strict=True)),
            lower_bounds=dict(zip(self.tiers, bounds, strict=True)),
            domains=domains,
            domain_cuts=self.cuts.domain_cuts,
            tier_cuts=self.cuts.tier_cuts,
            cut_qualities=self.cuts.cut_qualities,
        )

    def _softmax(self, logits: NDArray[np.float32]) -> NDArray[np.float64]:
        scaled = logits.astype(np.float64) / self._temperature
        weights = np.exp(scaled - scaled.max())
        return np.asarray(weights / weights.sum(), dtype=np.float64)

    async def aclose(self) -> None:
        """Nothing is held open."""


def _sigmoid(log_odds: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(log_odds.astype(np.float64), -35.0, 35.0))))


class _Curve:
    """A tier's calibration as arrays."""

    def __init__(self, calibration: TierCalibration) -> None:
        self._knots = np.array(calibration.knots)
        self._probability = np.array(calibration.probability)
        self._lower_bound = np.array(calibration.lower_bound)

    def at(self, log_odds: float) -> tuple[float, float]:
        """Return P(good enough) and its lower bound."""
        return (
            float(np.interp(log_odds, self._knots, self._probability)),
            float(np.interp(log_odds, self._knots, self._lower_bound)),
        )
