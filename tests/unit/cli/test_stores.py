"""Opening the stores that a policy names."""

from pathlib import Path

import pytest

from tiergate.cli.stores import open_stores
from tiergate.settings import Policy


def policy(tmp_path: Path, **more: object) -> Policy:
    return Policy.model_validate(
        {
            "tiers": [{"name": "simple", "model_group": "a"}, {"name": "frontier", "model_group": "b"}],
            "semantic_cache": {"store": {"kind": "edge", "path": str(tmp_path / "cache")}},
            "decision_log": {"url": f"sqlite:///{tmp_path}/decisions.db"},
            **more,
        }
    )


def test_stores_that_open_give_no_defect(tmp_path: Path) -> None:
    assert open_stores(policy(tmp_path), tmp_path / "policy.yaml") == []
    assert (tmp_path / "cache").is_dir()
    assert (tmp_path / "decisions.db").is_file()


def test_a_disabled_cache_is_not_opened(tmp_path: Path) -> None:
    assert open_stores(policy(tmp_path, semantic_cache={"enabled": False}), tmp_path / "policy.yaml") == []
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    "encoder", [{}, {"kind": "openai", "base_url": "http://localhost", "model": "m", "dimensions": 8}]
)
def test_a_store_that_is_open_elsewhere_is_told(tmp_path: Path, encoder: dict[str, object]) -> None:
    (tmp_path / "cache").write_text("a file", encoding="utf-8")
    found = open_stores(policy(tmp_path, encoder=encoder), tmp_path / "policy.yaml")
    assert [str(tmp_path / "cache") in defect.file for defect in found] == [True]
