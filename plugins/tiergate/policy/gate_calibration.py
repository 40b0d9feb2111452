"""One number for an answer: P(the answer is good), calibrated per model group.

A raw confidence (say the mean token probability) orders a model's answers well but means nothing by itself:
0.95 of one model is right half of the time, of another always. A `GroupCalibration` maps it to log-odds along
strictly rising knots, so calibration never changes the order. To that it adds evidence that does not come from
the answer's tokens: the router's prior and the surface features of the answer's text, each with a weight that is
0 unless it helped on left-out outcomes (`tiergate_classifier.gate_calibrate` decides that).

An answer without a confidence has evidence of its own: the base rate of such answers, the prior, the text. Its score is
honest but wide: `low` and `high` span what the confidence could have said.

Until a group has outcomes, `confidence.PRIOR` speaks and `GateScore.calibrated` is False.
"""

import bisect
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tiergate.errors import ArtifactError
from tiergate.policy.answer_features import ANSWER_FEATURES
from tiergate.policy.confidence import PRIOR, measure_evidence

FORMAT_VERSION = 1

_REBUILD = "calibrate again with `tiergate calibrate gate`, or remove the file to use the documented prior"
_LEAST = 1e-15
_TAIL_SLOPE = 0.01
"""How fast the log-odds go on rising beyond the outermost knots: enough to keep the order, too little to add belief."""
_LIMIT = 35.0
_NORMAL_90 = 1.6449

