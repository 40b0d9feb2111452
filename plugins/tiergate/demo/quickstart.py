"""The quickstart: a real proxy, two stand-in providers, one line for each decision.

python -m tiergate.demo.quickstart [--once] [--port N]
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import yaml
from rich.console import Console
from rich.table import Table

from tiergate.adapters.decision_database import read_decision
from tiergate.demo.background import BackgroundProvider
from tiergate.demo.proxy_process import ProcessError, ProxyProcess, interrupted_by_signals, run_quickstart
from tiergate.errors import ConfigurationError
from tiergate.pack import locate_pack

RECORD_WAIT_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One request of the walk and the decision it expects.

    Attributes:
        name: What the step shows.
        prompt: What is asked.
        expect: Expected values: tier, cache, gate, cost (zero), calls, fallback_from.
        fault: Fault that the first provider is ordered to have before the request.
    """

    name: str
    prompt: str
    expect: dict[str, Any]
    fault: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a step gave: the response's headers, its record, and what differs from the expectation."""

    step: Step
    status: int
    headers: dict[str, str]
    record: dict[str, Any]
    differences: tuple[str, ...]


def load_walk() -> tuple[Step, ...]:
    """Return the steps of the quickstart."""
    text = resources.files("tiergate.demo").joinpath("quickstart_walk.yaml").read_text(encoding="utf-8")
    return tuple(Step(**step) for step in yaml.safe_load(text))


def walk(proxy: ProxyProcess, provider: BackgroundProvider, steps: Sequence[Step]) -> list[Outcome]:
    """Send the steps one after the other and compare each decision with the expected one."""
    outcomes = []
    with proxy.client() as client:
        for step in steps:
            if step.fault:
                provider.order("fault", **step.fault)
            body = {"model": "auto", "messages": [{"role": "user", "content": step.prompt}]}
            response = client.post("/v1/chat/completions", json=body)
            record = await_record(proxy.folder, response.headers.get("x-tiergate-decision-id", ""))
            outcomes.append(_compare(step, response, record))
    return outcomes


def await_record(folder: Path, decision_id: str, *, wait_s: float = RECORD_WAIT_S) -> dict[str, Any]:
    """Return the row behind a decision id, written within the log's flush interval; empty when there is none."""
    deadline = time.monotonic() + wait_s
    url = f"sqlite:///{folder / 'data' / 'decisions.db'}"
    while decision_id and time.monotonic() < deadline:
        row = read_decision(url, decision_id)
        if row is not None:
            return row
        time.sleep(0.05)
    return {}


def _compare(step: Step, response: httpx.Response, record: dict[str, Any]) -> Outcome:
    headers = {name: value for name, value in response.headers.items() if name.startswith("x-tiergate-")}
    calls = record.get("calls", [])
    seen: dict[str, Any] = {
        "tier": headers.get("x-tiergate-tier"),
        "cache": headers.get("x-tiergate-cache"),
        "gate": headers.get("x-tiergate-gate"),
        "cost": "zero" if float(headers.get("x-tiergate-cost-usd", "nan")) == 0 else "some",
        "calls": len(calls),
        "fallback_from": next((call["fallback_from"] for call in calls if call["fallback_from"]), None),
    }
    differences = [f"{key} is {seen[key]!r}, not {value!r}" for key, value in step.expect.items() if seen[key] != value]
    if not response.is_success:
        differences.append(f"status {response.status_code}: {response.text[:200]}")
    if not record:
        differences.append("no row in the decision log")
    return Outcome(
        step=step, status=response.status_code, headers=headers, record=record, differences=tuple(differences)
    )


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print one line for each decision."""
    table = Table(box=None, pad_edge=False)
    for column in ("request", "decision", "tier", "cache", "gate", "score", "conf.", "cost USD", "saved USD", "calls"):
        table.add_column(column, no_wrap=True, justify="right" if "USD" in column else "left")
    for outcome in outcomes:
        get = {name.removeprefix("x-tiergate-"): value for name, value in outcome.headers.items()}.get
        models = ", ".join(_call_text(call) for call in outcome.record.get("calls", [])) or "-"
        table.add_row(
            outcome.step.name, (get("decision-id") or "-")[:12], *(get(key) or "-" for key in _COLUMNS), models
        )
    console.print(table)
    for outcome in outcomes:
        for difference in outcome.differences:
            console.print(f"unexpected: {outcome.step.name}: {difference}", style="red", highlight=False)


_COLUMNS = ("tier", "cache", "gate", "route-score", "confidence", "cost-usd", "saved-usd")


def _call_text(call: dict[str, Any]) -> str:
    model = str(call["model"] or call["model_group"]).rsplit("/", 1)[-1]
    return model if call["status"] == "ok" else f"{model} ({call['status']})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the walk; serve on unless `--once`. Return 0 only when each decision was the expected one."""
    parser = argparse.ArgumentParser(prog="tiergate.demo.quickstart", description=__doc__.splitlines()[0])
    parser.add_argument("--once", action="store_true", help="stop after the requests")
    parser.add_argument("--port", type=int, default=0, help="port of the proxy; 0 takes a free one")
    options = parser.parse_args(arguments)
    console = Console(width=max(Console().width, 170))
    try:
        with interrupted_by_signals():
            return _run(console, once=options.once, port=options.port)
    except (ConfigurationError, ProcessError) as exc:
        print(exc, file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        return 0


def _run(console: Console, *, once: bool, port: int) -> int:
    config = locate_pack("quickstart") / "config.yaml"
    with (
        tempfile.TemporaryDirectory(prefix="tiergate-") as folder,
        run_quickstart(config, Path(folder), port=port) as (proxy, first, _),
    ):
        outcomes = walk(proxy, first, load_walk())
        show(outcomes, console)
        unexpected = sum(bool(outcome.differences) for outcome in outcomes)
        console.print(f"{len(outcomes) - unexpected} of {len(outcomes)} decisions as expected", highlight=False)
        if not once:
            print(f"ready {proxy.url} key {proxy.master_key}", flush=True)  # noqa: T201
            proxy.process.wait()
        return 1 if unexpected else 0


if __name__ == "__main__":
    sys.exit(main())
