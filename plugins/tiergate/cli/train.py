"""`tiergate train`, `calibrate`, `export` and `promote`: from labels to the artifact in force, and back."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from tiergate.cli.exits import Exit, bad_input, print_json, stop

if TYPE_CHECKING:
    from tiergate.artifact import Artifact
    from tiergate.settings import Policy
    from tiergate_classifier.promotion import Comparison

Labels = Annotated[Path, typer.Option("--labels", help="Label file of `tiergate label`.")]
PolicyFile = Annotated[Path, typer.Option("--policy", help="policy.yaml: tiers, and how requests are routed.")]
Base = Annotated[Path | None, typer.Option("--artifact", help="Start from this one; by default the policy's.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the new artifact.")]
MinSlice = Annotated[int, typer.Option("--min-slice-rows", min=1, help="Report slices of at least so many rows.")]
MaxSliceError = Annotated[
    float | None,
    typer.Option(
        "--max-slice-error", min=0, help="Limit of the worst slice's calibration error; by default the policy's."
    ),
]
Override = Annotated[str | None, typer.Option("--override", help="Reason to pass the limit; lands in the card.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def train(  # noqa: PLR0913  one for each option
    labels: Labels,
    policy_file: PolicyFile,
    out: Out,
    *,
    artifact: Base = None,
    base: Annotated[
        str | None,
        typer.Option("--base", help="Tune this model (folder or hub name) for `vllm serve`; needs the extra `train`."),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="With --base: passes over the rows.")] = 3,
    min_slice_rows: MinSlice = 200,
    max_slice_error: MaxSliceError = None,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Train on labels, starting from the artifact in force. Needs no prompt text: the stored vectors do.

    With --base it tunes a language model instead, which needs the text, and writes a folder that `vllm serve` loads.
    Exit 1: the worst slice is calibrated badly, and nothing is written.
    """
    job = _Job(labels, policy_file, out, artifact, min_slice_rows, max_slice_error, override)
    if base is None:
        _build(job, as_json=as_json, heads=True)
    else:
        _tune(job, base, epochs, as_json=as_json)


