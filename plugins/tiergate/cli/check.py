"""`tiergate check`: the same checks as start-up, without a proxy, and all defects instead of the first."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from tiergate.cli.exits import Exit, bad_input, print_json, stop


def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with policy.yaml and config.yaml.")],
    *,
    online: Annotated[
        bool, typer.Option("--online", help="Open the answer store and the decision log too; makes them when missing.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings fail the check too.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check a config pack. Exit 0: it would start. 1: it would not. 2: there is no such folder.

    Prints what the cut of each domain costs: the share of other prompts that it takes for the domain.
    """
    if not folder.is_dir():
        stop(f"{folder} is no folder. Fix: name a folder with policy.yaml and config.yaml, or run `tiergate init`.")
    with bad_input():
        from tiergate.defects import Severity  # noqa: PLC0415  numpy, SQLAlchemy: wanted here only
        from tiergate.pack_check import check_pack  # noqa: PLC0415

        report = check_pack(folder / "policy.yaml", folder / "config.yaml")
        from tiergate.cli.domain_costs import describe_cost, domain_costs  # noqa: PLC0415

        defects = list(report.defects)
        costs = () if report.pack is None else domain_costs(report.pack)
        if online and report.pack is not None:
            from tiergate.cli.stores import open_stores  # noqa: PLC0415  onnxruntime

            defects = [*open_stores(report.pack.policy, folder / "policy.yaml"), *defects]
        errors = sum(defect.severity is Severity.ERROR for defect in defects)
        warnings = len(defects) - errors
        passed = errors == 0 and not (strict and warnings)
        if as_json:
            print_json(
                {
                    "ok": passed,
                    "errors": errors,
                    "warnings": warnings,
                    "defects": [defect.to_row() for defect in defects],
                    "domains": [asdict(cost) for cost in costs],
                }
            )
        else:
            for defect in defects:
                typer.echo(f"{defect.severity.value}: {defect}")
            for cost in costs:
                typer.echo(describe_cost(cost))
            typer.echo(f"{folder}: {'ok' if passed else 'refused'}, {errors} errors, {warnings} warnings")
    raise typer.Exit(Exit.OK if passed else Exit.CHECK_FAILED)
