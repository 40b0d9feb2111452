"""`tiergate evaluate cache`: what the semantic cache would serve of a pair table at an error bound."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tiergate.errors import ConfigurationError, EmbedderError

BAD_INPUT = 2


def evaluate_cache(
    pairs: Annotated[Path, typer.Option(help="Pair table: CSV, JSONL or Parquet with a, b, label.")],
    max_error: Annotated[float, typer.Option(help="Largest share of wrong ones among the hits.")] = 0.01,
    calibration: Annotated[
        Path | None, typer.Option(help="Labelled pairs of the same traffic; they set the cut.")
    ] = None,
    model: Annotated[Path | None, typer.Option(help="Folder of a pair model; default: the one that ships.")] = None,
    seed: Annotated[int, typer.Option(help="Decides the folds of the refit.")] = 0,
    splits: Annotated[
        int, typer.Option(min=0, help="Split --pairs into calibration and test pairs so often, and count; 0: do not.")
    ] = 0,
    calibration_share: Annotated[float, typer.Option(help="With --splits: share of the pairs that calibrates.")] = 0.5,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Say how much the cache would serve of these pairs, and how much of that would be wrong."""
    try:
        # The toolkit is an extra, and its import takes seconds that no other command should pay.
        from tiergate_classifier import pair_evaluate, pair_splits  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        typer.echo(f"{exc.name} is not installed. Fix: pip install 'tiergate[train]'.", err=True)
        raise typer.Exit(BAD_INPUT) from exc
    if splits and calibration is not None:
        typer.echo("--splits takes the calibration pairs from --pairs. Fix: leave --calibration out.", err=True)
        raise typer.Exit(BAD_INPUT)
    try:
        if splits:
            figures = pair_splits.run(
                pairs, max_error, splits=splits, seed=seed, calibration=calibration_share, model=model
            )
        else:
            figures = pair_evaluate.run(pairs, calibration, max_error, seed, model=model)
    except (ConfigurationError, EmbedderError) as exc:
        typer.echo(str(exc), err=True)
        raise typer.Exit(BAD_INPUT) from exc
    lines = _lines_of_splits if splits else _lines
    typer.echo(pair_evaluate.to_json(figures) if as_json else "\n".join(lines(figures)))


def _lines(figures: dict[str, Any]) -> list[str]:
    static = figures["static"]
    return [
        f"pairs                 {figures['n']}",
        f"served                {figures['hit_ratio']:.2%}",
        f"wrong among served    {figures['error_ratio']:.2%} (bound {figures['bound']:.2%})",
        f"true pairs served     {figures['recall_of_true_pairs']:.2%}",
        f"cosine alone serves   {static['hit_ratio']:.2%}, of it wrong {static['error_ratio']:.2%}",
        figures["guarantee"],
    ]


def _lines_of_splits(figures: dict[str, Any]) -> list[str]:
    served, static, ratio = figures["hit_ratio"], figures["hit_ratio_static"], figures["hits_over_static"]
    return [
        f"pairs                 {figures['n']}, in {figures['splits']} splits",
        f"of them calibrate     {figures['calibration_share']:.0%}",
        f"bound kept            in {figures['bound_kept']:.1%} of them (bound {figures['bound']:.2%})",
        f"served                {served['mean']:.2%}, {served['low']:.2%} to {served['high']:.2%}",
        f"cosine alone serves   {static['mean']:.2%}, {static['low']:.2%} to {static['high']:.2%}",
        f"hits over cosine's    {'-' if ratio is None else f'{ratio:.2f}'}",
        f"no cut in             {figures['no_cut']:.1%} of them",
    ]
