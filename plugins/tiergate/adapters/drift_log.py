"""The decision log as observations for the drift tests: a reference, and the newest window."""

from collections.abc import Mapping, Sequence
from typing import Any

from tiergate.adapters.decision_database import read_decisions
from tiergate.adapters.decision_search import Cursor
from tiergate.policy.drift import DriftFinding, Observation, find_drift
from tiergate.settings import Policy
from tiergate.telemetry.record import decode_embedding

PAGE = 500
_JUDGED = {"trusted": 1.0, "verified": 1.0, "escalated": 0.0}


def check_drift(policy: Policy, url: str) -> tuple[DriftFinding, ...] | None:
    """Test the newest window of the log against its reference; None when there are not enough rows yet.

    The reference is the first `drift.reference_rows` decisions under the artifact that decided last: a new artifact
    begins a new reference.

    Args:
        policy: Sizes and limits.
        url: The decision log.

    Raises:
        DecisionLogError: The log does not exist or cannot be read.
    """
    settings = policy.drift
    window = _newest(url, policy, settings.window_rows)
    if len(window) < settings.window_rows:
        return None
    digest = window[-1][0]
    reference = _oldest(url, policy, digest, settings.reference_rows)
    fresh = {one.decision_id for found, one in window if found == digest}
    if len(reference) < settings.reference_rows or fresh & {one.decision_id for one in reference}:
        return None
    if len(fresh) < settings.window_rows:
        return None
    return find_drift(
        reference,
        [one for _, one in window],
        alpha=settings.alpha,
        max_escalation_ratio=settings.max_escalation_ratio,
        min_rows=settings.min_domain_rows,
    )


def observe(row: Mapping[str, Any], policy: Policy) -> Observation | None:
    """Return what a row of the log tells, or None for one that was not classified."""
    scores, embedding = row["route"].get("scores") or {}, row.get("embedding")
    cheapest = next((tier for tier in policy.tier_names if tier in scores), None)
    if embedding is None or cheapest is None:
        return None
    gate, feedback = row["gate"].get("outcome"), row.get("feedback") or {}
    accepted = feedback.get("score") if feedback.get("score") is not None else _JUDGED.get(gate)
    return Observation(
        decision_id=row["decision_id"],
        vector=decode_embedding(embedding),
        score=float(scores[cheapest]),
        domain=row["route"].get("domain"),
        predicted=row["route"].get("score"),
        accepted=accepted,
        escalated=None if gate not in _JUDGED else gate == "escalated",
    )


def _newest(url: str, policy: Policy, size: int) -> list[tuple[str, Observation]]:
    """Return the newest observations with their artifact, oldest first."""
    found: list[tuple[str, Observation]] = []
    after: Cursor | None = None
    while len(found) < size and (page := read_decisions(url, limit=PAGE, after=after, newest_first=True)):
        found += _observed(page, policy)
        after = Cursor(ts=page[-1]["ts"], decision_id=page[-1]["decision_id"])
    return found[:size][::-1]


def _oldest(url: str, policy: Policy, digest: str, size: int) -> list[Observation]:
    """Return the first observations under an artifact."""
    found: list[Observation] = []
    after: Cursor | None = None
    while len(found) < size and (page := read_decisions(url, limit=PAGE, after=after)):
        found += [one for under, one in _observed(page, policy) if under == digest]
        after = Cursor(ts=page[-1]["ts"], decision_id=page[-1]["decision_id"])
    return found[:size]


def _observed(page: Sequence[Mapping[str, Any]], policy: Policy) -> list[tuple[str, Observation]]:
    pairs = ((str(row["route"].get("artifact_digest")), observe(row, policy)) for row in page)
    return [(digest, one) for digest, one in pairs if one is not None]
