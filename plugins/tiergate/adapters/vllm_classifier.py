"""Intent classifier served by vLLM, with the embedded head to fall back to when it is slow or down."""

import asyncio
import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
from pydantic import ValidationError

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.artifact import Artifact
from tiergate.artifact_format import Calibration, TierCalibration
from tiergate.classifier_settings import VllmClassifierSettings
from tiergate.errors import ArtifactError, ClassifierError
from tiergate.ports import Classification, Vector

MAX_PROMPT_CHARACTERS = 8_000
TOP_LOGPROBS = 20
_TINY = 1e-9

VERDICT_PROMPT = """Sort the request below by the least model that answers it well.
{tiers}
Reply with one digit and nothing else.

Request:
{prompt}"""

logger = logging.getLogger(__name__)


class VllmClassifier:
    """Asks a served model for the tiers, and the embedded head for the domains (port `IntentClassifier`).

    `classify` mode: the served sequence classifier has one class for each tier, in the policy's order: P(class k) is
    that tier k is the cheapest one that is good enough. `generate` mode: a chat model is asked for the tier's number,
    and its log-probabilities of the numbers are that distribution. P(tier t is good enough) is the sum up to t.

    The sums are calibrated by the file that `calibration` names. Without one nothing is known of how far they can be
    trusted: their lower bounds are 0, so they are recorded and choose no cheaper tier.

    Args:
        settings: Where the model is served.
        embedded: Scores the domains, and everything when the served model fails.
        artifact: The embedded head's; its tiers are those of the served model.

    Raises:
        ArtifactError: The calibration file cannot be read, or lacks a tier.
    """

    kind = "vllm"

    def __init__(self, settings: VllmClassifierSettings, embedded: EmbeddedClassifier, artifact: Artifact) -> None:
        self._settings, self._embedded, self._artifact = settings, embedded, artifact
        self._curves = _load_curves(settings, artifact.tiers)
        self._client: httpx.AsyncClient | None = None

    @property
    def digest(self) -> str:
        """Digest of the artifact behind it."""
        return self._artifact.digest

    @property
    def tiers(self) -> Sequence[str]:
        """Tiers, cheapest first."""
        return self._artifact.tiers

    @property
    def domains(self) -> Sequence[str]:
        """Domains of the embedded head."""
        return self._artifact.domains

    async def classify(self, vector: Vector, features: Mapping[str, float], prompt: str) -> Classification:
        """Score one prompt; when the served model fails or passes its budget, the embedded head's scores stand.

        Args:
            vector: The prompt's embedding, shape (dimensions,).
            features: Surface features of `policy.features`.
            prompt: The text, which the served model reads; its start of `MAX_PROMPT_CHARACTERS`.

        Raises:
            ClassifierError: The embedded head cannot score either.
        """
        own = self._embedded.score(vector, features)
        try:
            async with asyncio.timeout(self._settings.budget_ms / 1000):
                shares = await self._shares(prompt[:MAX_PROMPT_CHARACTERS])
        except (TimeoutError, ClassifierError) as exc:
            logger.warning("the served classifier gave nothing (%s: %s)", type(exc).__name__, exc)
            return replace(own, kind=self._embedded.kind, fallback=type(exc).__name__)
        scores, bounds = calibrate_shares(shares, self.tiers, self._curves)
        return replace(own, scores=scores, lower_bounds=bounds, kind=self.kind)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def _shares(self, prompt: str) -> list[float]:
        """Return P(tier k is the cheapest good enough), one for each tier, summing to 1.

        Raises:
            ClassifierError: The server failed or answered something else.
        """
        if self._settings.mode == "generate":
            payload = await self._post("/v1/chat/completions", self._verdict_body(prompt))
            shares = _shares_of_tokens(payload, len(self.tiers))
        else:
            payload = await self._post("/classify", {"model": self._settings.model, "input": prompt})
            try:
                shares = [float(value) for value in payload["data"][0]["probs"]]
            except (KeyError, IndexError, TypeError, ValueError) as exc:
                raise ClassifierError("the served classifier gave no data[0].probs") from exc
        total = math.fsum(shares)
        if total == 0:
            raise ClassifierError("the served model named no tier's number among its first tokens")
        if len(shares) != len(self.tiers) or not math.isfinite(total) or min(shares) < 0:
            raise ClassifierError(f"the served classifier gave {len(shares)} shares for {len(self.tiers)} tiers")
        return [share / total for share in shares]

    async def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        url = f"{self._settings.base_url.rstrip('/').removesuffix('/v1')}{path}"
        try:
            response = await self._connected().post(url, json=body)
            response.raise_for_status()
            return response.json()
        except httpx.HTTPStatusError as exc:
            raise ClassifierError(f"{url} answered with status {exc.response.status_code}") from exc
        except httpx.HTTPError as exc:
            raise ClassifierError(f"{url} could not be reached: {type(exc).__name__}") from exc
        except ValueError as exc:
            raise ClassifierError(f"{url} did not answer with JSON") from exc

    def _verdict_body(self, prompt: str) -> dict[str, Any]:
        tiers = "\n".join(f"{place}: the {tier} model suffices" for place, tier in enumerate(self.tiers, start=1))
        return {
            "model": self._settings.model,
            "messages": [{"role": "user", "content": VERDICT_PROMPT.format(tiers=tiers, prompt=prompt)}],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": True,
            "top_logprobs": TOP_LOGPROBS,
        }

    def _connected(self) -> httpx.AsyncClient:
        if self._client is None:
            key = self._settings.api_key
            headers = {} if key is None else {"Authorization": f"Bearer {key}"}
            self._client = httpx.AsyncClient(headers=headers, timeout=self._settings.budget_ms / 1000)
        return self._client


