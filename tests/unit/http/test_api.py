import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tiergate.decisions import GateOutcome

Rows = Callable[..., dict[str, Any]]
HIT = {"outcome": "hit", "reason": "exact_match", "similarity": 1.0, "entry_id": "entry-7"}
SKIPPED = {"outcome": GateOutcome.SKIPPED.value, "reason": "cache_hit", "confidence": 0.9}
READING = ["/tiergate/api/summary", "/tiergate/api/decisions", "/tiergate/api/decisions/d-1", "/tiergate"]


@pytest.mark.parametrize("path", READING)
async def test_only_admins_see_decisions(site: Any, build_row: Rows, path: str) -> None:
    site.write(build_row("d-1"))
    codes = {key: (await site.call("GET", path, key)).status_code for key in ("sk-admin", "sk-viewer", "sk-ann")}
    assert codes == {"sk-admin": 200, "sk-viewer": 200, "sk-ann": 403}


async def test_a_viewer_changes_nothing(site: Any) -> None:
    answer = await site.call("POST", "/tiergate/cache/invalidate", "sk-viewer", json={"all": True})
    assert answer.status_code == 403
    assert site.store.asked == []


async def test_health_needs_no_key_and_tells_no_secret(site: Any) -> None:
    health = (await site.call("GET", "/tiergate/health", None)).json()
    assert health["stages"]["semantic_cache"] == {"enabled": True, "can_invalidate": True}
    assert health["stages"]["decision_record"]["dropped"] == 0
    assert "sqlite" not in str(health)


async def test_the_summary_tells_figures_limits_and_the_logs_state(site: Any, build_row: Rows) -> None:
    site.write(build_row("d-1"), build_row("d-2", gate={"outcome": "escalated", "reason": "confidence_low"}))
    summary = (await site.call("GET", "/tiergate/api/summary?hours=2", "sk-admin")).json()
    assert summary["totals"]["requests"] == 2
    assert summary["totals"]["escalation_ratio"] == 0.5
    assert summary["limits"]["escalation_ratio"] == 0.05
    assert summary["tier_order"] == ["simple", "frontier"]
    assert summary["log"]["written"] == 3
    assert (await site.call("GET", "/tiergate/api/summary?hours=0", "sk-admin")).status_code == 422


async def test_decisions_are_filtered_and_paged(site: Any, build_row: Rows) -> None:
    start = time.time() - 100
    site.write(*(build_row(f"d-{n}", ts=start + n, final_tier="simple" if n % 2 else "frontier") for n in range(10)))
    page = (await site.call("GET", "/tiergate/api/decisions?limit=3&final_tier=simple", "sk-admin")).json()
    assert [row["decision_id"] for row in page["decisions"]] == ["d-9", "d-7", "d-5"]
    path = "/tiergate/api/decisions"
    rest = await site.call("GET", path, "sk-admin", params={"final_tier": "simple", "before": page["before"]})
    assert [row["decision_id"] for row in rest.json()["decisions"]] == ["d-3", "d-1"]
    assert rest.json()["before"] is None
    window = await site.call("GET", path, "sk-admin", params={"since": start + 2, "until": start + 4})
    assert [row["decision_id"] for row in window.json()["decisions"]] == ["d-3", "d-2"]
    assert not {"embedding", "prompt", "calls"} & set(page["decisions"][0])


@pytest.mark.parametrize("query", ["before=x", "before=1e,d", "unknown=1", "limit=0", "limit=501"])
async def test_a_query_that_cannot_be_is_refused(site: Any, query: str) -> None:
    assert (await site.call("GET", f"/tiergate/api/decisions?{query}", "sk-admin")).status_code == 422


async def test_one_decision_is_whole_but_for_the_embeddings_numbers(site: Any, build_row: Rows) -> None:
    site.write(build_row("d-1", prompt="<script>alert(1)</script>"))
    row = (await site.call("GET", "/tiergate/api/decisions/d-1", "sk-admin")).json()
    assert row["prompt"] == "<script>alert(1)</script>"
    assert "embedding" not in row
    assert row["embedding_bytes"] >= 8
    assert (await site.call("GET", "/tiergate/api/decisions/none", "sk-admin")).status_code == 404


async def test_feedback_joins_its_decision_and_is_for_the_own_keys_only(site: Any, build_row: Rows) -> None:
    site.write(build_row("d-1"))
    body = {"decision_id": "d-1", "score": 0.25, "comment": "too short"}
    assert (await site.call("POST", "/tiergate/feedback", "sk-eve", json=body)).status_code == 404
    kept = await site.call("POST", "/tiergate/feedback", "sk-ann", json=body)
    assert kept.json() == {"decision_id": "d-1", "recorded": True, "removed": 0}
    row = (await site.call("GET", "/tiergate/api/decisions/d-1", "sk-admin")).json()
    assert row["feedback"] == {"score": 0.25, "wrong_cache_hit": False, "comment": "too short"}
    await site.call("POST", "/tiergate/feedback", "sk-admin", json={"decision_id": "d-1", "score": 1})
    summary = (await site.call("GET", "/tiergate/api/summary", "sk-admin")).json()["feedback"]
    assert (summary["scores"], summary["mean_score"], summary["graded"]) == (1, 1.0, 1)
    assert summary["reliability"] == [{"n": 1, "confidence": 0.93, "quality": 1.0}]


