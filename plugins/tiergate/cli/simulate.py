"""`tiergate simulate`: a scenario through a real proxy with stand-in providers, beside the published figures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tiergate.cli.exits import Exit, bad_input, print_json

if TYPE_CHECKING:
    from tiergate.demo.simulation_figures import Figure, Goal
    from tiergate.demo.simulation_scenario import SimulationScenario


def simulate(
    *,
    scenario: Annotated[str, typer.Option(help="agent-stack, b2c-support, or a YAML file.")] = "agent-stack",
    tasks: Annotated[int, typer.Option(help="Tasks to run; 0 takes the scenario's number.", min=0)] = 0,
    seed: Annotated[int | None, typer.Option(help="Seed of every draw; the scenario's own by default.")] = None,
    degrade: Annotated[
        float,
        typer.Option("--degrade-classifier", help="Share of prompts whose scores are flipped.", min=0.0, max=1.0),
    ] = 0.0,
    speed: Annotated[float, typer.Option(help="How many times faster the stand-ins answer.", min=0.1, max=1000)] = 1.0,
    concurrency: Annotated[int, typer.Option(help="Tasks at the same time.", min=1)] = 1,
    out: Annotated[Path | None, typer.Option(help="Write the figures to this JSON file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Run a scenario before and after tiergate. Exit 1 when a goal of the scenario is not met."""
    with bad_input():
        changes = {"tasks": tasks or None, "seed": seed}
        report = run_scenario(scenario, changes, degrade=degrade, speed=speed, concurrency=concurrency)
        if out is not None:
            out.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        if as_json:
            print_json(report)
    if not all(goal["met"] for goal in report["goals"]) and not degrade:
        raise typer.Exit(Exit.CHECK_FAILED)


def run_scenario(
    source: str,
    changes: Mapping[str, int | None],
    *,
    degrade: float = 0.0,
    speed: float,
    concurrency: int,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Run a scenario, show its figures, and return them.

    Args:
        source: Name of a scenario, or its file.
        changes: Fields of the scenario that are to be other ones; None leaves one as it is.
        degrade: As for `run_simulation`, like those that follow.
        speed: See there.
        concurrency: See there.
        folder: See there.
    """
    from dataclasses import asdict  # noqa: PLC0415

    from tiergate.demo.proxy_process import interrupted_by_signals  # noqa: PLC0415
    from tiergate.demo.simulation import keep_grades, run_simulation  # noqa: PLC0415  httpx, SQLAlchemy and starlette
    from tiergate.demo.simulation_figures import check_goals, measure  # noqa: PLC0415
    from tiergate.demo.simulation_scenario import load_simulation  # noqa: PLC0415

    scenario = load_simulation(source)
    scenario = scenario.model_copy(update={key: value for key, value in changes.items() if value is not None})
    with interrupted_by_signals():
        pairs = run_simulation(scenario, degrade=degrade, speed=speed, concurrency=concurrency, folder=folder)
    if folder is not None:
        keep_grades(pairs, folder)
    figures = measure(scenario, pairs)
    goals = check_goals(scenario.goals, figures)
    _show(figures, goals)
    return {
        "scenario": scenario.name,
        "tasks": scenario.tasks,
        "seed": scenario.seed,
        "calls": len(pairs),
        "classifier": next((digest for pair in pairs if (digest := pair.record["route"].get("artifact_digest"))), None),
        "degrade_classifier": degrade,
        "speed": speed,
        "concurrency": concurrency,
        "figures": [asdict(figure) for figure in figures],
        "goals": [asdict(goal) for goal in goals],
        "per_month": _per_month(scenario, figures),
        "assumed": scenario.model_dump(mode="json", exclude={"forms", "questions", "slots", "published", "goals"}),
    }


def _per_month(scenario: "SimulationScenario", figures: "list[Figure]") -> dict[str, float]:
    """Return what a month costs before and after: arithmetic on the cost of a task."""
    value = {figure.name: figure.value for figure in figures}
    return {
        "tasks": scenario.tasks_per_month,
        "before_usd": scenario.tasks_per_month * value["cost_before_usd"],
        "after_usd": scenario.tasks_per_month * value["cost_after_usd"],
    }


def _show(figures: "list[Figure]", goals: "list[Goal]") -> None:
    typer.echo(f"{'figure':<34} {'run':>9} {'95 % interval':>21} {'published':>10}", err=True)
    for figure in figures:
        published = "" if figure.published is None else f"{figure.published:.4g}"
        verdict = {None: "", True: "reproduced", False: "not reproduced"}[figure.reproduced]
        interval = f"{figure.low:.4g} to {figure.high:.4g}"
        why = f": {figure.why}" if figure.why else ""
        typer.echo(f"{figure.name:<34} {figure.value:>9.4g} {interval:>21} {published:>10} {verdict}{why}", err=True)
    for goal in goals:
        met = "met    " if goal.met else "NOT MET"
        typer.echo(f"{met} {goal.name} {goal.bound:.4g} (is {goal.value:.4g})", err=True)
