"""`tiergate experiment plan|status|stop|promote`."""

import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tiergate.cli.exits import Exit, bad_input, print_json, stop
from tiergate.cli.report import read_rows

if TYPE_CHECKING:
    from tiergate.policy.confidence_sequence import Bounds
    from tiergate.settings import Policy
    from tiergate.settings_experiments import Experiment

app = typer.Typer(help="Experiments: arms are policy overrides.", no_args_is_help=True, rich_markup_mode=None)

PolicyFile = Annotated[Path, typer.Option("--policy", help="policy.yaml with the experiment.")]
DecisionLog = Annotated[str, typer.Option("--decisions", help="URL of the decision log.")]
Name = Annotated[str, typer.Argument(help="Name of the experiment.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("plan")
def plan(
    *,
    rate: Annotated[float, typer.Option(help="Escalation ratio of the control.", min=0.001, max=0.999)] = 0.05,
    effect: Annotated[float, typer.Option(help="Relative difference to find, such as 0.2.", min=0.01, max=10)] = 0.2,
    units_per_day: Annotated[float, typer.Option(help="Units (keys, users, sessions) a day.", min=1, max=1e9)] = 1000.0,
    requests_per_unit: Annotated[float, typer.Option(help="Requests of a unit.", min=1, max=1e6)] = 1.0,
    likeness: Annotated[float, typer.Option(help="Correlation of a unit's requests.", min=0.0, max=1.0)] = 0.05,
    as_json: AsJson = False,
) -> None:
    """Say how long until two arms of equal size are told apart in half of the runs."""
    from tiergate.policy.confidence_sequence import plan_units  # noqa: PLC0415

    spread = rate * (1 - rate) * (1 + (requests_per_unit - 1) * likeness) / requests_per_unit
    units = plan_units(4 * spread, effect * rate)
    found = {"units": units, "requests": round(units * requests_per_unit), "days": units / units_per_day}
    if as_json:
        print_json(found)
    else:
        typer.echo(f"{units} units, {found['requests']} requests, {found['days']:.1f} days")


@app.command("status")
def status(name: Name, *, policy_file: PolicyFile, decisions: DecisionLog, as_json: AsJson = False) -> None:
    """Show every arm with intervals that hold however often one looks. Exit 1 on a breach or a ratio mismatch."""
    from tiergate.policy.experiment_status import measure_status  # noqa: PLC0415

    with bad_input():
        experiment = _find(_load(policy_file), name)
        found = measure_status(experiment, read_rows(decisions))
    if as_json:
        print_json(_finite(asdict(found)))
    else:
        for arm in found.arms:
            typer.echo(f"{arm.arm}: {arm.units} units, {arm.requests} requests")
            for metric, bounds in arm.means.items():
                difference = arm.differences.get(metric)
                against = "" if difference is None else f"   against {experiment.control}: {_text(difference)}"
                typer.echo(f"  {metric:<10} {_text(bounds)}{against}")
            for guardrail in arm.breached:
                typer.echo(f"  beyond {guardrail}: run `tiergate experiment stop {name} --arm {arm.arm}`")
        typer.echo(f"decided: {', '.join(found.decided) or 'nothing yet'}")
        if found.mismatch:
            typer.echo("units do not fall onto the arms by their shares: no result counts until that is understood")
    if found.mismatch or any(arm.breached for arm in found.arms):
        raise typer.Exit(Exit.CHECK_FAILED)


@app.command("stop")
def stop_arm(
    name: Name,
    *,
    policy_file: PolicyFile,
    arm: Annotated[str | None, typer.Option(help="Arm to stop; without it the whole experiment ends.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Change the file (its comments are lost).")] = False,
) -> None:
    """Stop an arm, or end the experiment: print the new policy, or write it."""
    with bad_input():
        experiment = _find(_load(policy_file), name)
        raw = _read_raw(policy_file)
        if arm is None:
            raw["experiments"] = [item for item in raw["experiments"] if item["name"] != name]
        elif arm not in experiment.arms:
            stop(f"{arm!r} is no arm of {name}. Fix: use one of: {', '.join(experiment.arms)}.")
        else:
            entry = next(item for item in raw["experiments"] if item["name"] == name)
            entry["stopped"] = sorted({*entry.get("stopped", ()), arm})
        _finish(raw, policy_file, write=write)


@app.command("promote")
def promote(
    name: Name,
    arm: Annotated[str, typer.Argument(help="Arm whose overrides become the policy.")],
    *,
    policy_file: PolicyFile,
    write: Annotated[bool, typer.Option("--write", help="Change the file (its comments are lost).")] = False,
) -> None:
    """Make an arm the policy and end the experiment: print the new policy, or write it."""
    with bad_input():
        experiment = _find(_load(policy_file), name)
        if arm not in experiment.arms:
            stop(f"{arm!r} is no arm of {name}. Fix: use one of: {', '.join(experiment.arms)}.")
        raw = _read_raw(policy_file)
        raw["experiments"] = [item for item in raw["experiments"] if item["name"] != name]
        for key, value in experiment.arms[arm].items():
            *path, last = key.split(".")
            place = raw
            for part in path:
                place = place.setdefault(part, {})
            place[last] = value
        _finish(raw, policy_file, write=write)


def _load(path: Path) -> "Policy":
    from tiergate.settings import load_policy  # noqa: PLC0415  pydantic

    return load_policy(path)


def _find(policy: "Policy", name: str) -> "Experiment":
    found = next((item for item in policy.experiments if item.name == name), None)
    if found is None:
        known = ", ".join(item.name for item in policy.experiments) or "none"
        stop(f"policy has no experiment {name!r}. Fix: use one of: {known}.")
    return found


def _read_raw(path: Path) -> dict[str, Any]:
    import yaml  # noqa: PLC0415

    raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return raw


def _finish(raw: dict[str, Any], path: Path, *, write: bool) -> None:
    """Check the changed policy as start-up would, then write or print it."""
    import yaml  # noqa: PLC0415

    if not raw.get("experiments"):
        raw.pop("experiments", None)
    text = yaml.safe_dump(raw, sort_keys=False, allow_unicode=True)
    trial = path.with_name(f".{path.name}.new")
    trial.write_text(text, encoding="utf-8")
    try:
        _load(trial)
        if write:
            trial.replace(path)
            typer.echo(f"{path} is changed; restart the proxy to use it")
        else:
            typer.echo(text, nl=False)
    finally:
        trial.unlink(missing_ok=True)


def _text(bounds: "Bounds") -> str:
    return f"{bounds.value:.4g} ({bounds.low:.4g} to {bounds.high:.4g})"


def _finite(value: Any) -> Any:
    """Return JSON-ready data: an unbounded end is null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
