"""`tiergate evaluate gate`."""

import json
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from tiergate.cli.exits import stop
from tiergate.errors import TiergateError

TRAIN_EXTRA = "this command needs the training extra: pip install 'tiergate[train]'"


def evaluate_gate(
    outcomes: Annotated[Path, typer.Option(help="Outcome table to evaluate on: CSV, JSONL or Parquet, also .gz.")],
    weak: Annotated[str, typer.Option(help="Tier whose answers are gated.")],
    strong: Annotated[str, typer.Option(help="Tier that is escalated to.")],
    calibration: Annotated[
        Path | None, typer.Option(help="Outcome table to calibrate on. Without it the documented prior is used.")
    ] = None,
    min_quality: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Share of the strong tier's quality to hold.")
    ] = 0.95,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002 - a flag of a command line
) -> None:
    """Evaluate the confidence gate between two tiers on known outcomes."""
    if weak == strong:
        stop(f"--weak and --strong are both {weak!r}. Fix: name the tier that answers, then the one escalated to.")
    tables, gate = import_toolkit("outcomes"), import_toolkit("gate_evaluate")
    try:
        report = gate.evaluate_gate(
            tables.load_outcomes(outcomes),
            weak,
            strong,
            None if calibration is None else tables.load_outcomes(calibration),
            min_quality=min_quality,
        )
    except TiergateError as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(2) from exc
    print_figures(report.to_json(), as_json=as_json)


def import_toolkit(module: str) -> Any:
    """Return a module of the training toolkit.

    Raises:
        typer.Exit: Its extra is not installed; the message says how to install it.
    """
    try:
        return import_module(f"tiergate_classifier.{module}")
    except ModuleNotFoundError as exc:
        typer.echo(f"{TRAIN_EXTRA} ({exc.name} is missing)", err=True)
        raise typer.Exit(2) from exc


def print_figures(figures: Any, *, as_json: bool) -> None:
    """Print figures as JSON, or one per line."""
    if as_json:
        typer.echo(json.dumps(figures, indent=1))
        return
    for name, value in figures.items():
        shown = "-" if value is None else f"{value:.4g}" if isinstance(value, float) else value
        typer.echo(f"{name:24} {shown}")
