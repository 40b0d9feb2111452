"""`tiergate evaluate cache`: what the semantic cache would serve of a pair table, and how much of it would be wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ConfigurationError
from tiergate.pair_artifact import builtin_pair_model_path, load_pair_model
from tiergate.policy.error_bound import ErrorCut
from tiergate.policy.pair_model import PairModel
from tiergate_classifier.pair_calibrate import CONFIDENCE, Calibrated, FurtherPairs, calibrate
from tiergate_classifier.pair_data import PairInputs, PairTable, TextEncoder, load_pairs, read_inputs

NO_CUT = "no cut controls the risk at this bound, so only exact matches are served"
WITH_LABELS = (
    "the cut was set on the calibration pairs: on pairs exchangeable with them, the share of wrong hits is at most the "
    "bound with this confidence"
)
WITHOUT_LABELS = (
    "without --calibration the cut is the one that shipped, set on pairs written and generated for tiergate. It "
    "guarantees nothing for other traffic; what was observed here is reported"
)


def evaluate_cache(
    pairs: PairTable,
    calibration: PairTable | None,
    max_error: float,
    seed: int = 0,
    *,
    encoder: TextEncoder | None = None,
    model: PairModel | None = None,
) -> dict[str, Any]:
    """Return the figures of `tiergate evaluate cache` (contracts.md).

    Args:
        pairs: What is served or not; its labels are read for the figures only.
        calibration: Labelled pairs of the same kind of traffic that set the cut; None takes the shipped cut. Pairs that
            are in `pairs` too are left out of it, and counted as `n_shared`.
        max_error: Largest share of wrong ones among the hits, in (0, 1).
        seed: Decides the folds of the refit.
        encoder: The encoder; None for the builtin one.
        model: The model to start from; None for the builtin one.

    Raises:
        ConfigurationError: `max_error` is out of range, or `pairs` holds all of `calibration`.
        EmbedderError: The encoder failed.
    """
    _check(max_error)
    apart = None if calibration is None else _apart(pairs, calibration)
    encoder = encoder or OnnxEmbedder(pool=InferencePool())
    model = model or load_pair_model(builtin_pair_model_path())
    inputs = read_inputs(pairs, encoder)
    labelled = None if apart is None else read_inputs(apart, encoder)
    exact = np.array([a == b for a, b in zip(pairs.a, pairs.b, strict=True)])
    figures = evaluate_inputs(inputs, labelled, max_error, seed, model=model, exact=exact)
    shared = 0 if calibration is None or labelled is None else len(calibration) - len(labelled)
    return {**figures, "n_shared": shared}


def evaluate_inputs(
    inputs: PairInputs,
    labelled: PairInputs | None,
    max_error: float,
    seed: int,
    *,
    model: PairModel,
    exact: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Return the figures of `evaluate_cache` for pairs that were embedded and compared before.

    Args:
        inputs: What is served or not.
        labelled: Calibration pairs, or None.
        max_error: The bound.
        seed: Decides the folds of the refit.
        model: The model to start from.
        exact: Which pairs are equal character by character: they are served in any case.
    """
    if labelled is None:
        return figures_of(
            inputs, Calibrated(model=model, static={}, refitted=False, labelled=0), max_error, exact=exact
        )
    ahead = FurtherPairs(features=inputs.features, vectors=inputs.vectors)
    found = calibrate(labelled, model, max_errors=(max_error,), seed=seed, further=ahead)
    return figures_of(inputs, found, max_error, exact=exact)


def figures_of(
    inputs: PairInputs, found: Calibrated, max_error: float, *, exact: NDArray[np.bool_] | None = None
) -> dict[str, Any]:
    """Return the figures of `evaluate_cache` for a calibrated model.

    Args:
        inputs: What is served or not.
        found: The model; with `labelled` 0 its cut is the one it came with.
        max_error: The bound.
        exact: Which pairs are equal character by character.
    """
    own = found.model.cuts.get(max_error) if found.labelled else found.model.cut_for(max_error)
    cut, static = own if own is not None and own.controls else None, found.static.get(max_error)
    scores = found.model.scores(inputs.features, inputs.vectors)
    always = np.zeros(len(inputs), dtype=np.bool_) if exact is None else exact
    served = _served(scores, cut, always)
    guarantee = WITH_LABELS if found.labelled else WITHOUT_LABELS
    return {
        "n": len(inputs),
        **_ratios(served, inputs.labels),
        "bound": max_error,
        "ap": _average_precision(inputs.labels, scores),
        "recall_of_true_pairs": _share(served & inputs.labels, inputs.labels),
        "static": {
            "min_similarity": None if static is None else static.min_score,
            **_ratios(_served(inputs.cosine, static, always), inputs.labels),
            "ap": _average_precision(inputs.labels, inputs.cosine),
        },
        "no_cut": cut is None,
        "error_bound": cut.error_bound if cut is not None and found.labelled else None,
        "confidence": CONFIDENCE if found.labelled else None,
        "n_calibration": found.labelled,
        "refitted": found.refitted,
        "guarantee": guarantee if cut is not None else f"{NO_CUT}. {guarantee}",
    }


def run(
    pairs: Path, calibration: Path | None, max_error: float, seed: int = 0, *, model: Path | None = None
) -> dict[str, Any]:
    """Read the tables and return the figures, ready for JSON.

    Args:
        pairs: Pair table.
        calibration: Pair table of labelled pairs, or None.
        max_error: The bound.
        seed: Decides the folds of the refit.
        model: Folder of a pair model; None for the builtin one.

    Raises:
        ConfigurationError: A table or the model cannot be used.
        EmbedderError: The encoder failed.
    """
    table = load_pairs(pairs)
    labelled = None if calibration is None else load_pairs(calibration)
    encoder = OnnxEmbedder(pool=InferencePool())
    loaded = load_pair_model(model or builtin_pair_model_path(), encoder_digest=encoder.digest)
    return evaluate_cache(table, labelled, max_error, seed, encoder=encoder, model=loaded)


def to_json(figures: dict[str, Any]) -> str:
    """Return the figures as JSON text."""
    return json.dumps(figures, indent=1, allow_nan=False)


def _check(max_error: float) -> None:
    if not 0 < max_error < 1:
        raise ConfigurationError("--max-error", "", f"{max_error} is not between 0 and 1", "give a share such as 0.01")


def _apart(pairs: PairTable, calibration: PairTable) -> PairTable:
    """Return the calibration pairs that are not judged themselves."""
    judged = set(zip(pairs.a, pairs.b, strict=True))
    rows = zip(calibration.a, calibration.b, strict=True)
    kept = calibration.take([place for place, pair in enumerate(rows) if pair not in judged])
    if not len(kept):
        problem = "every one of its pairs is in --pairs too, so the figures would flatter"
        raise ConfigurationError("--calibration", "", problem, "leave each pair in one of the two tables")
    return kept


def _served(scores: NDArray[np.float64], cut: ErrorCut | None, always: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if cut is None or cut.min_score is None:
        return always
    return (scores >= cut.min_score) | always


def _ratios(served: NDArray[np.bool_], labels: NDArray[np.bool_]) -> dict[str, float]:
    return {"hit_ratio": float(served.mean()), "error_ratio": _share(served & ~labels, served)}


def _share(part: NDArray[np.bool_], whole: NDArray[np.bool_]) -> float:
    total = int(np.count_nonzero(whole))
    return int(np.count_nonzero(part)) / total if total else 0.0


def _average_precision(labels: NDArray[np.bool_], scores: NDArray[np.float64]) -> float | None:
    return float(average_precision_score(labels, scores)) if labels.any() else None
