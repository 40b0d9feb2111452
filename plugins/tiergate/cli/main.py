"""The `tiergate` command: one file for each subcommand, imports in the functions that need them."""

import typer

from tiergate.cli import cache, check, demo, experiment, explain, init, probe, replay, report, simulate, version

app = typer.Typer(
    name="tiergate",
    help="Answers each request of a LiteLLM Proxy with the cheapest thing that is good enough.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("init")(init.init)
app.command("check")(check.check)
app.command("explain")(explain.explain)
app.command("probe")(probe.probe)
app.command("demo")(demo.demo)
app.add_typer(cache.app, name="cache")
app.command("replay")(replay.replay)
app.command("report")(report.report)
app.command("simulate")(simulate.simulate)
app.command("version")(version.version)
app.add_typer(experiment.app, name="experiment")
app.add_typer(report.rollout, name="rollout")


if __name__ == "__main__":
    app()
