"""A policy on a table in which every answer is known."""

import pytest
from tests.classifier.test_replay_log import policy_of

from tiergate.ports import Classification

pytest.importorskip("polars")


def test_routing_and_gate_follow_the_table() -> None:
    from pathlib import Path  # noqa: PLC0415
    from tempfile import TemporaryDirectory  # noqa: PLC0415

    from tiergate_classifier.outcomes import load_outcomes  # noqa: PLC0415
    from tiergate_classifier.replay_log import ReplayError  # noqa: PLC0415
    from tiergate_classifier.replay_outcomes import replay_outcomes  # noqa: PLC0415

    head = "id,prompt,correct|simple,correct|medium,correct|frontier,cost_usd|simple,cost_usd|medium,cost_usd|frontier"
    with TemporaryDirectory() as folder:
        file = Path(folder) / "t.csv"
        file.write_text(f"{head},confidence|simple\n1,a,0,1,1,1,5,15,0.2\n2,b,1,1,1,1,5,15,0.9\n")
        table = load_outcomes(file)
    easy = Classification(scores={}, lower_bounds={"simple": 0.9, "medium": 0.9, "frontier": 1.0}, domains={})
    found = {item.metric: item for item in replay_outcomes(table, policy_of(), [easy, easy]).estimates}
    assert found["quality"].value == 1.0
    assert found["cost_usd"].value == pytest.approx((6 + 1) / 2)
    assert found["escalated"].value == 0.5
    assert found["latency_ms"].method == "unknown"
    with pytest.raises(ReplayError, match="huge"):
        replay_outcomes(table, policy_of(tiers=("simple", "huge")), [easy, easy])
