"""Champion against challenger by replay on held-out rows, and the `current` link that the proxy follows."""

import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from tiergate.artifact import Artifact, load_artifact
from tiergate.errors import ArtifactError
from tiergate.settings import Policy
from tiergate_classifier.label_metrics import bootstrap_mean, route_labels
from tiergate_classifier.label_rows import LabelArrays

CURRENT: Final = "current"
PREVIOUS: Final = "previous"
HISTORY: Final = "history.jsonl"

Verdict = Literal["cheaper", "better", "not_better"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Challenger less champion on the same rows, with two-sided intervals.

    Attributes:
        n: Rows.
        champion_quality: Mean grade under the champion.
        challenger_quality: Mean grade under the challenger.
        quality_difference: Interval of the difference.
        champion_cost_usd: Mean cost under the champion.
        challenger_cost_usd: Mean cost under the challenger.
        cost_difference: Interval of the difference in USD.
        verdict: `cheaper`: cost is surely lower and quality surely loses no more than allowed. `better`: quality is
            surely higher. Else `not_better`.
    """

    n: int
    champion_quality: float
    challenger_quality: float
    quality_difference: tuple[float, float]
    champion_cost_usd: float
    challenger_cost_usd: float
    cost_difference: tuple[float, float]
    verdict: Verdict


def compare(
    champion: Artifact, challenger: Artifact, labels: LabelArrays, policy: Policy, *, max_quality_loss: float
) -> Comparison:
    """Replay held-out rows under both artifacts, paired by row.

    Args:
        champion: In force.
        challenger: To be promoted or not.
        labels: Held-out rows.
        policy: Routes both.
        max_quality_loss: Largest loss of mean quality that the interval may hold for `cheaper`.

    Raises:
        ValueError: A row has no cost for a tier.
    """
    old, new = route_labels(champion, labels, policy), route_labels(challenger, labels, policy)
    if not (np.isfinite(old.cost_usd).all() and np.isfinite(new.cost_usd).all()):
        raise ValueError("a row has no cost for a tier; label it again")
    quality = bootstrap_mean(new.quality - old.quality, labels.weight)
    cost = bootstrap_mean(new.cost_usd - old.cost_usd, labels.weight)
    verdict: Verdict = "not_better"
    if quality[0] > 0:
        verdict = "better"
    elif cost[1] < 0 and quality[0] >= -max_quality_loss:
        verdict = "cheaper"

    def mean(values: Any) -> float:
        return float(np.average(values, weights=labels.weight))

    return Comparison(
        n=len(labels.rows),
        champion_quality=mean(old.quality),
        challenger_quality=mean(new.quality),
        quality_difference=quality,
        champion_cost_usd=mean(old.cost_usd),
        challenger_cost_usd=mean(new.cost_usd),
        cost_difference=cost,
        verdict=verdict,
    )


def switch_to(store: Path, folder: Path, *, note: str = "") -> None:
    """Let `current` name another artifact of the store, in one rename, and `previous` the one it named.

    Raises:
        ArtifactError: The artifact is missing or torn, stands elsewhere, or `current` is a folder and no link.
    """
    load_artifact(folder)
    if folder.resolve().parent != store.resolve():
        raise ArtifactError(folder, "", f"is no artifact of the store {store}", "export it there first")
    before = current_of(store)
    if before is not None and before != folder.resolve():
        _link(store, PREVIOUS, before.name)
    _link(store, CURRENT, folder.resolve().name)
    _note(store, "promoted", folder.resolve().name, before.name if before is not None else None, note)


def switch_back(store: Path) -> Path:
    """Let `current` and `previous` change places; return the artifact that is current now.

    Raises:
        ArtifactError: There is no earlier artifact, or it is torn.
    """
    previous, now = _target(store, PREVIOUS), current_of(store)
    if previous is None or now is None:
        raise ArtifactError(store / PREVIOUS, "", "there is no earlier artifact", "promote one first")
    load_artifact(previous)
    _link(store, CURRENT, previous.name)
    _link(store, PREVIOUS, now.name)
    _note(store, "returned", previous.name, now.name, "")
    return previous


def current_of(store: Path) -> Path | None:
    """Return the folder that `current` names, or None.

    Raises:
        ArtifactError: `current` is no link.
    """
    return _target(store, CURRENT)


def _target(store: Path, name: str) -> Path | None:
    link = store / name
    if link.is_symlink():
        return link.resolve()
    if link.exists():
        raise ArtifactError(link, "", "is no link", "move it to a folder of its own in the store")
    return None


def _link(store: Path, name: str, target: str) -> None:
    """Make or replace a link atomically: a reader sees the old one or the new one."""
    with tempfile.TemporaryDirectory(prefix=".link-", dir=store) as workplace:
        fresh = Path(workplace) / name
        fresh.symlink_to(target, target_is_directory=True)
        # Made one level deeper, so the target is written as it will be read from the store.
        os.replace(fresh, store / name)  # noqa: PTH105  Path.replace follows no link either, but says less


def _note(store: Path, event: str, name: str, before: str | None, note: str) -> None:
    line = {"ts": time.time(), "event": event, "artifact": name, "before": before, "note": note}
    with (store / HISTORY).open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
