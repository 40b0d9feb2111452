"""What a labelled pair table proves: split into calibration and test pairs many times, and counted what was served.

One split says little, since at a small bound a single wrong pair more decides. Over many splits it shows how often the
share of wrong hits stayed within the bound, and how many hits the pair model serves beside cosine alone, whose cut is
found by the same procedure on the same calibration pairs.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ConfigurationError
from tiergate.pair_artifact import builtin_pair_model_path, load_pair_model
from tiergate.policy.error_bound import upper_error_bound
from tiergate.policy.pair_model import PairModel
from tiergate_classifier.pair_calibrate import CONFIDENCE, FurtherPairs, calibrate
from tiergate_classifier.pair_data import PairInputs, PairTable, load_pairs, read_inputs
from tiergate_classifier.pair_evaluate import figures_of

CALIBRATION = 0.5
"""Share of the pairs that calibrate; the others test."""

_LEAST_PAIRS = 4


def evaluate_splits(
    inputs: PairInputs,
    model: PairModel,
    *,
    max_errors: Sequence[float],
    splits: int,
    seed: int,
    calibration: float = CALIBRATION,
) -> dict[float, dict[str, Any]]:
    """Return for each bound what the splits served and how often the bound was kept.

    Args:
        inputs: Labelled pairs, none of them twice.
        model: The model to start from; it may not have seen the pairs.
        max_errors: Bounds.
        splits: How often to split.
        seed: Decides the splits and the folds of each refit.
        calibration: Share of the pairs that calibrate, in (0, 1).
    """
    count = max(1, min(len(inputs) - 1, round(len(inputs) * calibration)))
    rows: dict[float, list[tuple[float, ...]]] = {bound: [] for bound in max_errors}
    for split in range(splits):
        order = np.random.default_rng([seed, split]).permutation(len(inputs))
        labelled, tested = order[:count], order[count:]
        if np.intersect1d(labelled, tested).size:
            raise AssertionError("a pair would set the cut and be judged by it")
        test = inputs.take(tested)
        ahead = FurtherPairs(features=test.features, vectors=test.vectors)
        found = calibrate(inputs.take(labelled), model, max_errors=max_errors, seed=split, further=ahead)
        for bound in max_errors:
            figures = figures_of(test, found, bound)
            static = figures["static"]
            served = figures["hit_ratio"], figures["error_ratio"], static["hit_ratio"], static["error_ratio"]
            rows[bound].append((*served, float(figures["no_cut"])))
    return {bound: _summarise(np.array(found), bound) for bound, found in rows.items()}


def interval(values: NDArray[np.float64]) -> dict[str, float]:
    """Return the mean of shape (N,) values, and the ends of the middle 95 % of them."""
    low, high = np.percentile(values, (2.5, 97.5))
    return {"mean": float(values.mean()), "low": float(low), "high": float(high)}


def run(
    pairs: Path, max_error: float, *, splits: int, seed: int = 0, calibration: float = CALIBRATION, model: Path | None
) -> dict[str, Any]:
    """Read a pair table, split it, and return the figures, ready for JSON.

    Args:
        pairs: Pair table; pairs that stand in it twice, in either order, count once.
        max_error: The bound.
        splits: How often to split.
        seed: Decides the splits.
        calibration: Share of the pairs that calibrate.
        model: Folder of a pair model; None for the builtin one.

    Raises:
        ConfigurationError: The table or the model cannot be used, or a share is out of range.
        EmbedderError: The encoder failed.
    """
    for name, share in (("--max-error", max_error), ("--calibration-share", calibration)):
        if not 0 < share < 1:
            raise ConfigurationError(name, "", f"{share} is not between 0 and 1", "give a share such as 0.5")
    table = load_pairs(pairs)
    once = without_repeats(table)
    if len(once) < _LEAST_PAIRS:
        raise ConfigurationError(pairs, "", f"holds {len(once)} pairs, too few to split", "give more labelled pairs")
    encoder = OnnxEmbedder(pool=InferencePool())
    loaded = load_pair_model(model or builtin_pair_model_path(), encoder_digest=encoder.digest)
    inputs = read_inputs(once, encoder)
    found = evaluate_splits(inputs, loaded, max_errors=(max_error,), splits=splits, seed=seed, calibration=calibration)
    return {
        "n": len(once),
        "n_repeated": len(table) - len(once),
        "bound": max_error,
        "confidence": CONFIDENCE,
        "calibration_share": calibration,
        **found[max_error],
    }


def without_repeats(pairs: PairTable) -> PairTable:
    """Return the table with each pair once, whichever side stands first."""
    kept: dict[tuple[str, str], int] = {}
    for place, (a, b) in enumerate(zip(pairs.a, pairs.b, strict=True)):
        kept.setdefault((min(a, b), max(a, b)), place)
    return pairs.take(list(kept.values()))


def _summarise(table: NDArray[np.float64], bound: float) -> dict[str, Any]:
    splits = len(table)
    hits, wrong, static_hits, static_wrong, no_cut = table.T
    kept = int(np.count_nonzero(wrong <= bound + 1e-12))
    return {
        "splits": splits,
        "bound_kept": kept / splits,
        "bound_kept_static": float(np.mean(static_wrong <= bound + 1e-12)),
        "bound_kept_low_95": 1 - upper_error_bound(splits - kept, splits, 0.95),
        "hit_ratio": interval(hits),
        "hit_ratio_static": interval(static_hits),
        "hits_over_static": float(hits.mean() / static_hits.mean()) if static_hits.any() else None,
        "no_cut": float(no_cut.mean()),
    }
