"""`tiergate calibrate gate`: outcomes of the policy's tiers -> the file that `confidence_gate.calibration` names."""

from pathlib import Path
from typing import Annotated

import typer

from tiergate.cli.evaluate_gate import import_toolkit
from tiergate.cli.exits import bad_input, print_json


def calibrate_gate(
    outcomes: Annotated[
        Path,
        typer.Option(
            help="Outcome table; confidence|TIER is the mean token probability. CSV, JSONL, Parquet, also .gz."
        ),
    ],
    policy_file: Annotated[Path, typer.Option("--policy", help="policy.yaml: tiers, model groups and the classifier.")],
    out: Annotated[Path, typer.Option("--out", help="File to write; name it under confidence_gate.calibration.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Calibrate the confidence gate, each model group on the outcomes of its tier."""
    tables, groups = import_toolkit("outcomes"), import_toolkit("gate_groups")
    with bad_input():
        from tiergate.adapters.gate_calibration_file import write_gate_calibration  # noqa: PLC0415
        from tiergate.cli.replay import classify_prompts  # noqa: PLC0415
        from tiergate.settings import load_policy  # noqa: PLC0415

        policy, table = load_policy(policy_file), tables.load_outcomes(outcomes)
        found = classify_prompts(table.prompts, policy, policy_file) if policy.intent_router.enabled else None
        scores = None if found is None else [found[prompt].scores for prompt in table.prompts]
        fitted = groups.calibrate_groups(table, policy, scores, outcomes.read_bytes())
        write_gate_calibration(out, fitted.calibration)
        if as_json:
            print_json({"file": str(out), "digest": fitted.calibration.digest, "groups": fitted.to_json()})
            return
        for name, figures in fitted.to_json().items():
            cuts = f"suggested cuts {figures['escalate_below']}, {figures['trust_from']}"
            typer.echo(f"{name}: {figures['n']} outcomes, calibration error {figures['ece']:.3f} left out; {cuts}")
        typer.echo(f"written to {out}")
