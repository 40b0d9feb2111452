"""`tiergate label` against a stand-in proxy."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.classifier.stand_in_proxy import StandInProxy, running_proxy
from typer.testing import Result

from tiergate.pack import locate_pack

Tiergate = Callable[..., Result]
POLICY = str(locate_pack("quickstart") / "policy.yaml")


@pytest.fixture
def served() -> Iterator[StandInProxy]:
    with running_proxy() as proxy:
        yield proxy


@pytest.fixture
def arguments(served: StandInProxy, tmp_path: Path) -> tuple[str, ...]:
    rule = {"kind": "contains", "value": "answer"}
    rows = [{"id": f"p{at}", "prompt": f"What is {at} + {at}?", "rule": rule} for at in range(4)]
    (tmp_path / "prompts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    common = ("label", "--policy", POLICY, "--out", "labels.jsonl", "--key", "k", "--base-url", served.url)
    return (*common, "--prompts", "prompts.jsonl", "--max-tokens", "50")


def test_a_dry_run_prints_the_cost_and_asks_nobody(
    tiergate: Tiergate, served: StandInProxy, arguments: tuple[str, ...]
) -> None:
    told = json.loads(tiergate(*arguments, "--dry-run", "--json").stdout)
    assert (told["prompts"], told["calls"]) == (4, 12)
    assert told["estimated_usd"] > 0
    assert "12 calls to make" in tiergate(*arguments, "--dry-run").stdout
    assert served.asked == []


def test_labelling_stops_at_the_cap_and_goes_on(
    tiergate: Tiergate, served: StandInProxy, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    stopped = tiergate(*arguments, "--max-cost", "0")
    assert stopped.exit_code == 1
    assert "raise --max-cost" in stopped.stderr
    done = tiergate(*arguments)
    assert done.exit_code == 0, done.stderr
    assert "4 of 4 prompts graded" in done.stdout
    assert len((tmp_path / "labels.jsonl").read_text().splitlines()) == 4
    assert len(served.asked) == 12


def test_people_grade_through_a_csv(tiergate: Tiergate, arguments: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "prompts.jsonl").write_text('{"id": "p", "prompt": "Why?"}')
    assert tiergate(*arguments, "--human", "grades.csv").exit_code == 0
    lines = (tmp_path / "grades.csv").read_text().splitlines()
    assert len(lines) == 4
    (tmp_path / "grades.csv").write_text("\n".join([lines[0], *(line + "1" for line in lines[1:])]))
    read = tiergate("label", "--policy", POLICY, "--out", "labels.jsonl", "--grades", "grades.csv")
    assert "1 rows graded by people" in read.stdout


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ((), "one of --decisions and --prompts"),
        (("--decisions", "sqlite:///none.db"), "no decision log"),
        (("--prompts", "empty.jsonl"), "nothing to label"),
    ],
)
def test_bad_input_is_told(tiergate: Tiergate, tmp_path: Path, more: tuple[str, ...], told: str) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    result = tiergate("label", "--policy", POLICY, "--out", "l.jsonl", "--key", "k", *more)
    assert result.exit_code == 2
    assert told in result.stderr


def test_a_key_is_needed(tiergate: Tiergate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LITELLM_MASTER_KEY", raising=False)
    result = tiergate("label", "--policy", POLICY, "--out", "l.jsonl", "--prompts", "x.jsonl")
    assert result.exit_code == 2
    assert "LITELLM_MASTER_KEY" in result.stderr
