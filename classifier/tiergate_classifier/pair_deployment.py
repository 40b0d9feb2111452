"""`tiergate calibrate cache`: from the labels of a deployment to its pair model and its cuts.

The pair model that ships is refitted on them when there are enough, and the cuts are found on scores of models that did
not see the row (`pair_calibrate`). A tenant with enough labels gets cuts of its own, which the proxy decides in process
as well. It starts from the model that ships, never from an earlier refit, which has seen the labels.
"""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from tiergate.adapters.pair_label_file import PairLabelFile
from tiergate.errors import ConfigurationError
from tiergate.pair_artifact import DEPLOYMENT_LABELS, load_pair_manifest, load_pair_model, write_pair_model
from tiergate.policy.deployment_cuts import (
    MIN_LABELS,
    MIN_SCOPE_LABELS,
    DeploymentCuts,
    decide_deployment_cuts,
    stack,
    usable,
)
from tiergate.policy.error_bound import ErrorCut
from tiergate_classifier.pair_calibrate import Calibrated, calibrate
from tiergate_classifier.pair_data import PairInputs
from tiergate_classifier.pair_train import BOUNDS


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Deployment:
    """What the labels of a deployment gave.

    Attributes:
        found: The model, its cuts, and the cuts of cosine alone.
        cuts: The cut of the whole and of tenants with enough labels.
        max_error: The bound asked for.
        labelled: Labels used.
        left_out: Labels of the file that were not drawn at random, or are of another encoder or feature list.
    """

    found: Calibrated
    cuts: DeploymentCuts
    max_error: float
    labelled: int
    left_out: int

    def figures(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        return {
            "max_error": self.max_error,
            "n": self.labelled,
            "left_out": self.left_out,
            "refitted": self.found.refitted,
            "cut": _figures(self.found.model.cuts[self.max_error]),
            "static": _figures(self.found.static[self.max_error]),
            "scopes": {tenant: _figures(cut) for tenant, cut in sorted(self.cuts.scopes.items())},
        }


def calibrate_deployment(
    labels: Path, base: Path, *, max_error: float, seed: int = 0, min_scope_labels: int = MIN_SCOPE_LABELS
) -> Deployment:
    """Return the pair model and the cuts of a deployment.

    Args:
        labels: The file that the cache keeps its labels in.
        base: Folder of the pair model to start from.
        max_error: The bound.
        seed: Decides the folds of the refit.
        min_scope_labels: From so many labels on a tenant gets a cut of its own.

    Raises:
        ConfigurationError: `max_error` is out of range, or too few labels are there.
        ArtifactError: The model to start from cannot be used.
    """
    if not 0 < max_error < 1:
        raise ConfigurationError("--max-error", "", f"{max_error} is not between 0 and 1", "give a share such as 0.01")
    model = load_pair_model(base)
    every = PairLabelFile(labels).labels()
    rows = usable(every, model)
    if len(rows) < MIN_LABELS:
        problem = f"holds {len(rows)} labels drawn at random, and {MIN_LABELS} are the least"
        raise ConfigurationError(labels, "", problem, "set semantic_cache.re_ask_share and wait, or name another file")
    features, vectors = stack(rows)
    inputs = PairInputs(features=features, vectors=vectors, labels=np.array([row.same for row in rows], dtype=np.bool_))
    found = calibrate(inputs, model, max_errors=tuple(sorted({*BOUNDS, max_error})), seed=seed)
    cuts = decide_deployment_cuts(rows, model, max_error, min_scope_labels=min_scope_labels, scores=found.scores)
    return Deployment(found=found, cuts=cuts, max_error=max_error, labelled=len(rows), left_out=len(every) - len(rows))


def write_deployment(deployment: Deployment, labels: Path, base: Path, out: Path) -> None:
    """Write the pair model of a deployment; `semantic_cache.pair_model` names its folder.

    Args:
        deployment: The model and its cuts.
        labels: The labels behind it, whose digest is written down.
        base: Folder of the model it started from.
        out: Folder to write.

    Raises:
        ArtifactError: The folder cannot be written.
    """
    _, manifest = load_pair_manifest(base)
    digest = hashlib.sha256(labels.read_bytes()).hexdigest()
    own = {
        "name": DEPLOYMENT_LABELS,
        "digest": f"sha256:{digest}",
        "licence": "LicenseRef-own-traffic",
        "rows": deployment.labelled,
    }
    how = "refitted on" if deployment.found.refitted else "with cuts found on"
    fields = {
        "created_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "method": f"The model that ships, {how} labels of the deployment; cuts by learn then test on rows out of fold.",
        "encoder": manifest.encoder.model_dump(),
        "training_data": (*(data.model_dump() for data in manifest.training_data), own),
        "metrics": (),
    }
    write_pair_model(out, model=deployment.found.model, manifest=fields, card=_card(deployment))


def _figures(cut: ErrorCut) -> dict[str, Any]:
    return {
        "controls": cut.controls,
        "min_score": cut.min_score,
        "n": cut.labelled,
        "hits": cut.hits,
        "errors": cut.errors,
        "error_bound": cut.error_bound,
        "confidence": cut.confidence,
    }


def _card(deployment: Deployment) -> str:
    rows = "\n".join(
        f"| {bound:g} | {'none' if cut.min_score is None else f'{cut.min_score:.3f}'} | {cut.hits} of {cut.labelled} "
        f"| {cut.errors} | {cut.error_bound:.4f} |"
        for bound, cut in sorted(deployment.found.model.cuts.items())
    )
    return f"""# Pair model of a deployment

The pair model that ships, calibrated on {deployment.labelled} pairs that this deployment's traffic labelled
({"refitted on them" if deployment.found.refitted else "its weights are those that ship"}). The cuts hold at 95 %
confidence for traffic exchangeable with those pairs.

| bound | cut (log-odds) | served | wrong | upper bound of the error |
|---|---|---|---|---|
{rows}
"""
