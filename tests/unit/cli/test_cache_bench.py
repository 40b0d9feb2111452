"""What the `cache` commands work with: selections, keys of warmed entries, recalls by entry and by decision."""

import base64
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_tables import build_values
from tiergate.adapters.pair_label_file import PairLabelFile, Recall
from tiergate.cli.cache import app
from tiergate.cli.cache_bench import CacheBench, describe_entry, read_notice, recall_entry, to_selection, warm_key
from tiergate.errors import ConfigurationError, StoreError
from tiergate.hooks.tenant import hash_identity
from tiergate.ports import Selection, StoredAnswer
from tiergate.settings import Policy
from tiergate.testing import FakeClock, FakeEmbedder, MemoryStore

TIERS = [{"name": name, "model_group": name} for name in ("simple", "frontier")]


def policy_of(tmp_path: Path, **settings: Any) -> Policy:
    labels = {"labels": str(tmp_path / "labels.jsonl"), **settings}
    return Policy.model_validate({"tiers": TIERS, "semantic_cache": labels})


def entry(entry_id: str = "e", number: int = 0) -> StoredAnswer:
    return StoredAnswer(
        entry_id=entry_id, tenant="t", context_key="c", prompt=f"p{number}",
        vector=np.eye(64, dtype=np.float32)[number],
        body={"choices": []}, tier="simple", confidence=0.9, cost_usd=0.1, stored_at=100.0, expires_at=2e9, tags=("x",),
    )  # fmt: skip


def bench_of(policy: Policy) -> CacheBench:
    return CacheBench(policy=policy, store=MemoryStore(), embedder=FakeEmbedder(), clock=FakeClock())  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "named"), [({"entry": "e"}, ("e",)), ({"entries": ["a", "b"]}, ("a", "b")), ({"tag": "x"}, None)]
)
def test_options_make_a_selection(options: dict[str, Any], named: tuple[str, ...] | None) -> None:
    found = to_selection(tenant="t", **options)
    assert (found.tenant, found.entry_ids, found.tag) == ("t", named, options.get("tag"))


def test_an_entry_is_described_with_its_age() -> None:
    row = describe_entry(entry(), now=160.0)
    assert (row["age_s"], row["expires_in_s"], row["tags"], row["prompt"]) == (60.0, 2e9 - 160.0, ["x"], "p0")
    json.dumps(row)


@pytest.mark.parametrize(("scope", "tenant"), [("key", "k1"), ("team", "k1"), ("global", "")])
def test_a_warmed_answer_belongs_to_whom_the_scope_names(tmp_path: Path, scope: str, tenant: str) -> None:
    messages = [{"role": "user", "content": "What is the capital of Peru?"}]
    row = {"tenant": "k1", "request": {"model": "auto", "messages": messages}}
    key = warm_key(policy_of(tmp_path, scope=scope), row)
    assert (key.tenant, key.prompt) == (hash_identity(scope, tenant), "What is the capital of Peru?")
    turned = {**row, "request": {**row["request"], "temperature": 0.9}}
    assert warm_key(policy_of(tmp_path, scope=scope), turned).context_key != key.context_key


def test_a_request_that_never_meets_the_cache_cannot_be_warmed(tmp_path: Path) -> None:
    messages = [{"role": "user", "content": "What is the weather today?"}]
    with pytest.raises(StoreError, match="never looked up"):
        warm_key(policy_of(tmp_path), {"tenant": "k", "request": {"model": "auto", "messages": messages}})


async def test_a_recall_removes_the_entry_and_outlives_the_command(tmp_path: Path) -> None:
    policy = policy_of(tmp_path)
    bench = bench_of(policy)
    await bench.store.store(entry("wrong", 0))
    await bench.store.store(entry("right", 1))
    asked = np.eye(64, dtype=np.float32)[5]
    decision = {"embedding": base64.b64encode(asked.astype("<f4").tobytes()).decode("ascii")}
    assert await recall_entry(bench, "wrong", decision) == 1
    assert await recall_entry(bench, "unknown", None) == 0
    left = await bench.store.browse(Selection())
    assert [each.entry_id for each in left.entries] == ["right"]
    first, second = PairLabelFile(policy.semantic_cache.labels).read()
    assert isinstance(first, Recall)
    assert isinstance(second, Recall)
    assert (first.entry_id, first.tenant, second.entry_id, second.pair) == ("wrong", "t", "unknown", None)
    assert first.pair is not None
    np.testing.assert_array_equal(first.pair[0], asked)
    np.testing.assert_array_equal(first.pair[1], entry("wrong", 0).vector)


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A policy over an empty store, and a log with two hits on one entry."""
    url = f"sqlite:///{tmp_path}/decisions.db"
    policy = {
        "version": 1, "tiers": TIERS, "decision_log": {"url": url},
        "semantic_cache": {
            "labels": str(tmp_path / "labels.jsonl"), "store": {"kind": "edge", "path": str(tmp_path / "c")},
        },
    }  # fmt: skip
    (tmp_path / "policy.yaml").write_text(json.dumps(policy), encoding="utf-8")
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    hit, miss = {"outcome": "hit", "entry_id": "e-1"}, {"outcome": "miss"}
    rows = [("d-1", hit, 1.0), ("d-2", hit, 2.0), ("d-3", miss, 3.0)]
    database.upsert(
        [
            build_values(
                {
                    "decision_id": name,
                    "ts": ts,
                    "trace_id": f"trace of {name}",
                    "cache": cache,
                    "route": {},
                    "gate": {},
                },
                time.time_ns(),
            )
            for name, cache, ts in rows
        ]
    )
    database.close()
    return tmp_path / "policy.yaml"


@pytest.mark.parametrize("name", ["e-1", "d-2"])
def test_the_command_names_every_decision_and_trace(desk: Path, name: str) -> None:
    told = CliRunner().invoke(app, ["recall", name, "--dry-run", "--policy", str(desk), "--json"])
    assert told.exit_code == 0, told.output
    row = json.loads(told.stdout)
    assert (row["entry_id"], row["removed"], row["dry_run"]) == ("e-1", 0, True)
    assert [(each["decision_id"], each["trace_id"]) for each in row["served"]] == [
        ("d-1", "trace of d-1"),
        ("d-2", "trace of d-2"),
    ]
    assert not (desk.parent / "labels.jsonl").exists()


def test_the_command_without_dry_run_writes_the_recall_down(desk: Path) -> None:
    told = CliRunner().invoke(app, ["recall", "d-1", "--policy", str(desk)])
    assert told.exit_code == 0, told.output
    assert "decision d-2  trace trace of d-2" in told.stdout
    assert "2 decisions were served from e-1" in told.stdout
    (recall,) = PairLabelFile(desk.parent / "labels.jsonl").read()
    assert isinstance(recall, Recall)
    assert recall.entry_id == "e-1"


def test_a_decision_without_a_hit_cannot_be_recalled(desk: Path) -> None:
    with pytest.raises(ConfigurationError, match="not served from the cache"):
        read_notice(desk, "d-3")
    assert CliRunner().invoke(app, ["recall", "d-3", "--policy", str(desk)]).exit_code == 2