async def test_a_later_row_of_the_decision_keeps_the_feedback(site: Any, build_row: Rows) -> None:
    site.write(build_row("d-1"))
    await site.call("POST", "/tiergate/feedback", "sk-ann", json={"decision_id": "d-1", "score": 0.5})
    site.write(build_row("d-1", final_tier="frontier"))
    row = (await site.call("GET", "/tiergate/api/decisions/d-1", "sk-admin")).json()
    assert (row["final_tier"], row["feedback"]["score"]) == ("frontier", 0.5)


async def test_a_wrong_hit_is_counted_and_its_entry_removed(site: Any, build_row: Rows) -> None:
    site.write(build_row("d-1", cache=HIT, gate=SKIPPED), build_row("d-2"))
    body = {"decision_id": "d-1", "wrong_cache_hit": True}
    assert (await site.call("POST", "/tiergate/feedback", "sk-ann", json=body)).json()["removed"] == 1
    assert [(asked.entry_id, asked.tenant) for asked in site.store.asked] == [("entry-7", site.store.asked[0].tenant)]
    body["decision_id"] = "d-2"
    assert (await site.call("POST", "/tiergate/feedback", "sk-ann", json=body)).status_code == 409
    feedback = (await site.call("GET", "/tiergate/api/summary", "sk-admin")).json()["feedback"]
    assert (feedback["hits"], feedback["wrong_hits"], feedback["graded"]) == (1, 1, 0)


async def test_a_wrong_hit_names_who_else_was_served_to_those_who_may_read_it(site: Any, build_row: Rows) -> None:
    rows = [
        build_row(name, ts=ts, trace_id=f"trace-{name}", cache=HIT, gate=SKIPPED)
        for ts, name in ((2, "d-2"), (1, "d-1"))
    ]
    site.write(*rows, build_row("d-3", cache={**HIT, "entry_id": "another"}, gate=SKIPPED), build_row("d-4"))
    body = {"decision_id": "d-1", "wrong_cache_hit": True}
    own = (await site.call("POST", "/tiergate/feedback", "sk-ann", json=body)).json()
    assert (own["served_count"], "served" in own) == (2, False)
    whole = (await site.call("POST", "/tiergate/feedback", "sk-admin", json=body)).json()
    assert [(each["decision_id"], each["trace_id"]) for each in whole["served"]] == [
        ("d-1", "trace-d-1"),
        ("d-2", "trace-d-2"),
    ]
    assert [asked.asked.tolist() for asked in site.store.asked] == [[1.0, 1.0]] * 2, "pairs like it are refused too"


@pytest.mark.parametrize(
    "body",
    [
        {"decision_id": "d-1"},
        {"decision_id": "d-1", "score": 1.1},
        {"decision_id": "d-1", "score": -0.1},
        {"decision_id": "d-1", "score": 1, "extra": 1},
        {"decision_id": "", "score": 1},
        {"score": 1},
    ],
)
async def test_feedback_that_says_nothing_is_refused(site: Any, build_row: Rows, body: dict[str, Any]) -> None:
    site.write(build_row("d-1"))
    assert (await site.call("POST", "/tiergate/feedback", "sk-ann", json=body)).status_code == 422


async def test_invalidation_is_handed_to_the_store(site: Any) -> None:
    for body in ({"prompt": "hello", "scope": "t-1"}, {"entry_id": "e"}, {"older_than_s": 60}, {"all": True}):
        answer = await site.call("POST", "/tiergate/cache/invalidate", "sk-admin", json=body)
        assert answer.json() == {"removed": 1}
    first, second, third, fourth = site.store.asked
    assert (first.prompt, first.tenant) == ("hello", "t-1")
    assert (second.entry_id, third.older_than_s, fourth.everything) == ("e", 60, True)


@pytest.mark.parametrize("body", [{}, {"all": False}, {"prompt": "a", "all": True}, {"older_than_s": -1}])
async def test_an_invalidation_names_exactly_one_thing(site: Any, body: dict[str, Any]) -> None:
    assert (await site.call("POST", "/tiergate/cache/invalidate", "sk-admin", json=body)).status_code == 422
    assert site.store.asked == []


async def test_a_store_that_cannot_remove_says_so(site: Any) -> None:
    without = replace(site.dashboard, store=None)
    assert without.describe_health()["stages"]["semantic_cache"]["can_invalidate"] is False


async def test_a_log_that_cannot_be_read_is_a_503_that_names_no_file(site: Any) -> None:
    with site.database.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE tiergate_decisions")
    for path in READING[:3]:
        answer = await site.call("GET", path, "sk-admin")
        assert answer.status_code == 503
        assert ".db" not in answer.text
