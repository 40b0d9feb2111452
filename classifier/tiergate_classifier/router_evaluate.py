"""How well a classifier artifact orders prompts between two tiers: `tiergate evaluate router`."""

import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import Artifact, builtin_artifact_path, load_artifact
from tiergate.errors import ArtifactError
from tiergate.policy.features import features_of
from tiergate_classifier.adapt import AdaptedOrder, Inputs
from tiergate_classifier.outcomes import Outcomes, OutcomeTableError, load_outcomes
from tiergate_classifier.routing_metrics import gap_recovery, oracle_recovery, random_recovery

TIMED_PROMPTS = 200

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterFigures:
    """What `tiergate evaluate router` prints (contracts.md, "CLI").

    Attributes:
        n: Rows that both tiers were run on.
        weak_quality: Mean outcome of the weak tier.
        strong_quality: Mean outcome of the strong tier.
        apgr: Gap recovered, averaged over shares of strong calls.
        cpt50: Share of strong calls that recovers half of the gap.
        cpt80: Share of strong calls that recovers 80 % of it.
        random_apgr: What a random order recovers.
        oracle_apgr: What knowing every outcome would recover.
        ms_per_decision_p50: Median time of embedding, features and score of one prompt, in milliseconds.
    """

    n: int
    weak_quality: float
    strong_quality: float
    apgr: float
    cpt50: float
    cpt80: float
    random_apgr: float
    oracle_apgr: float
    ms_per_decision_p50: float

    def as_json(self) -> dict[str, float]:
        """Return the figures by their contract names, rounded to six digits."""
        return {name: value if name == "n" else round(value, 6) for name, value in asdict(self).items()}


class PromptEncoder:
    """Turns prompts into what the artifact's heads read.

    Args:
        artifact: The classifier.
        embedder: The encoder that the artifact was trained with.

    Raises:
        ArtifactError: The artifact was trained with another encoder, or reads a feature unknown here.
    """

    def __init__(self, artifact: Artifact, embedder: OnnxEmbedder) -> None:
        if artifact.manifest.encoder.digest != embedder.digest:
            problem = "the artifact was trained with another encoder"
            raise ArtifactError("manifest.json", "encoder.digest", problem, "name an artifact of this encoder")
        self._artifact, self._embedder = artifact, embedder
        self._classifier = EmbeddedClassifier(artifact)
        self._milliseconds: list[float] = []

    @property
    def ms_p50(self) -> float:
        """Median time per prompt of the first `TIMED_PROMPTS` prompts; 0 before any."""
        return float(np.median(self._milliseconds)) if self._milliseconds else 0.0

    def inputs(self, prompts: tuple[str, ...], tier: str) -> Inputs:
        """Encode prompts and take the log-odds that the tier's answer is not good enough as their need.

        Args:
            prompts: n texts.
            tier: The weak tier; when the artifact does not know it, its cheapest tier stands in.

        Raises:
            EmbedderError: The encoder failed.
        """
        place = self._artifact.tiers.index(tier) if tier in self._artifact.tiers else 0
        vectors = np.zeros((len(prompts), self._artifact.manifest.encoder.dimensions), dtype=np.float32)
        features = np.zeros((len(prompts), len(self._artifact.manifest.features)))
        for row, prompt in enumerate(prompts):
            started = time.perf_counter()
            vectors[row] = self._embedder.embed_batch([prompt])[0]
            values = features_of(prompt)
            if len(self._milliseconds) < TIMED_PROMPTS:
                self._classifier.score(vectors[row], values)
                self._milliseconds.append((time.perf_counter() - started) * 1e3)
            features[row] = [values[name] for name in self._artifact.manifest.features]
        log_odds, _ = self._artifact.head.log_odds(vectors, features)
        return Inputs(
            vectors=vectors,
            features=features,
            need=-np.asarray(log_odds[:, place], dtype=np.float64),
            length=np.log1p([float(len(prompt)) for prompt in prompts]),
        )


def evaluate_router(
    outcomes: Path, *, weak: str, strong: str, train: Path | None = None, artifact: Path | None = None
) -> RouterFigures:
    """Order the prompts of an outcome table by how much they need the strong tier, and measure the order.

    Args:
        outcomes: Outcome table (contracts.md, "Files").
        weak: Name of the weak tier in the table.
        strong: Name of the strong tier.
        train: Outcome table of the same workload, to adapt to (`adapt.AdaptedOrder`). Rows whose prompt stands in
            `outcomes` too are left out of it.
        artifact: Folder of the classifier; None for the one that ships.

    Raises:
        OutcomeTableError: A table is wrong, lacks a tier, or the strong tier is not better than the weak one.
        ArtifactError: The artifact cannot be used.
        EmbedderError: The encoder failed.
    """
    table = _run_on_both(load_outcomes(outcomes), weak, strong)
    loaded = load_artifact(artifact or builtin_artifact_path())
    encoder = PromptEncoder(loaded, OnnxEmbedder(pool=InferencePool()))
    inputs = encoder.inputs(table.prompts, weak)
    need = inputs.need
    if train is not None:
        own = _without(_run_on_both(load_outcomes(train), weak, strong), table.prompts)
        poor, good = own.measure("correct", weak), own.measure("correct", strong)
        need = AdaptedOrder(encoder.inputs(own.prompts, weak), poor, good).need(inputs)
    return _figures(table, need, weak=weak, strong=strong, milliseconds=encoder.ms_p50)


def _figures(table: Outcomes, need: Floats, *, weak: str, strong: str, milliseconds: float) -> RouterFigures:
    poor, good = table.measure("correct", weak), table.measure("correct", strong)
    recovery, oracle, chance = gap_recovery(need, poor, good), oracle_recovery(poor, good), random_recovery()
    if recovery is None or oracle is None:
        problem = f"{strong!r} ({good.mean():.3f}) is not better than {weak!r} ({poor.mean():.3f}), so there is no gap"
        raise OutcomeTableError(table.file, f"column correct|{strong}", problem, "swap --weak and --strong")
    return RouterFigures(
        n=len(table),
        weak_quality=float(poor.mean()),
        strong_quality=float(good.mean()),
        apgr=recovery.apgr,
        cpt50=recovery.cpt50,
        cpt80=recovery.cpt80,
        random_apgr=chance.apgr,
        oracle_apgr=oracle.apgr,
        ms_per_decision_p50=milliseconds,
    )


def _run_on_both(table: Outcomes, weak: str, strong: str) -> Outcomes:
    return table.take(table.rows_run_on([weak, strong]))


def _without(table: Outcomes, prompts: tuple[str, ...]) -> Outcomes:
    known = set(prompts)
    rows = np.array([row for row, prompt in enumerate(table.prompts) if prompt not in known], dtype=np.intp)
    return table.take(rows)
