"""The log becomes a reference and a window; a new artifact begins a new reference."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_tables import build_values
from tiergate.adapters.drift_log import check_drift, observe
from tiergate.errors import DecisionLogError
from tiergate.policy.drift import DriftKind
from tiergate.settings import Policy
from tiergate.telemetry.record import encode_embedding

POLICY = Policy.model_validate(
    {
        "tiers": [{"name": name, "model_group": name} for name in ("simple", "frontier")],
        "drift": {"reference_rows": 60, "window_rows": 40},
    }
)


def row(at: int, *, shift: float = 0.0, digest: str = "a", **changes: Any) -> dict[str, Any]:
    random = np.random.default_rng(at)
    vector = np.array([1.0, shift, 0, 0]) + 0.3 * random.normal(size=4)
    return {
        "decision_id": f"d{at:04}",
        "ts": float(at),
        "route": {"scores": {"simple": 0.9}, "score": 0.9, "domain": "code", "artifact_digest": digest},
        "gate": {"outcome": "trusted" if at % 50 else "escalated"},
        "embedding": encode_embedding((vector / np.linalg.norm(vector)).astype(np.float32)),
        **changes,
    }


def write(folder: Path, rows: list[dict[str, Any]]) -> str:
    url = f"sqlite:///{folder / 'decisions.db'}"
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    database.upsert([build_values(one, at) for at, one in enumerate(rows)])
    database.close()
    return url


def test_a_shift_in_the_newest_window_is_found(tmp_path: Path) -> None:
    url = write(tmp_path, [*(row(at) for at in range(70)), *(row(at, shift=2.0) for at in range(70, 110))])
    findings = check_drift(POLICY, url)
    assert findings is not None
    assert (findings[0].kind, findings[0].alarm) == (DriftKind.INPUT, True)


def test_quiet_traffic_has_no_alarm(tmp_path: Path) -> None:
    findings = check_drift(POLICY, write(tmp_path, [row(at) for at in range(120)]))
    assert findings is not None
    assert not any(finding.alarm for finding in findings)


@pytest.mark.parametrize(
    "rows",
    [
        [row(at) for at in range(30)],
        [row(at) for at in range(90)],
        [*(row(at) for at in range(100)), *(row(at, digest="b") for at in range(100, 130))],
        [*(row(at) for at in range(100)), *(row(at, digest="b") for at in range(100, 160))],
    ],
    ids=["no window", "overlap", "window of two artifacts", "no reference"],
)
def test_too_few_rows_give_nothing(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    assert check_drift(POLICY, write(tmp_path, rows)) is None


def test_what_a_row_tells() -> None:
    told = observe(row(50, feedback={"score": 0.25}), POLICY)
    assert told is not None
    assert (told.accepted, told.escalated, told.predicted) == (0.25, True, 0.9)
    ungated = observe(row(1, gate={"outcome": "skipped"}), POLICY)
    assert ungated is not None
    assert (ungated.accepted, ungated.escalated) == (None, None)
    assert observe(row(1, route={"scores": {}}), POLICY) is None


def test_a_log_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DecisionLogError):
        check_drift(POLICY, f"sqlite:///{tmp_path / 'none.db'}")
