"""The `tiergate` command: one file for each subcommand, imports in the functions that need them."""

from typing import Annotated

import typer

from tiergate.cli import (
    cache,
    calibrate_cache,
    calibrate_gate,
    check,
    demo,
    drift,
    evaluate_cache,
    evaluate_cascade,
    evaluate_gate,
    evaluate_router,
    experiment,
    explain,
    init,
    label,
    probe,
    replay,
    report,
    simulate,
    train,
    version,
)

app = typer.Typer(
    name="tiergate",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def tiergate(
    *,
    shown: Annotated[
        bool, typer.Option("--version", callback=version.show_and_leave, is_eager=True, help="Print the versions.")
    ] = False,
) -> None:
    """Answers each request of a LiteLLM Proxy with the cheapest thing that is good enough."""
    del shown


evaluate = typer.Typer(help="Measure a part of tiergate on a table of your own.", no_args_is_help=True)
evaluate.command("router")(evaluate_router.evaluate_router)
evaluate.command("gate")(evaluate_gate.evaluate_gate)
evaluate.command("cascade")(evaluate_cascade.evaluate_cascade)
evaluate.command("cache")(evaluate_cache.evaluate_cache)

calibrate = typer.Typer(invoke_without_command=True)
calibrate.callback()(train.calibrate)
calibrate.command("cache")(calibrate_cache.calibrate_cache)
calibrate.command("gate")(calibrate_gate.calibrate_gate)

app.command("init")(init.init)
app.command("check")(check.check)
app.command("explain")(explain.explain)
app.command("probe")(probe.probe)
app.command("demo")(demo.demo)
app.command("label")(label.label)
app.command("train")(train.train)
app.add_typer(calibrate, name="calibrate")
app.command("export")(train.export)
app.command("promote")(train.promote)
app.command("drift")(drift.drift)
app.add_typer(cache.app, name="cache")
app.add_typer(evaluate, name="evaluate")
app.command("replay")(replay.replay)
app.command("report")(report.report)
app.command("simulate")(simulate.simulate)
app.command("version")(version.version)
app.add_typer(experiment.app, name="experiment")
app.add_typer(report.rollout, name="rollout")


if __name__ == "__main__":
    app()
