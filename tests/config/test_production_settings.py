"""The production pack's settings and policy on stand-in providers: the quickstart's walk gives the same decisions."""

from pathlib import Path

import pytest
import yaml

from tiergate.demo.proxy_process import run_quickstart
from tiergate.demo.quickstart import load_walk, walk
from tiergate.pack import locate_pack

pytestmark = [pytest.mark.proxy, pytest.mark.gateway]


def write_pack(folder: Path) -> Path:
    """Write the production pack with the quickstart's models; return its config.yaml."""
    folder.mkdir()
    config = yaml.safe_load((locate_pack() / "config.yaml").read_text(encoding="utf-8"))
    quickstart = yaml.safe_load((locate_pack("quickstart") / "config.yaml").read_text(encoding="utf-8"))
    del config["include"]
    config["model_list"] = quickstart["model_list"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    policy = yaml.safe_load((locate_pack() / "policy.yaml").read_text(encoding="utf-8"))
    for stage in ("semantic_cache", "intent_router"):
        policy[stage]["budget_ms"] = 5000  # a busy test machine must not decide
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    return folder / "config.yaml"


def test_the_production_settings_give_the_quickstart_s_decisions(tmp_path: Path) -> None:
    config = write_pack(tmp_path / "pack")
    # One retry is a production setting, so a fault of one request never reaches the fallback.
    steps = [step for step in load_walk() if not step.fault]
    with run_quickstart(config, tmp_path) as (proxy, first, _):
        outcomes = walk(proxy, first, steps)
    assert {outcome.step.name: outcome.differences for outcome in outcomes if outcome.differences} == {}


def test_a_provider_that_stays_down_is_answered_by_its_fallback(tmp_path: Path) -> None:
    config = write_pack(tmp_path / "pack")
    (step,) = [step for step in load_walk() if step.fault]
    with run_quickstart(config, tmp_path) as (proxy, first, _):
        first.order("fault", **{**step.fault, "times": 2})
        (outcome,) = walk(proxy, first, [type(step)(name=step.name, prompt=step.prompt, expect=step.expect)])
    assert outcome.differences == ()
