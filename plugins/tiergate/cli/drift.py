"""`tiergate drift`: has traffic left what the classifier was calibrated on?"""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiergate.cli.exits import Exit, bad_input, print_json

if TYPE_CHECKING:
    from tiergate.policy.drift import DriftFinding


def drift(
    policy_file: Annotated[Path, typer.Option("--policy", help="policy.yaml: the log, sizes and limits.")],
    *,
    decisions: Annotated[
        str | None, typer.Option("--decisions", help="URL of the decision log; the policy's by default.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Test the newest decisions against the reference. Exit 1: an alarm holds. 0: none, or too few decisions yet."""
    with bad_input():
        from tiergate.adapters.drift_log import check_drift  # noqa: PLC0415  numpy, SQLAlchemy
        from tiergate.settings import load_policy  # noqa: PLC0415

        policy = load_policy(policy_file)
        findings = check_drift(policy, decisions or policy.decision_log.url)
        alarms = [finding for finding in findings or () if finding.alarm]
        if as_json:
            print_json(
                {
                    "enough_rows": findings is not None,
                    "alpha": policy.drift.alpha,
                    "alarms": [asdict(finding) for finding in alarms],
                    "tests": [asdict(finding) for finding in findings or ()],
                }
            )
        elif findings is None:
            needed = policy.drift.reference_rows + policy.drift.window_rows
            typer.echo(f"too few decisions under the artifact in force: {needed} are needed")
        else:
            _show(findings, policy.drift.alpha)
    raise typer.Exit(Exit.CHECK_FAILED if alarms else Exit.OK)


def _show(findings: "tuple[DriftFinding, ...]", alpha: float) -> None:
    typer.echo(f"{'kind':<12} {'domain':<12} {'statistic':>10} {'p':>8} {'rows':>6}  alarm")
    for finding in findings:
        typer.echo(
            f"{finding.kind.value:<12} {finding.domain or 'all':<12} {finding.statistic:>10.4f} "
            f"{finding.p_value:>8.4f} {finding.window_rows:>6}  {'yes' if finding.alarm else 'no'}"
        )
        if finding.alarm:
            typer.echo(f"  for example {', '.join(finding.examples)}")
    typer.echo(f"on unchanged traffic any alarm comes with probability at most {alpha:g}")
