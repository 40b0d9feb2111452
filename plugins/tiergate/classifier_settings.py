"""Sections of policy.yaml about the classifier: in this process, served, and in the shadow."""

from pathlib import Path
from typing import Literal

from tiergate.policy_section import Milliseconds, Section


class EmbeddedClassifierSettings(Section):
    """A classifier artifact in this process."""

    kind: Literal["embedded"] = "embedded"
    artifact: str = "builtin"


class VllmClassifierSettings(Section):
    """A model served by vLLM, with an embedded artifact to fall back to.

    `classify` asks `/classify` of a sequence classifier for the tiers' labels; `generate` asks a plain chat model for
    a one-token verdict and calibrates its log-probabilities.
    """

    kind: Literal["vllm"]
    mode: Literal["classify", "generate"] = "classify"
    api_key: str | None = None
    base_url: str
    model: str
    artifact: str = "builtin"
    calibration: Path | None = None
    budget_ms: Milliseconds = 50


class ShadowSettings(Section):
    """A challenger artifact that scores live traffic and decides nothing."""

    artifact: Path