def calibrate_shares(
    shares: Sequence[float], tiers: Sequence[str], curves: Mapping[str, TierCalibration]
) -> tuple[dict[str, float], dict[str, float]]:
    """Return scores and lower bounds by tier from the distribution of the cheapest sufficient tier.

    Args:
        shares: P(tier k is the cheapest good enough), one for each tier.
        tiers: Tiers, cheapest first.
        curves: Calibration by tier; a tier without one has a lower bound of 0.
    """
    scores: dict[str, float] = {}
    bounds: dict[str, float] = {}
    below, highest, highest_bound = 0.0, 0.0, 0.0
    for tier, share in zip(tiers, shares, strict=True):
        below = min(below + share, 1.0)
        curve = curves.get(tier)
        if tier == tiers[-1]:
            score, bound = 1.0, 1.0
        elif curve is None:
            score, bound = below, 0.0
        else:
            log_odds = math.log(max(below, _TINY) / max(1 - below, _TINY))
            score = float(np.interp(log_odds, curve.knots, curve.probability))
            bound = float(np.interp(log_odds, curve.knots, curve.lower_bound))
        highest, highest_bound = max(highest, score), max(highest_bound, bound)
        scores[tier], bounds[tier] = highest, highest_bound
    return scores, bounds


def _shares_of_tokens(payload: Any, tiers: int) -> list[float]:
    """Return the probabilities of the digits 1 to `tiers` as the first token.

    Raises:
        ClassifierError: There are no log-probabilities, or none of a digit.
    """
    shares = [0.0] * tiers
    try:
        top = payload["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        for entry in top:
            token = str(entry["token"]).strip()
            if token.isascii() and token.isdecimal() and 1 <= int(token) <= tiers:
                shares[int(token) - 1] += math.exp(min(float(entry["logprob"]), 0.0))
    except (KeyError, IndexError, TypeError, ValueError) as exc:
        raise ClassifierError("the served model gave no log-probabilities") from exc
    return shares


def _load_curves(settings: VllmClassifierSettings, tiers: Sequence[str]) -> Mapping[str, TierCalibration]:
    if settings.calibration is None:
        return {}
    file = settings.calibration
    fix = "write it with the calibration of an artifact's calibration.json"
    try:
        calibration = Calibration.model_validate_json(file.read_bytes())
    except OSError as exc:
        raise ArtifactError(file, "", f"cannot be read ({exc.strerror})", fix) from exc
    except ValidationError as exc:
        raise ArtifactError(file, "", str(exc.errors(include_url=False)[0]["msg"]), fix) from exc
    missing = set(tiers) - set(calibration.tiers)
    if missing:
        raise ArtifactError(file, "tiers", f"lacks {sorted(missing)!r}", fix)
    return calibration.tiers
