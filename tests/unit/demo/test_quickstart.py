"""The walk: its steps are whole, and a decision that differs from the expected one is told."""

import io
from typing import Any

import httpx
import pytest
from rich.console import Console

from tiergate.demo import quickstart
from tiergate.demo.quickstart import Step, _call_text, _compare, await_record, load_walk, main, show
from tiergate.errors import PolicyError

CALL = {"model": "openai/m", "model_group": "g", "status": "ok", "fallback_from": None}
HEADERS = {
    "x-tiergate-decision-id": "d" * 20,
    "x-tiergate-tier": "simple",
    "x-tiergate-cache": "hit",
    "x-tiergate-gate": "skipped",
    "x-tiergate-cost-usd": "0.00000000",
}


def compare(expect: dict[str, Any], *, status: int = 200, record: dict[str, Any] | None = None) -> tuple[str, ...]:
    step = Step(name="s", prompt="p", expect=expect)
    row = {"calls": [CALL]} if record is None else record
    return _compare(step, httpx.Response(status, headers=HEADERS, text="body"), row).differences


def test_every_step_expects_known_things() -> None:
    steps = load_walk()
    assert len({step.name for step in steps}) == len(steps) >= 7
    assert all(set(step.expect) <= {"tier", "cache", "gate", "cost", "calls", "fallback_from"} for step in steps)
    assert {"hit", "miss"} == {step.expect["cache"] for step in steps}


def test_what_is_as_expected_differs_in_nothing() -> None:
    expect = {"tier": "simple", "cache": "hit", "cost": "zero", "calls": 1, "fallback_from": None, "gate": "skipped"}
    assert compare(expect) == ()


@pytest.mark.parametrize("expect", [{"tier": "medium"}, {"cost": "some"}, {"calls": 2}, {"fallback_from": "g"}])
def test_each_difference_is_told(expect: dict[str, Any]) -> None:
    (difference,) = compare(expect)
    assert next(iter(expect)) in difference


def test_an_error_and_a_missing_row_are_differences() -> None:
    assert any("status 500" in text for text in compare({}, status=500))
    assert compare({}, record={}) == ("no row in the decision log",)


def test_without_an_id_nobody_waits(tmp_path: Any) -> None:
    assert await_record(tmp_path, "") == {}


def test_the_table_has_a_line_for_each_decision_and_each_difference() -> None:
    step = Step(name="the step", prompt="p", expect={"tier": "medium"})
    outcome = _compare(step, httpx.Response(200, headers=HEADERS), {"calls": [CALL]})
    out = io.StringIO()
    show([outcome], Console(file=out, width=200))
    assert "the step" in out.getvalue()
    assert "unexpected: the step: tier is 'simple', not 'medium'" in out.getvalue()


def test_a_failed_call_names_its_error() -> None:
    assert _call_text(CALL) == "m"
    assert _call_text(CALL | {"model": None, "status": "Timeout"}) == "g (Timeout)"


@pytest.mark.parametrize(
    ("failure", "status"), [(PolicyError("policy.yaml", "k", "is wrong", "fix it"), 2), (KeyboardInterrupt(), 0)]
)
def test_trouble_at_the_start_is_a_message_and_a_status(
    failure: BaseException, status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*_args: Any, **_options: Any) -> int:
        raise failure

    monkeypatch.setattr(quickstart, "_run", run)
    assert main(["--once"]) == status
    assert ("fix it" in capsys.readouterr().err) is (status == 2)
