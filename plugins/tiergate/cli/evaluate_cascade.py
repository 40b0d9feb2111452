"""`tiergate evaluate cascade`."""

from pathlib import Path
from typing import Annotated

import typer

from tiergate.cli.evaluate_gate import import_toolkit, print_figures
from tiergate.errors import TiergateError


def evaluate_cascade(
    outcomes: Annotated[Path, typer.Option(help="Outcome table to evaluate on: CSV, JSONL or Parquet, also .gz.")],
    tiers: Annotated[str, typer.Option(help="Tiers, cheapest first, joined by commas.")],
    calibration: Annotated[
        Path | None, typer.Option(help="Outcome table to fit on. Without it every row is evaluated by the other folds.")
    ] = None,
    costs: Annotated[
        str | None,
        typer.Option(help="Cost of a call per tier, joined by commas; instead of the table's cost_usd|TIER."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,  # noqa: FBT002 - a flag of a command line
) -> None:
    """Compare routing, cascading and both in one: cost and quality on known outcomes."""
    tables, cascade = import_toolkit("outcomes"), import_toolkit("cascade_evaluate")
    try:
        given = None if costs is None else [float(part) for part in costs.split(",")]
    except ValueError as exc:
        typer.echo(f"--costs {costs!r} are no numbers. Fix: write --costs 1,4 for two tiers.", err=True)
        raise typer.Exit(2) from exc
    try:
        report = cascade.evaluate_cascade(
            tables.load_outcomes(outcomes),
            [part.strip() for part in tiers.split(",")],
            None if calibration is None else tables.load_outcomes(calibration),
            costs=given,
        )
    except TiergateError as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(2) from exc
    figures = report.to_json()
    if not as_json:
        print_figures({"n": figures["n"], **figures["error_cost_area"]}, as_json=False)
        return
    print_figures(figures, as_json=True)
