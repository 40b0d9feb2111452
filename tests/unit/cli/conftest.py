"""Running the command in this process."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_tables import build_values
from tiergate.artifact import builtin_artifact_path, load_artifact
from tiergate.cli.main import app
from tiergate.pack import locate_pack

Command = Callable[..., Result]


@pytest.fixture
def tiergate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Command:
    """Return a function that runs `tiergate` with arguments in an empty folder, without keys in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "DEEPSEEK_API_KEY", "GEMINI_API_KEY", "TIERGATE_POLICY"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, typed: str | None = None) -> Result:
        result = CliRunner().invoke(app, list(arguments), input=typed)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run


WEEK_S = 7 * 86_400.0
START = 1_700_000_000.0


def log_row(number: int, ts: float, **changes: Any) -> dict[str, Any]:
    call = {
        "tier": "simple", "model_group": "tier-simple", "model": "m", "provider": "p", "fallback_from": None,
        "prompt_tokens": 90, "completion_tokens": 10, "cached_tokens": 0, "cost_usd": 0.3, "ms": 80.0,
        "start_ms": 5.0, "status": "ok",
    }  # fmt: skip
    plain = {
        "decision_id": f"d-{number}",
        "ts": ts,
        "call_id": f"c-{number}",
        "mode": "active",
        "experiment": "gate",
        "arm": "a" if number % 2 else "b",
        "unit": f"u-{number}",
        "cost_usd": 0.3,
        "baseline_cost_usd": 1.0,
        "route": {
            "tier": "simple",
            "reason": "score_meets_quality",
            "outcome": "routed",
            "artifact_digest": load_artifact(builtin_artifact_path()).digest,
            "scores": {"simple": 0.97, "medium": 0.98, "frontier": 1.0},
            "lower_bounds": {"simple": 0.96, "medium": 0.97, "frontier": 1.0},
            "domains": {"general": 0.9},
            "propensity": 1.0,
        },
        "cache": {"outcome": "miss"},
        "gate": {"outcome": "trusted", "reason": "confidence_high", "confidence": 0.9},
        "calls": [call],
        "errors": {},
        "status": "ok",
        "latency_ms": 100.0,
        "overhead_ms": 5.0,
        "feedback": {"score": 0.9},
    }
    return {**plain, **changes}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A log of two weeks, the first in shadow mode."""
    url = f"sqlite:///{tmp_path_factory.mktemp('log') / 'decisions.db'}"
    rows = [log_row(n, START + n * WEEK_S / 200, mode="shadow", cost_usd=1.0) for n in range(200)]
    rows += [log_row(200 + n, START + WEEK_S + n * WEEK_S / 200) for n in range(200)]
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    database.upsert([build_values(item, place) for place, item in enumerate(rows)])
    database.close()
    return url


@pytest.fixture
def policy_file(tmp_path: Path) -> Path:
    policy = yaml.safe_load((locate_pack("quickstart") / "policy.yaml").read_text(encoding="utf-8"))
    arms = {"a": {"confidence_gate.escalate_below": 0.65}, "b": {"confidence_gate.escalate_below": 0.75}}
    policy["experiments"] = [{"name": "gate", "arms": arms}]
    file = tmp_path / "policy.yaml"
    file.write_text(yaml.safe_dump(policy))
    return file
