"""`tiergate calibrate cache`: the cut of this deployment, from the pairs that its own traffic labelled."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tiergate.cli.exits import Exit, bad_input, print_json, stop


def calibrate_cache(
    *,
    policy: Annotated[Path, typer.Option("--policy", help="policy.yaml: the bound, and where labels are.")] = Path(
        "policy.yaml"
    ),
    labels: Annotated[Path | None, typer.Option("--labels", help="Label file; by default the policy's.")] = None,
    max_error: Annotated[float | None, typer.Option(help="Bound; by default the policy's.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder of the new pair model.")] = None,
    min_scope_labels: Annotated[int, typer.Option(min=1, help="Labels from which a tenant gets its own cut.")] = 600,
    seed: Annotated[int, typer.Option(help="Decides the folds of the refit.")] = 0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the cut, write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Refit the cache's pair model on labels of re-asked pairs and find its cut. Exit 1: no cut controls the bound."""
    if (out is None) != dry_run:
        stop("say where the pair model goes, or --dry-run. Fix: give --out FOLDER, or --dry-run alone.")
    try:
        # The toolkit is an extra, and its import takes seconds that no other command should pay.
        from tiergate_classifier import pair_deployment  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        stop(f"{exc.name} is not installed. Fix: pip install 'tiergate[train]'.")
    from tiergate.pair_artifact import builtin_pair_model_path  # noqa: PLC0415
    from tiergate.settings import load_policy  # noqa: PLC0415

    with bad_input():
        settings = load_policy(policy).semantic_cache
        bound, file = max_error or settings.max_error, labels or settings.labels
        if bound is None:
            stop("policy gives no semantic_cache.max_error. Fix: give --max-error.")
        base = builtin_pair_model_path()
        found = pair_deployment.calibrate_deployment(
            file, base, max_error=bound, seed=seed, min_scope_labels=min_scope_labels
        )
        if out is not None:
            pair_deployment.write_deployment(found, file, base, out)
    figures = {**found.figures(), "written": None if out is None else str(out)}
    if as_json:
        print_json(figures)
    else:
        typer.echo("\n".join(_lines(figures)))
    raise typer.Exit(Exit.OK if figures["cut"]["controls"] else Exit.CHECK_FAILED)


def _lines(figures: dict[str, Any]) -> list[str]:
    head = [
        f"labels drawn at random   {figures['n']} ({figures['left_out']} left out)",
        f"pair model               {'refitted' if figures['refitted'] else 'weights as they ship'}",
        f"bound                    {figures['max_error']:.2%}",
        f"cut                      {_words(figures['cut'])}",
        f"cosine alone             {_words(figures['static'])}",
    ]
    scopes = [f"tenant {tenant:17.17} {_words(cut)}" for tenant, cut in figures["scopes"].items()]
    written = figures["written"]
    return [*head, *scopes, "nothing written" if written is None else f"written to {written}; name it as pair_model"]


def _words(cut: dict[str, Any]) -> str:
    if not cut["controls"]:
        return f"none controls the bound with {cut['n']} labels: exact matches only"
    return (
        f"from {cut['min_score']:.4f}: {cut['hits']} of {cut['n']} served, {cut['errors']} wrong, "
        f"upper bound {cut['error_bound']:.2%} at {cut['confidence']:.0%}"
    )
