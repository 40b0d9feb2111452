"""`tiergate init`: a config pack for the providers at hand."""

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiergate.cli.exits import bad_input, stop

if TYPE_CHECKING:
    from tiergate.cli.pack_writer import Provider


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to write; missing or empty.")],
    *,
    provider: Annotated[
        list[str] | None,
        typer.Option(help="Provider, in order of preference; give it several times. Default: those with keys set."),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take what is found.")] = False,
) -> None:
    """Write policy.yaml, config.yaml and models/ that `tiergate check` accepts. Never overwrites."""
    with bad_input():
        from tiergate.cli.pack_writer import write_pack  # noqa: PLC0415  yaml, wanted here only

        chosen = _choose(provider, ask=not yes and _is_terminal())
        tiers = write_pack(folder, chosen)
        typer.echo(f"wrote {folder} for {', '.join(item.name for item in chosen)}: tiers {', '.join(tiers)}")
        names = sorted({name for item in chosen for name in item.variables} | {"LITELLM_MASTER_KEY"})
        unset = [name for name in names if not os.environ.get(name)]
        if unset:
            typer.echo(f"set first: {' '.join(unset)}")
        typer.echo(f"next:\n  tiergate check {folder}\n  litellm --config {folder / 'config.yaml'}")


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _choose(named: list[str] | None, *, ask: bool) -> "list[Provider]":
    """Return the providers to write: those named, else those whose keys are set, else the default ones."""
    from tiergate.cli.pack_writer import DEFAULT_PROVIDERS, load_providers  # noqa: PLC0415

    known = load_providers()
    if not named:
        # The default ones first: they are the pack's first choices.
        order = [*DEFAULT_PROVIDERS, *(name for name in known if name not in DEFAULT_PROVIDERS)]
        found = [name for name in order if known[name].is_found(os.environ)]
        if not found:
            typer.echo(f"no provider's keys are set; taking {', '.join(DEFAULT_PROVIDERS)}")
        named = found or list(DEFAULT_PROVIDERS)
        if ask:
            typer.echo(f"providers: {', '.join(known)}")
            answer = typer.prompt("which, in order of preference", default=" ".join(named))
            named = answer.replace(",", " ").split()
    names = list(dict.fromkeys(named))
    for name in names:
        if name not in known:
            stop(f"{name!r} is no provider of the pack. Fix: use one of: {', '.join(known)}.")
    return [known[name] for name in names]
