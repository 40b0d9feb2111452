"""`tiergate report` and `tiergate rollout status`."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from tiergate.cli.exits import Exit, bad_input, print_json, stop

rollout = typer.Typer(help="The four weeks of a rollout.", no_args_is_help=True, rich_markup_mode=None)

DecisionLog = Annotated[str, typer.Option("--decisions", help="URL of the decision log.")]
_PAGE = 5000


def report(
    *,
    decisions: DecisionLog,
    out: Annotated[Path, typer.Option(help="HTML file to write.")] = Path("report.html"),
    plots: Annotated[Path | None, typer.Option(help="Folder for the figures as PNG.")] = None,
) -> None:
    """Write the rollout report as one HTML file that needs nothing else, and its figures as PNG where asked."""
    from tiergate.cli.report_page import build_page  # noqa: PLC0415
    from tiergate.policy.rollout import measure_weeks  # noqa: PLC0415

    with bad_input():
        weeks = measure_weeks(read_rows(decisions))
        if not weeks:
            stop(f"{_without_password(decisions)} has no decisions. Fix: name a log that has some.")
        out.write_text(build_page(weeks, source=_without_password(decisions)), encoding="utf-8")
        typer.echo(f"wrote {out}")
        if plots is not None:
            from tiergate.cli.report_plots import write_report_plots  # noqa: PLC0415

            for file in write_report_plots(weeks, plots):
                typer.echo(f"wrote {file}")


@rollout.command("status")
def status(
    *,
    decisions: DecisionLog,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say which week's exit criteria hold. Exit 1 when those of the latest week do not."""
    from tiergate.policy.rollout import WEEKS, check_week, measure_weeks, recommend  # noqa: PLC0415

    with bad_input():
        weeks = measure_weeks(read_rows(decisions))
    found = {number: check_week(weeks, number) for number in range(1, WEEKS + 1)}
    latest = min(WEEKS, weeks[-1].number) if weeks else 1
    action, reason = recommend(weeks)
    if as_json:
        criteria = {str(number): [asdict(item) for item in items] for number, items in found.items()}
        print_json({"week": latest, "criteria": criteria, "next": action, "because": reason})
    else:
        for number, items in found.items():
            typer.echo(f"week {number}")
            for item in items:
                typer.echo(f"  {'holds' if item.met else 'open '}  {item.text}: {item.found}")
        typer.echo(f"next: {action}, because {reason}")
    if not all(item.met for item in found[latest]):
        raise typer.Exit(Exit.CHECK_FAILED)


def read_rows(url: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of a decision log in order of time.

    Raises:
        DecisionLogError: It cannot be read.
    """
    from tiergate.adapters.decision_database import read_decisions  # noqa: PLC0415  SQLAlchemy
    from tiergate.adapters.decision_search import Cursor  # noqa: PLC0415  SQLAlchemy

    cursor = None
    while rows := read_decisions(url, limit=_PAGE, after=cursor):
        yield from rows
        cursor = Cursor(ts=rows[-1]["ts"], decision_id=rows[-1]["decision_id"])


def _without_password(url: str) -> str:
    """Return a database URL without user and password."""
    scheme, found, rest = url.partition("://")
    return f"{scheme}{found}{rest.rpartition('@')[2]}"
