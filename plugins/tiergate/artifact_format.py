"""What stands in the files of a classifier artifact, and which values are allowed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

FORMAT_VERSION = 1
MANIFEST = "manifest.json"
HEAD = "head.safetensors"
CALIBRATION = "calibration.json"
CARD = "card.md"
PAYLOAD = (HEAD, CALIBRATION, CARD)
REFERENCE_VECTORS = "reference.safetensors"
REFERENCE_LABELS = "reference.json"
REFERENCE = (REFERENCE_VECTORS, REFERENCE_LABELS)
"""Files that an artifact may have: both or none."""

_FEATURE_LIMIT = 4.0

Array = NDArray[np.float32]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]
Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]


def labels_of(tiers: Sequence[str], domains: Sequence[str]) -> tuple[str, ...]:
    """Return what each row of the heads predicts, in order."""
    return (*(f"good_enough/{tier}" for tier in tiers), *(f"domain/{domain}" for domain in domains))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Encoder(_Frozen):
    """The encoder whose vectors the heads were trained on.

    Attributes:
        digest: `Embedder.digest` of it. Another encoder's vectors mean nothing to the heads.
        dimensions: Length of its vectors.
    """

    digest: Name
    dimensions: Annotated[int, Field(gt=0)]


class TrainingData(_Frozen):
    """One data set that the artifact was trained from.

    Attributes:
        name: What it is called.
        digest: SHA-256 over its files.
        licence: SPDX identifier.
        rows: Number of its rows.
    """

    name: Name
    digest: Digest
    licence: Name
    rows: Annotated[int, Field(gt=0)]


class Metric(_Frozen):
    """One figure, measured on rows that took no part in training or calibration.

    Attributes:
        name: What was measured.
        value: The figure.
        n: Rows behind it.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
    """

    name: Name
    value: Finite
    n: Annotated[int, Field(ge=0)]
    low: Finite
    high: Finite


class Manifest(_Frozen):
    """manifest.json.

    Attributes:
        format_version: Version of this layout.
        created_at: ISO 8601 time in UTC.
        method: How the heads were trained and calibrated, in a sentence.
        labels: What each row of the heads predicts, in order: `good_enough/TIER` and then `domain/DOMAIN`.
        tiers: Tiers, cheapest first.
        domains: Domains.
        features: Surface features after the vector, in order.
        encoder: The encoder.
        training_data: Data sets.
        metrics: Figures on held-out rows.
        files: SHA-256 of every other file, by name.
    """

    format_version: Literal[1]
    created_at: Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")]
    method: Name
    labels: tuple[Name, ...]
    tiers: Annotated[tuple[Name, ...], Field(min_length=2)]
    domains: Annotated[tuple[Name, ...], Field(min_length=1)]
    features: tuple[Name, ...]
    encoder: Encoder
    training_data: tuple[TrainingData, ...]
    metrics: tuple[Metric, ...]
    files: Mapping[str, Digest]

    @model_validator(mode="after")
    def _names_agree(self) -> Self:
        if self.labels != labels_of(self.tiers, self.domains):
            message = "labels are not good_enough/TIER and domain/DOMAIN in the order of tiers and domains"
            raise ValueError(message)
        for names in (self.labels, self.features):
            if len(set(names)) != len(names):
                message = f"{names!r} holds a name twice"
                raise ValueError(message)
        if set(self.files) not in ({*PAYLOAD}, {*PAYLOAD, *REFERENCE}):
            message = f"files must name exactly {PAYLOAD!r}, and both or none of {REFERENCE!r}"
            raise ValueError(message)
        return self


class TierCalibration(_Frozen):
    """Maps a tier head's log-odds to probabilities: linear between knots, constant outside.

    Any monotone calibration fits this shape: Platt's sigmoid on a grid, isotonic steps, a constant.

    Attributes:
        knots: Log-odds, strictly rising.
        probability: P(good enough) at each knot, not falling.
        lower_bound: Lower confidence bound of it at each knot, not falling, never above it.
    """

    knots: Annotated[tuple[Finite, ...], Field(min_length=1)]
    probability: tuple[Probability, ...]
    lower_bound: tuple[Probability, ...]

    @model_validator(mode="after")
    def _is_monotone(self) -> Self:
        if not len(self.knots) == len(self.probability) == len(self.lower_bound):
            message = "knots, probability and lower_bound differ in length"
            raise ValueError(message)
        if np.any(np.diff(self.knots) <= 0):
            message = "knots do not rise"
            raise ValueError(message)
        if np.any(np.diff(self.probability) < 0) or np.any(np.diff(self.lower_bound) < 0):
            message = "probability or lower_bound falls"
            raise ValueError(message)
        if np.any(np.subtract(self.lower_bound, self.probability) > 0):
            message = "lower_bound is above probability"
            raise ValueError(message)
        return self


class DomainCalibration(_Frozen):
    """Calibration of the domain head.

    Attributes:
        temperature: What the head's outputs are divided by before the softmax.
        min_scores: Per domain the cut that kept the recall asked for on the calibration rows: a prompt
            may belong to the domain from this P(domain) on, though another is more probable. Domains
            without a cut go by the most probable one.
        flags: Domains with a yes-or-no head of their own, in the order of its rows; their score is that head's,
            not the softmax's.
        flag_width: Of those heads: what a squared distance between vectors is multiplied by in the kernel.
        flag_features: Surface features that those heads read beside the vector; their distances count too.
        flag_gain: Of those heads: what a standardised feature is multiplied by before distances are taken.
    """

    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    min_scores: Mapping[str, Probability]
    flags: tuple[Name, ...] = ()
    flag_width: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0
    flag_features: tuple[Name, ...] = ()
    flag_gain: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0


class RouteCut(_Frozen):
    """The cut of a tier that risk control chose on held-out rows.

    Attributes:
        min_quality: Share of good answers that was to be met.
        confidence: One-sided level at which it is met.
        cut: Least lower bound from which it is met; None when no cut meets it, so that the tier is not used.
        n: Held-out rows at or above the cut.
        failures: Those of them for which the tier was not good enough.
    """

    min_quality: Probability
    confidence: Annotated[float, Field(gt=0, lt=1)]
    cut: Probability | None
    n: Annotated[int, Field(ge=0)]
    failures: Annotated[int, Field(ge=0)]


class ReferenceLabels(_Frozen):
    """reference.json: what is known of the prompts in reference.safetensors, R of them.

    Attributes:
        ids: Identifiers.
        tiers: Tier of each, empty where it has none.
        domains: Domain of each.
    """

    ids: tuple[Name, ...]
    tiers: tuple[str, ...]
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Reference:
    """Training prompts as vectors: neighbours for an explanation, and what is not a new domain.

    Attributes:
        labels: What is known of them.
        vectors: float16, shape (R, D).
    """

    labels: ReferenceLabels
    vectors: NDArray[np.float16]


class Calibration(_Frozen):
    """calibration.json.

    Attributes:
        confidence: One-sided level of the lower bounds.
        tiers: Calibration of each tier, by name.
        domains: Calibration of the domain head.
        cuts: What risk control found, by tier; tiers without an entry go by their lower bound alone.
    """

    confidence: Annotated[float, Field(gt=0, lt=1)]
    tiers: Mapping[str, TierCalibration]
    domains: DomainCalibration
    cuts: Mapping[str, RouteCut] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Head:
    """Linear heads on [vector, (features - mean) / scale].

    T tiers, K domains, D dimensions of the vector, F features; all float32.

    Attributes:
        tier_weight: Shape (T, D + F).
        tier_bias: Shape (T,).
        domain_weight: Shape (K, D + F).
        domain_bias: Shape (K,).
        feature_mean: Shape (F,).
        feature_scale: Shape (F,), above 0.
        flag_weight: Shape (L, R), one row per yes-or-no domain of `DomainCalibration.flags` with a weight for each
            vector of the reference; None without.
        flag_bias: Shape (L,); None without.
        flag_extra: Shape (R, J), what `DomainCalibration.flag_features` are for each reference, standardised, clipped
            and multiplied by the gain; None when those heads read the vector alone.
    """

    tier_weight: Array
    tier_bias: Array
    domain_weight: Array
    domain_bias: Array
    feature_mean: Array
    feature_scale: Array
    flag_weight: Array | None = None
    flag_bias: Array | None = None
    flag_extra: Array | None = None

    def tensors(self) -> dict[str, Array]:
        """Return the tensors by name, in C order: safetensors writes memory as it lies."""
        held = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: np.ascontiguousarray(tensor) for name, tensor in held.items() if tensor is not None}

    def log_odds(self, vectors: NDArray[Any], features: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the heads' outputs before calibration: tiers, shape (n, T), and domains, shape (n, K).

        Standardised features are clipped to +-4, so that a prompt unlike any trained on cannot run away.

        Args:
            vectors: Shape (n, D).
            features: Shape (n, F), in the manifest's order.
        """
        inputs = self._inputs(vectors, features)
        return inputs @ self.tier_weight.T + self.tier_bias, inputs @ self.domain_weight.T + self.domain_bias

    def flag_log_odds(
        self, vectors: NDArray[Any], reference: NDArray[Any], width: float, extra: NDArray[Any] | None = None
    ) -> NDArray[Any]:
        """Return the log-odds of each yes-or-no domain, shape (n, L); L is 0 without such heads.

        A kernel machine: weights times exp(-width * squared distance) to each reference vector.

        Args:
            vectors: Unit length, shape (n, D).
            reference: Unit length, shape (R, D).
            width: `DomainCalibration.flag_width`.
            extra: What `flag_inputs` gives, shape (n, J); read when the heads have `flag_extra`.
        """
        if self.flag_weight is None or self.flag_bias is None:
            return np.zeros((len(vectors), 0))
        apart = 2 - 2 * (vectors @ reference.T)
        if self.flag_extra is not None and extra is not None:
            own, theirs = (extra**2).sum(axis=1), (self.flag_extra**2).sum(axis=1)
            apart = apart + own[:, None] + theirs - 2 * (extra @ self.flag_extra.T)
        near = np.exp(-width * apart)
        return np.asarray(near @ self.flag_weight.T + self.flag_bias)

    def flag_inputs(self, features: NDArray[Any], places: Sequence[int], gain: float) -> NDArray[Any]:
        """Return what the yes-or-no heads read of features, shape (n, J).

        Args:
            features: Surface features, shape (n, F), in the manifest's order.
            places: Of `DomainCalibration.flag_features` in that order.
            gain: `DomainCalibration.flag_gain`.
        """
        standard = (features - self.feature_mean) / self.feature_scale
        return np.asarray(np.clip(standard, -_FEATURE_LIMIT, _FEATURE_LIMIT)[:, list(places)] * gain)

    def _inputs(self, vectors: NDArray[Any], features: NDArray[Any]) -> NDArray[Any]:
        standard = (features - self.feature_mean) / self.feature_scale
        return np.concatenate([vectors, np.clip(standard, -_FEATURE_LIMIT, _FEATURE_LIMIT)], axis=1)
