"""`tiergate demo`: the reference case on this machine, with its report; or the quickstart's walk."""

import json
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from tiergate.cli.exits import bad_input

TASKS, SPEED, CONCURRENCY = 40, 5.0, 2
"""A run of a minute or two; `tiergate simulate` runs the whole scenario at the speed of the models."""


def demo(
    *,
    scenario: Annotated[str, typer.Option(help="agent-stack, b2c-support, or a YAML file.")] = "agent-stack",
    tasks: Annotated[int, typer.Option(help="Tasks of the scenario to run.", min=1)] = TASKS,
    out: Annotated[Path, typer.Option(help="Folder for the report, its figures and the decision log.")] = Path(
        "tiergate-demo"
    ),
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the report.")] = True,
    walk: Annotated[bool, typer.Option("--walk", help="The quickstart's requests instead, one line for each.")] = False,
    once: Annotated[bool, typer.Option("--once", help="As --walk; stop after the requests.")] = False,
    port: Annotated[int, typer.Option(help="Port of --walk's proxy; 0 takes a free one.", min=0, max=65535)] = 0,
) -> None:
    """Run the reference case through a real proxy with stand-in providers, and open its report.

    With --walk: send the quickstart's requests, and serve on.
    """
    with bad_input():
        if walk or once:
            from tiergate.demo.quickstart import main  # noqa: PLC0415  httpx and SQLAlchemy, wanted here only

            raise typer.Exit(main([*(["--once"] if once else []), "--port", str(port)]))
        report = run_demo(scenario, tasks, out)
    typer.echo(f"report {report}")
    if browser:
        webbrowser.open(report.as_uri())


def run_demo(scenario: str, tasks: int, folder: Path) -> Path:
    """Run a scenario and return its report's path; figures and decision log lie beside it.

    Args:
        scenario: Name or file.
        tasks: How many tasks.
        folder: Made when it is not there; an earlier run's decision log in it is deleted.
    """
    from tiergate.cli.report import read_rows  # noqa: PLC0415
    from tiergate.cli.report_page import build_page  # noqa: PLC0415
    from tiergate.cli.simulate import run_scenario  # noqa: PLC0415
    from tiergate.policy.rollout import measure_weeks  # noqa: PLC0415

    folder = folder.resolve()
    log = folder / "data" / "decisions.db"
    log.parent.mkdir(parents=True, exist_ok=True)
    for file in log.parent.glob(f"{log.name}*"):
        file.unlink()
    found = run_scenario(scenario, {"tasks": tasks}, speed=SPEED, concurrency=CONCURRENCY, folder=folder)
    (folder / "figures.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    weeks = measure_weeks(read_rows(f"sqlite:///{log}"))
    page = folder / "report.html"
    page.write_text(build_page(weeks, source=f"scenario {scenario}", figures=found["figures"]), encoding="utf-8")
    return page
