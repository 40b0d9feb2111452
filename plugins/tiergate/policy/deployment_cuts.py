"""Cuts of a deployment, from the pairs that its own traffic labelled.

A cut of its own is decided by the same exact procedure as everywhere (`policy.error_bound`), on pairs that were drawn
at random from the look-ups of this deployment and labelled by the model's new answer. A tenant with enough of them gets
one of its own. Pairs that someone complained about are not drawn at random: they set no cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tiergate.policy.error_bound import ErrorCut, decide_cut
from tiergate.policy.pair_features import FEATURES, compare_vectors
from tiergate.policy.pair_model import PairModel
from tiergate.ports import Vector

MIN_LABELS = 300
"""From here on the deployment's own labels decide, "no cut" included; with fewer the cuts that shipped are in force."""

MIN_SCOPE_LABELS = 600
"""From here on a tenant has cuts of its own."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PairLabel:
    """Two prompts of one tenant, and whether one answer serves both.

    Attributes:
        ts: When it was labelled, Unix time in seconds.
        tenant: Hashed tenant.
        entry_id: The stored entry.
        similarity: Cosine of the prompts.
        same: Whether the new answer says the same as the stored one.
        would_hit: Whether the stored answer would have been served.
        drawn: Whether the pair was drawn at random, with one chance for all look-ups.
        features: What the pair model reads of the texts, shape (F,).
        asked: Unit vector of the prompt that was asked, shape (D,).
        stored: Unit vector of the prompt whose answer is stored, shape (D,).
    """

    ts: float
    tenant: str
    entry_id: str
    similarity: float
    same: bool
    would_hit: bool
    drawn: bool
    features: NDArray[np.float32]
    asked: Vector
    stored: Vector


@dataclass(frozen=True, slots=True, kw_only=True)
class DeploymentCuts:
    """The cuts that labels gave.

    Attributes:
        overall: For every tenant; None with too few labels.
        scopes: For tenants with enough labels, by hashed tenant.
        labelled: Labels drawn at random.
    """

    overall: ErrorCut | None = None
    scopes: Mapping[str, ErrorCut] = field(default_factory=dict)
    labelled: int = 0

    def find(self, tenant: str) -> ErrorCut | None:
        """Return the cut of a tenant, one that controls nothing included; None: the deployment has none of its own."""
        return self.scopes.get(tenant, self.overall)


def decide_deployment_cuts(
    labels: Sequence[PairLabel],
    model: PairModel,
    max_error: float,
    *,
    min_labels: int = MIN_LABELS,
    min_scope_labels: int = MIN_SCOPE_LABELS,
    scores: NDArray[np.float64] | None = None,
) -> DeploymentCuts:
    """Decide the cut of a deployment and of each tenant with enough labels.

    Args:
        labels: Labels of the deployment; those that are not drawn at random, or are of other features or another
            encoder, are left out.
        model: Scores the pairs; it may not have been fitted on them unless `scores` are given.
        max_error: The bound.
        min_labels: Fewer give no cut.
        min_scope_labels: Fewer of one tenant give it none.
        scores: Scores of the labels that `usable` returns, by models that did not see them; shape (N,).
    """
    rows = usable(labels, model)
    if len(rows) < min_labels:
        return DeploymentCuts(labelled=len(rows))
    if scores is None:
        scores = model.scores(*stack(rows))
    same = np.array([row.same for row in rows], dtype=np.bool_)
    tenants = np.array([row.tenant for row in rows])
    names, counts = np.unique(tenants, return_counts=True)
    scopes = {
        str(name): decide_cut(scores[tenants == name], same[tenants == name], max_error=max_error)
        for name, count in zip(names, counts, strict=True)
        if count >= min_scope_labels
    }
    return DeploymentCuts(overall=decide_cut(scores, same, max_error=max_error), scopes=scopes, labelled=len(rows))


def usable(labels: Sequence[PairLabel], model: PairModel) -> list[PairLabel]:
    """Return the labels that may set a cut of a model.

    They were drawn at random, made after the model was fitted, and are of its features and its encoder's size.
    """
    shape = (model.dimensions,)
    return [
        label
        for label in labels
        if label.drawn
        and label.ts > model.fitted_until
        and label.features.shape == (len(FEATURES),)
        and label.asked.shape == label.stored.shape == shape
    ]


def stack(labels: Sequence[PairLabel]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return features of shape (N, F) and vectors of shape (N, 2 * D) of one label or more."""
    asked = np.stack([label.asked for label in labels])
    stored = np.stack([label.stored for label in labels])
    return np.stack([label.features for label in labels]), compare_vectors(asked, stored)
