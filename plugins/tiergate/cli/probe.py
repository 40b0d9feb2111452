"""`tiergate probe`: requests with expected decisions, sent to any running proxy."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiergate.cli.address import read_address
from tiergate.cli.exits import Exit, bad_input, print_json, stop

if TYPE_CHECKING:
    from tiergate.cli.probe_run import ProbeReport

DEFAULT_KEY = "LITELLM_MASTER_KEY"


def probe(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with probes.yaml, or such a file.")],
    *,
    base_url: Annotated[str, typer.Option("--base-url", help="Address of the proxy, such as http://localhost:4000.")],
    key: Annotated[
        str, typer.Option("--key", metavar="ENV", help="Environment variable that holds the key to ask with.")
    ] = DEFAULT_KEY,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Add a system text of this run, so that earlier answers are not served.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Send probes to a running proxy. Exit 0: as expected. 1: not. 2: nothing to send, or no proxy there."""
    secret = os.environ.get(key)
    if not secret:
        stop(f"the environment variable {key} is not set. Fix: set it to a key of the proxy, or name another by --key.")
    address = read_address(base_url)
    with bad_input():
        import httpx  # noqa: PLC0415  wanted here only

        from tiergate.cli.probe_file import load_probes  # noqa: PLC0415  pydantic
        from tiergate.cli.probe_run import TIMEOUT_S, run_probes  # noqa: PLC0415

        probes = load_probes(folder)
        headers = {"Authorization": f"Bearer {secret}"}
        with httpx.Client(base_url=address, headers=headers, timeout=TIMEOUT_S) as client:
            report = run_probes(probes, client, fresh=fresh)
        if as_json:
            print_json(report_row(report))
        else:
            show(report)
    raise typer.Exit(Exit.OK if report.passed else Exit.CHECK_FAILED)


def report_row(report: "ProbeReport") -> dict[str, object]:
    """Return a report as JSON-ready values."""
    return {
        "ok": report.passed,
        "as_expected": report.as_expected,
        "sent": len(report.outcomes),
        "acceptance": report.acceptance,
        "skipped": list(report.skipped),
        "share_differences": list(report.share_differences),
        "probes": [outcome.to_row() for outcome in report.outcomes],
    }


def show(report: "ProbeReport") -> None:
    """Print a line for each probe, what differs below it, and the sum."""
    width = max((len(outcome.probe.name) for outcome in report.outcomes), default=0)
    for outcome in report.outcomes:
        seen = outcome.seen
        shown = "  ".join(f"{seen[name] or '-':<9}" for name in ("tier", "cache", "gate"))
        mark = "ok  " if not outcome.differences else "FAIL"
        fallback = "fallback" if seen["fallback"] else ""
        typer.echo(f"{mark}  {outcome.probe.name:<{width}}  {outcome.status}  {shown}  {fallback}".rstrip())
        for difference in outcome.differences:
            typer.echo(f"      {difference}")
    for name in report.skipped:
        typer.echo(f"skip  {name}: it needs stand-in providers")
    for difference in report.share_differences:
        typer.echo(f"FAIL  {difference}")
    typer.echo(f"{report.as_expected} of {len(report.outcomes)} probes as expected, {report.acceptance:.0%} needed")
