"""`tiergate evaluate router`: how well a classifier orders prompts between two tiers."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from tiergate.errors import TiergateError

_USAGE = 2


def evaluate_router(
    outcomes: Annotated[Path, typer.Option(help="Outcome table: CSV, JSONL or Parquet, .gz allowed.")],
    weak: Annotated[str, typer.Option(help="Name of the weak tier in the table.")],
    strong: Annotated[str, typer.Option(help="Name of the strong tier in the table.")],
    train: Annotated[Path | None, typer.Option(help="Outcomes of the same workload to adapt to.")] = None,
    artifact: Annotated[Path | None, typer.Option(help="Classifier folder; the one that ships by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Measure the order in which a classifier would send prompts to the strong tier."""
    if find_spec("polars") is None or find_spec("scipy") is None:
        typer.echo("evaluate router needs the toolkit: pip install 'tiergate[train]'", err=True)
        raise typer.Exit(_USAGE)
    from tiergate_classifier import router_evaluate  # noqa: PLC0415 - the toolkit is an extra

    try:
        figures = router_evaluate.evaluate_router(outcomes, weak=weak, strong=strong, train=train, artifact=artifact)
    except TiergateError as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(_USAGE) from exc
    values = figures.as_json()
    if as_json:
        typer.echo(json.dumps(values))
        return
    for name, value in values.items():
        typer.echo(f"{name:22} {value:g}")
