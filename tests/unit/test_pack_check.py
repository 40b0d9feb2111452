"""Start-up and `tiergate check` share one list of checks; what is refused is in tests/config."""

import logging
import shutil
from pathlib import Path

import pytest

from tiergate.errors import ConfigurationError
from tiergate.pack import locate_pack
from tiergate.pack_check import PackReport, check_pack, load_pack


@pytest.fixture
def pack(tmp_path: Path) -> Path:
    return Path(shutil.copytree(locate_pack("quickstart"), tmp_path / "pack"))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text(encoding="utf-8")
    assert old in text
    file.write_text(text.replace(old, new, 1), encoding="utf-8")


def check(pack: Path, version: str = "1.106.2") -> PackReport:
    return check_pack(pack / "policy.yaml", pack / "config.yaml", environ={}, litellm_version=version)


def test_a_good_pack_is_loaded_with_its_artifact_and_cache_group(pack: Path) -> None:
    loaded = load_pack(pack / "policy.yaml", pack / "config.yaml")
    assert loaded.cache_group == "tier-cache"
    assert loaded.policy.tier_names == loaded.artifact.tiers


def test_without_a_config_the_policy_is_checked_alone(pack: Path) -> None:
    assert load_pack(pack / "policy.yaml", None).cache_group is None


def test_start_up_raises_the_first_error_and_logs_the_rest(pack: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit(pack / "policy.yaml", "model_group: tier-simple", "model_group: tier-none")
    edit(pack / "config.yaml", "num_retries: 0", "num_retries: -1")
    with caplog.at_level(logging.WARNING), pytest.raises(ConfigurationError) as caught:
        load_pack(pack / "policy.yaml", pack / "config.yaml")
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert {"num_retries", "tier-none"} == {
        word for word in ("num_retries", "tier-none") if word in str(caught.value) + errors[0]
    }


def test_start_up_logs_warnings_and_goes_on(pack: Path, caplog: pytest.LogCaptureFixture) -> None:
    edit(pack / "policy.yaml", "baseline_tier: frontier", "baseline_tier: medium")
    with caplog.at_level(logging.WARNING):
        load_pack(pack / "policy.yaml", pack / "config.yaml")
    assert any("baseline_tier" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(("version", "errors", "warnings"), [("1.106.0", 0, 0), ("1.108.0", 0, 1), ("1.107.0", 1, 0)])
def test_the_litellm_version_is_checked(pack: Path, version: str, errors: int, warnings: int) -> None:
    report = check(pack, version)
    assert sum("litellm" in item.problem for item in report.errors) == errors
    assert sum("litellm" in item.problem for item in report.warnings) == warnings


def test_errors_come_before_warnings(pack: Path) -> None:
    edit(pack / "config.yaml", "num_retries: 0", "num_retries: -1")
    kinds = [item.severity.value for item in check(pack).defects]
    assert kinds == sorted(kinds)
    assert kinds[0] == "error"
