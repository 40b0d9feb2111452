"""Figures of an artifact on rows that took no part in training or calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.artifact import Artifact
from tiergate.artifact_format import Metric
from tiergate.policy.features import FEATURES
from tiergate_classifier.data import Table

MIN_QUALITY = 0.95
"""`min_quality` of a fresh policy.yaml: what the routing figures assume."""

_INTERVAL = 0.95

Booleans = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScoredTable:
    """What the classifier says of every row: n rows, T tiers, K domains.

    Attributes:
        scores: P(good enough), shape (n, T).
        lower_bounds: Lower confidence bounds, shape (n, T).
        domains: P(domain), shape (n, K).
    """

    scores: NDArray[np.float64]
    lower_bounds: NDArray[np.float64]
    domains: NDArray[np.float64]


def score_table(artifact: Artifact, table: Table) -> ScoredTable:
    """Score rows with the classifier that serves requests.

    Raises:
        ClassifierError: A row cannot be scored.
    """
    classifier = EmbeddedClassifier(artifact)
    said = [
        classifier.score(vector, dict(zip(FEATURES, features.tolist(), strict=True)))
        for vector, features in zip(table.vectors, table.features, strict=True)
    ]
    return ScoredTable(
        scores=np.array([[one.scores[tier] for tier in artifact.tiers] for one in said]),
        lower_bounds=np.array([[one.lower_bounds[tier] for tier in artifact.tiers] for one in said]),
        domains=np.array([[one.domains[domain] for domain in artifact.domains] for one in said]),
    )


def cheapest_tier(values: NDArray[np.float64], least: float) -> NDArray[np.int64]:
    """Return the place of the first tier whose value reaches `least`, else of the last. Shape (n,)."""
    reaches = values >= least
    reaches[:, -1] = True
    return np.asarray(reaches.argmax(axis=1), dtype=np.int64)


def domain_flagged(artifact: Artifact, domains: NDArray[np.float64], name: str) -> Booleans:
    """Return whether a row counts as the domain: it is the most probable, or reaches its cut. Shape (n,)."""
    place = artifact.domains.index(name)
    cut = artifact.calibration.domains.min_scores.get(name, np.inf)
    return np.asarray((domains.argmax(axis=1) == place) | (domains[:, place] >= cut), dtype=np.bool_)


def measure(artifact: Artifact, table: Table, scored: ScoredTable) -> tuple[Metric, ...]:
    """Return the figures of the card.

    - `tier_accuracy[/TIER]`: share of rows whose cheapest tier with P >= 0.5 is the labelled one.
    - `routed/TIER`: share of all rows that `MIN_QUALITY` sends to the tier by its lower bound.
    - `clears/TIER`: share of the rows labelled TIER that go to it or a cheaper one.
    - `good_when_routed/TIER`: share of the rows sent to the tier for which it is good enough.
    - `domain_accuracy`, `domain_recall/DOMAIN`: by the most probable domain.
    - `domain_flag_recall/DOMAIN`, `domain_flag_false_alarms/DOMAIN`: by the cut, for domains that have one.
    """
    return (*_tier_metrics(artifact, table, scored), *_domain_metrics(artifact, table, scored))


def _tier_metrics(artifact: Artifact, table: Table, scored: ScoredTable) -> list[Metric]:
    right = cheapest_tier(scored.scores, 0.5) == table.tier
    routed = cheapest_tier(scored.lower_bounds, MIN_QUALITY)
    found = [proportion("tier_accuracy", right)]
    for place, tier in enumerate(artifact.tiers):
        labelled = table.tier == place
        found += [
            proportion(f"tier_accuracy/{tier}", right[labelled]),
            proportion(f"routed/{tier}", routed == place),
            proportion(f"clears/{tier}", routed[labelled] <= place),
            proportion(f"good_when_routed/{tier}", (table.tier <= place)[routed == place]),
        ]
    return found


def _domain_metrics(artifact: Artifact, table: Table, scored: ScoredTable) -> list[Metric]:
    right = scored.domains.argmax(axis=1) == table.domain
    found = [proportion("domain_accuracy", right)]
    for place, domain in enumerate(artifact.domains):
        labelled = table.domain == place
        found.append(proportion(f"domain_recall/{domain}", right[labelled]))
        if domain in artifact.calibration.domains.min_scores:
            flagged = domain_flagged(artifact, scored.domains, domain)
            found += [
                proportion(f"domain_flag_recall/{domain}", flagged[labelled]),
                proportion(f"domain_flag_false_alarms/{domain}", flagged[~labelled]),
            ]
    return found


def proportion(name: str, hits: Booleans | Sequence[bool]) -> Metric:
    """Return a share with its 95 % Wilson interval (Wilson 1927).

    Without rows the share is 0 and the interval [0, 1].
    """
    n, successes = len(hits), int(np.sum(hits))
    low, high = wilson_interval(successes, n)
    share = successes / n if n else 0.0
    return Metric(name=name, value=round(share, 4), n=n, low=round(low, 4), high=round(high, 4))


def wilson_interval(successes: int, n: int) -> tuple[float, float]:
    """Return the two-sided 95 % Wilson score interval of a share."""
    if n == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + _INTERVAL) / 2)
    share = successes / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return max(0.0, centre - half), min(1.0, centre + half)