Finite = Annotated[float, Field(allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Evidence(_Frozen):
    """What is added to the log-odds besides the confidence.

    Attributes:
        intercept: Added always.
        prior: Weight of the log-odds of the router's prior.
        prior_mean: Log-odds that stand in where the router gave no prior.
        answer: Weights of the answer's surface features, by name; a feature that is not named weighs 0.
        answer_mean: What stands in for the features where the text was not measured, by name.
        spread: Standard deviation of the log-odds around the truth: how unsure the score is.
    """

    intercept: Finite
    prior: Finite
    prior_mean: Finite
    answer: Mapping[Name, Finite]
    answer_mean: Mapping[Name, Finite] = Field(default_factory=dict)
    spread: Annotated[float, Field(ge=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _names_known_features(self) -> Self:
        strangers = {*self.answer, *self.answer_mean} - set(ANSWER_FEATURES)
        if strangers:
            message = f"{sorted(strangers)!r} are no features of an answer"
            raise ValueError(message)
        return self

    def log_odds(self, prior: float | None, answer: Mapping[str, float] | None) -> float:
        """Return the sum of the evidence.

        Args:
            prior: The router's P(good) of the tier before it answered; None when there is none.
            answer: The answer's surface features; None when they were not measured: then their means stand in.
        """
        belief = self.prior_mean if prior is None else _log_odds(prior)
        features = self.answer_mean if answer is None else answer
        text = math.fsum(weight * features.get(name, 0.0) for name, weight in self.answer.items())
        return self.intercept + self.prior * belief + text


class GroupCalibration(_Frozen):
    """The calibration of one model group.

    Attributes:
        method: How it was made.
        n: Outcomes behind it.
        n_without_confidence: Those among them that had no confidence.
        scale: Whether the raw confidence is a probability, whose log-odds the knots are places of, or any number.
        knots: Places on the scale of the confidence, strictly rising; empty when no outcome had a confidence.
        log_odds: Log-odds of a good answer at each knot, strictly rising.
        with_confidence: Evidence added where there is a confidence.
        without_confidence: Evidence that stands alone where there is none.
        escalate_below: Lower cut that the outcomes suggest; None when they suggest none.
        trust_from: Upper cut that the outcomes suggest; None when they suggest none.
        answer_auroc: How well what the answer tells beyond the router's prior orders good above bad answers, on
            left-out rows, .5 where they tell nothing; None when all outcomes are alike, and in earlier files.
    """

    method: Name
    n: Annotated[int, Field(ge=0)]
    n_without_confidence: Annotated[int, Field(ge=0)]
    scale: Literal["probability", "number"]
    knots: tuple[Finite, ...]
    log_odds: tuple[Finite, ...]
    with_confidence: Evidence
    without_confidence: Evidence
    escalate_below: Probability | None = None
    trust_from: Probability | None = None
    answer_auroc: Probability | None = None

    @model_validator(mode="after")
    def _keeps_the_order(self) -> Self:
        if len(self.knots) != len(self.log_odds):
            message = "knots and log_odds differ in length"
            raise ValueError(message)
        for values, name in ((self.knots, "knots"), (self.log_odds, "log_odds")):
            if any(right <= left for left, right in pairwise(values)):
                message = f"{name} do not rise strictly"
                raise ValueError(message)
        if self.escalate_below is not None and self.trust_from is not None and self.escalate_below > self.trust_from:
            message = "escalate_below is above trust_from"
            raise ValueError(message)
        return self

    def score(
        self, confidence: float | None, *, prior: float | None = None, answer: Mapping[str, float] | None = None
    ) -> "GateScore":
        """Return P(the answer is good).

        Args:
            confidence: The raw confidence; None when the provider gave none. One that is not finite counts as none.
            prior: The router's P(good) of the tier before it answered; None when there is none.
            answer: Surface features of the answer (`answer_features.answer_features_of`).
        """
        if confidence is None or not math.isfinite(confidence) or not self.knots:
            evidence, base = self.without_confidence, 0.0
        else:
            evidence, base = self.with_confidence, self.map_confidence(confidence)
        return _spanned(base + evidence.log_odds(prior, answer), evidence.spread, calibrated=True)

    def map_confidence(self, confidence: float) -> float:
        """Return the log-odds of a good answer at a raw confidence, before other evidence; strictly rising in it.

        Args:
            confidence: Finite. The calibration must have knots.
        """
        place = _log_odds(confidence) if self.scale == "probability" else confidence
        if place <= self.knots[0]:
            return self.log_odds[0] - _beyond(self.knots[0] - place)
        if place >= self.knots[-1]:
            return self.log_odds[-1] + _beyond(place - self.knots[-1])
        right = bisect.bisect_right(self.knots, place)
        share = (place - self.knots[right - 1]) / (self.knots[right] - self.knots[right - 1])
        return self.log_odds[right - 1] + share * (self.log_odds[right] - self.log_odds[right - 1])


class GateCalibration(_Frozen):
    """The calibrations of all model groups: the content of gate_calibration.json.

    Attributes:
        format_version: Version of this layout.
        data_digest: "sha256:" and the SHA-256 of the outcomes it was made from.
        groups: Calibration by model group.
    """

    format_version: Literal[1]
    data_digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
    groups: Mapping[Name, GroupCalibration]

    @property
    def digest(self) -> str:
        """SHA-256 of the file that holds it, after "sha256:"."""
        return f"sha256:{hashlib.sha256(dump_gate_calibration(self).encode()).hexdigest()}"

    def score(
        self,
        model_group: str,
        confidence: float | None,
        *,
        prior: float | None = None,
        answer: Mapping[str, float] | None = None,
    ) -> "GateScore":
        """Return P(the answer of a model group is good); the documented prior speaks for groups without outcomes."""
        group = self.groups.get(model_group)
        if group is None:
            return score_by_prior(confidence, prior=prior)
        return group.score(confidence, prior=prior, answer=answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class GateScore:
    """P(the answer is good) and how sure that is.

    Attributes:
        probability: P(good).
        low: Lower end of its 90 % interval.
        high: Upper end of it; without a confidence the two lie far apart.
        calibrated: Whether outcomes of the model group stand behind it.
    """

    probability: float
    low: float
    high: float
    calibrated: bool


PRIOR_SPREAD = 1.1
"""How far models and sets lie from `confidence.PRIOR` in log-odds, root mean square (benchmarks/results/gate.json)."""
MISSING_SPREAD = 1.5
"""The same without a confidence: what the confidence itself would have added is unknown too."""


def score_by_prior(confidence: float | None, *, prior: float | None = None) -> GateScore:
    """Return P(good) before there are outcomes: the documented prior of `confidence`, or the router's, or one half.

    Args:
        confidence: Mean token probability; None, or no probability, when there is none.
        prior: The router's P(good) of the tier before it answered; read only where there is no confidence.
    """
    if confidence is not None and 0.0 <= confidence <= 1.0:
        evidence = measure_evidence(math.log(max(confidence, _LEAST)))
        return _spanned(PRIOR.intercept + PRIOR.slope * evidence, PRIOR_SPREAD, calibrated=False)
    return _spanned(0.0 if prior is None else _log_odds(prior), MISSING_SPREAD, calibrated=False)


def parse_gate_calibration(text: str, file: str | Path) -> GateCalibration:
    """Parse the content of gate_calibration.json.

    Args:
        text: The content.
        file: Where it came from, for the error.

    Raises:
        ArtifactError: It is no such file, of another format version, or its parts do not fit together.
    """
    try:
        version = json.loads(text)["format_version"]
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise ArtifactError(file, "format_version", f"no JSON object with this key ({exc})", _REBUILD) from exc
    if version != FORMAT_VERSION:
        problem = f"{version!r} is unknown; this version of tiergate reads {FORMAT_VERSION}"
        raise ArtifactError(file, "format_version", problem, _REBUILD)
    try:
        return GateCalibration.model_validate_json(text)
    except ValidationError as exc:
        first = exc.errors(include_url=False)[0]
        raise ArtifactError(file, ".".join(map(str, first["loc"])), first["msg"], _REBUILD) from exc


def dump_gate_calibration(calibration: GateCalibration) -> str:
    """Return the content of gate_calibration.json; equal calibrations give equal text."""
    return json.dumps(calibration.model_dump(mode="json"), indent=1, sort_keys=True) + "\n"


def _beyond(distance: float) -> float:
    """How far the log-odds go on beyond an outermost knot: strictly rising, slowly."""
    return _TAIL_SLOPE * math.log1p(distance)


def _log_odds(probability: float) -> float:
    inside = min(max(probability, _LEAST), 1.0 - _LEAST)
    return math.log(inside) - math.log1p(-inside)


def _sigmoid(log_odds: float) -> float:
    return 1.0 / (1.0 + math.exp(-min(max(log_odds, -_LIMIT), _LIMIT)))


def _spanned(log_odds: float, spread: float, *, calibrated: bool) -> GateScore:
    width = _NORMAL_90 * spread
    return GateScore(
        probability=_sigmoid(log_odds),
        low=_sigmoid(log_odds - width),
        high=_sigmoid(log_odds + width),
        calibrated=calibrated,
    )
