import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ConfigurationError
from tiergate.policy.features import FEATURES
from tiergate_classifier.data import (
    WORKLOAD_DOMAINS,
    WORKLOAD_TIERS,
    build_table,
    builtin_workload_path,
    load_workload,
    workload_digest,
)

ROW = {"id": "a-1", "prompt": "hi", "domain": "general", "tier": "simple", "rule": "S4", "group": "a-1"}
TIER_OF_RULE = {"S": "simple", "M": "medium", "F": "frontier"}


def write_rows(folder: Path, *rows: dict[str, Any]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_the_workload_that_ships_covers_every_tier_in_every_domain() -> None:
    rows = load_workload(builtin_workload_path())
    counts = Counter((row.domain, row.tier) for row in rows)

    assert len(rows) >= 600
    assert all(counts[domain, tier] >= 10 for domain in WORKLOAD_DOMAINS for tier in WORKLOAD_TIERS)
    assert all(Counter(row.domain for row in rows)[safety] >= 150 for safety in ("finance", "legal"))


def test_its_rules_are_those_of_its_readme_and_give_the_tier() -> None:
    readme = (builtin_workload_path() / "README.md").read_text()
    rows = load_workload(builtin_workload_path())

    for row in rows:
        assert f"| {row.rule} | {row.tier} |" in readme
        assert TIER_OF_RULE[row.rule[0]] == row.tier
    assert f"{len(rows)} prompts" in readme


def test_its_rows_stand_in_the_file_of_their_domain() -> None:
    for file in builtin_workload_path().glob("*.jsonl"):
        domains = {json.loads(line)["domain"] for line in file.read_text().splitlines()}
        assert domains == {file.stem}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROW | {"tier": "huge"}, "huge"),
        (ROW | {"domain": "cooking"}, "cooking"),
        (ROW | {"novel": 1}, "novel"),
        ({"id": "a-2"}, "prompt"),
        (ROW | {"id": "a-2"}, "twice"),
        (ROW | {"prompt": "hello"}, "twice"),
    ],
)
def test_a_wrong_row_is_named_by_file_and_line(tmp_path: Path, row: dict[str, Any], message: str) -> None:
    folder = write_rows(tmp_path / "w", ROW, row)

    with pytest.raises(ConfigurationError, match=message) as caught:
        load_workload(folder)

    assert (caught.value.file, caught.value.key) == (str(folder / "rows.jsonl"), "line 2")


def test_a_folder_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"jsonl"):
        load_workload(tmp_path)


def test_the_digest_follows_the_rows_and_nothing_else(tmp_path: Path) -> None:
    one, two = write_rows(tmp_path / "one", ROW), write_rows(tmp_path / "two", ROW)
    (two / "README.md").write_text("words")
    assert workload_digest(one) == workload_digest(two)

    write_rows(two, ROW | {"prompt": "hello"})
    assert workload_digest(one) != workload_digest(two)


def test_a_table_holds_rows_as_arrays_and_gives_some_of_them() -> None:
    rows = load_workload(builtin_workload_path())[:3]
    table = build_table(rows, OnnxEmbedder(pool=InferencePool()))

    assert table.vectors.shape == (3, 384)
    assert table.features.shape == (3, len(FEATURES))
    np.testing.assert_allclose(np.linalg.norm(table.vectors, axis=1), 1, rtol=1e-5)
    assert [WORKLOAD_TIERS[tier] for tier in table.tier] == [row.tier for row in rows]
    assert [WORKLOAD_DOMAINS[domain] for domain in table.domain] == [row.domain for row in rows]

    part = table.take([2, 0])
    assert part.rows == (rows[2], rows[0])
    np.testing.assert_array_equal(part.vectors, table.vectors[[2, 0]])