def calibrate(  # noqa: PLR0913  one for each option
    context: typer.Context,
    labels: Annotated[Path | None, typer.Option("--labels", help="Label file of `tiergate label`.")] = None,
    policy_file: Annotated[Path | None, typer.Option("--policy", help="policy.yaml: its tiers and routing.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the new artifact.")] = None,
    *,
    artifact: Base = None,
    min_slice_rows: MinSlice = 200,
    max_slice_error: MaxSliceError = None,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Keep the heads and refit their calibration on labels: enough for a few dozen to a few hundred rows.

    `tiergate calibrate cache` does it for the semantic cache, `tiergate calibrate gate` for the confidence gate.
    """
    if context.invoked_subcommand is not None:
        return
    if labels is None or policy_file is None or out is None:
        stop("needs --labels, --policy and --out. Fix: give all three, or name what to calibrate: `cache` or `gate`.")
    job = _Job(labels, policy_file, out, artifact, min_slice_rows, max_slice_error, override)
    _build(job, as_json=as_json, heads=False)


def export(
    artifact: Annotated[Path, typer.Argument(help="Artifact of `train` or `calibrate`.")],
    store: Annotated[Path, typer.Option("--store", help="Folder of artifacts; policy.yaml names its `current`.")],
    *,
    policy_file: Annotated[
        Path | None, typer.Option("--policy", help="policy.yaml: its intent_router.max_slice_error is the limit.")
    ] = None,
    max_slice_error: MaxSliceError = None,
    override: Override = None,
    as_json: AsJson = False,
) -> None:
    """Put an artifact into the store if its worst slice is calibrated well enough. Exit 1: it is not."""
    from tiergate.artifact import load_artifact  # noqa: PLC0415  numpy
    from tiergate.settings import IntentRouter, load_policy  # noqa: PLC0415
    from tiergate_classifier.challenger import export_challenger  # noqa: PLC0415

    with bad_input():
        load_artifact(artifact)
        router = IntentRouter() if policy_file is None else load_policy(policy_file).intent_router
        limit = router.max_slice_error if max_slice_error is None else max_slice_error
        with _tail_refused():
            folder = export_challenger(artifact, store, max_slice_error=limit, override=override)
        if as_json:
            print_json({"folder": str(folder), "digest": load_artifact(folder).digest})
        else:
            typer.echo(f"exported to {folder}")


def promote(
    store: Annotated[Path, typer.Option("--store", help="Folder of artifacts.")],
    *,
    challenger: Annotated[
        Path | None, typer.Option("--challenger", help="Exported artifact, a folder of the store.")
    ] = None,
    labels: Annotated[Path | None, typer.Option("--labels", help="Label file; its held-out rows decide.")] = None,
    policy_file: Annotated[Path | None, typer.Option("--policy", help="policy.yaml.")] = None,
    max_quality_loss: Annotated[
        float,
        typer.Option("--max-quality-loss", min=0, max=1, help="What the interval of quality may lose for lower cost."),
    ] = 0.02,
    back: Annotated[bool, typer.Option("--back", help="Return to the artifact before.")] = False,
    as_json: AsJson = False,
) -> None:
    """Promote a challenger if the interval says it is better. Exit 1: it does not, and nothing is changed."""
    with bad_input():
        from tiergate_classifier.promotion import switch_back, switch_to  # noqa: PLC0415  numpy

        if back:
            typer.echo(f"current is {switch_back(store).name}")
            return
        if challenger is None or labels is None or policy_file is None:
            stop("promote needs --challenger, --labels and --policy, or --back.")
        comparison = _compare(store, challenger, labels, policy_file, max_quality_loss)
        promoted = comparison.verdict != "not_better"
        if promoted:
            switch_to(store, challenger, note=f"{comparison.verdict} on {comparison.n} rows")
        if as_json:
            print_json({"promoted": promoted, **asdict(comparison)})
        else:
            _show(comparison, promoted=promoted)
    raise typer.Exit(Exit.OK if promoted else Exit.CHECK_FAILED)


def _compare(store: Path, challenger: Path, labels: Path, policy_file: Path, max_quality_loss: float) -> "Comparison":
    from tiergate.artifact import load_artifact  # noqa: PLC0415
    from tiergate.pack_check import artifact_path  # noqa: PLC0415
    from tiergate.settings import load_policy  # noqa: PLC0415
    from tiergate_classifier.label_rows import HELD_OUT, load_labels, stack_labels  # noqa: PLC0415
    from tiergate_classifier.promotion import compare, current_of  # noqa: PLC0415

    policy, new = load_policy(policy_file), load_artifact(challenger)
    champion = load_artifact(current_of(store) or artifact_path(policy))
    held_out = [row for row in load_labels(labels) if row.split == HELD_OUT]
    try:
        arrays = stack_labels(held_out, policy.tier_names, new.manifest.features, max_weight=math.inf)
        return compare(champion, new, arrays, policy, max_quality_loss=max_quality_loss)
    except ValueError as exc:
        stop(f"{labels}: {exc}")


@dataclass(frozen=True, slots=True)
class _Job:
    """Options that `train` and `calibrate` share."""

    labels: Path
    policy_file: Path
    out: Path
    base: Path | None
    min_slice_rows: int
    max_slice_error: float | None
    override: str | None

    def load_policy(self) -> "Policy":
        """Return the policy, with the limit of the command line where there is one."""
        from tiergate.settings import load_policy  # noqa: PLC0415

        policy = load_policy(self.policy_file)
        if self.max_slice_error is None:
            return policy
        router = policy.intent_router.model_copy(update={"max_slice_error": self.max_slice_error})
        return policy.model_copy(update={"intent_router": router})


@contextmanager
def _tail_refused() -> Iterator[None]:
    """Turn the refusal of an artifact into a message and the code of a failed check."""
    from tiergate_classifier.tail_check import TailError  # noqa: PLC0415

    try:
        yield
    except TailError as exc:
        typer.echo(f"tiergate: {exc}", err=True)
        raise typer.Exit(Exit.CHECK_FAILED) from exc


def _build(job: _Job, *, as_json: bool, heads: bool) -> None:
    with bad_input():
        from tiergate.artifact import load_artifact  # noqa: PLC0415
        from tiergate.pack_check import artifact_path  # noqa: PLC0415
        from tiergate_classifier.challenger import calibrate_challenger, train_challenger  # noqa: PLC0415
        from tiergate_classifier.label_rows import load_labels  # noqa: PLC0415

        policy, rows = job.load_policy(), load_labels(job.labels)
        start = load_artifact(job.base or artifact_path(policy))
        build = train_challenger if heads else calibrate_challenger
        try:
            with _tail_refused():
                built = build(start, rows, policy, job.out, min_slice_rows=job.min_slice_rows, override=job.override)
        except ValueError as exc:
            stop(f"{job.labels}: {exc}")
        _report(built, job.out, as_json=as_json)


def _tune(job: _Job, base: str, epochs: int, *, as_json: bool) -> None:
    with bad_input():
        from tiergate.artifact import load_artifact  # noqa: PLC0415
        from tiergate.pack_check import artifact_path  # noqa: PLC0415
        from tiergate_classifier.label_rows import load_labels  # noqa: PLC0415
        from tiergate_classifier.served_model import Tuning  # noqa: PLC0415
        from tiergate_classifier.served_training import train_served  # noqa: PLC0415

        policy, rows = job.load_policy(), load_labels(job.labels)
        start = load_artifact(job.base or artifact_path(policy))
        try:
            with _tail_refused(), Progress(console=Console(stderr=True)) as bar:
                task = bar.add_task("tuning", total=None)

                def progress(steps: int) -> Callable[[], None]:
                    bar.update(task, total=steps)
                    return lambda: bar.advance(task)

                built = train_served(
                    base,
                    start,
                    rows,
                    policy,
                    job.out,
                    min_slice_rows=job.min_slice_rows,
                    override=job.override,
                    tuning=Tuning(epochs=epochs, progress=progress),
                )
        except ValueError as exc:
            stop(f"{job.labels}: {exc}")
        if as_json:
            metrics = [metric.model_dump() for metric in built.manifest.metrics]
            print_json({"folder": str(job.out), "base": base, "metrics": metrics})
        else:
            typer.echo(built.card)
            typer.echo(f"written to {job.out}")


def _report(built: "Artifact", out: Path, *, as_json: bool) -> None:
    if as_json:
        metrics = [metric.model_dump() for metric in built.manifest.metrics]
        print_json({"folder": str(out), "digest": built.digest, "metrics": metrics})
    else:
        typer.echo(built.card)
        typer.echo(f"written to {out}")


def _show(comparison: "Comparison", *, promoted: bool) -> None:
    low, high = comparison.quality_difference
    typer.echo(
        f"quality {comparison.champion_quality:.4f} -> {comparison.challenger_quality:.4f} ({low:+.4f} to {high:+.4f})"
    )
    low, high = comparison.cost_difference
    typer.echo(
        f"cost USD {comparison.champion_cost_usd:.8f} -> {comparison.challenger_cost_usd:.8f} "
        f"({low:+.8f} to {high:+.8f})"
    )
    outcome = "promoted" if promoted else "nothing changed"
    typer.echo(f"{comparison.verdict} on {comparison.n} held-out rows: {outcome}")
