"""`tiergate cache`: look into the answer store, fill it, empty it, and say what it would have saved."""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from tiergate.cli.exits import Exit, bad_input, print_json, stop

if TYPE_CHECKING:
    from tiergate.cli.cache_bench import CacheBench

T = TypeVar("T")

app = typer.Typer(no_args_is_help=True, help="Look into the answer store, fill it, empty it.")

PolicyOption = Annotated[Path, typer.Option("--policy", help="policy.yaml; its paths lead from the current folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def stats(*, policy: PolicyOption = Path("policy.yaml"), as_json: JsonOption = False) -> None:
    """Say how full the store is."""
    from dataclasses import asdict  # noqa: PLC0415

    async def read(bench: "CacheBench") -> dict[str, Any]:
        return asdict(await bench.store.stats())

    row = _run(policy, read)
    if as_json:
        print_json(row)
    else:
        for name, value in row.items():
            typer.echo(f"{name:12} {value}")


@app.command("inspect")
def inspect_(
    *,
    policy: PolicyOption = Path("policy.yaml"),
    tenant: Annotated[str | None, typer.Option(help="Hashed tenant.")] = None,
    entry: Annotated[str | None, typer.Option(help="Identifier of an entry.")] = None,
    prompt: Annotated[str | None, typer.Option(help="The prompt, character by character.")] = None,
    tag: Annotated[str | None, typer.Option(help="A tag.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many entries.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List entries: prompt, tier, age, tags, who confirmed them."""
    from tiergate.cli.cache_bench import describe_entry, to_selection  # noqa: PLC0415

    selection = to_selection(tenant=tenant, entry=entry, prompt=prompt, tag=tag)

    async def read(bench: "CacheBench") -> list[dict[str, Any]]:
        page = await bench.store.browse(selection, limit=limit)
        return [describe_entry(each, now=bench.clock.now()) for each in page.entries]

    rows = _run(policy, read)
    if as_json:
        print_json(rows)
        return
    for row in rows:
        typer.echo(f"{row['entry_id']}  {row['tier']:10} {row['age_s']:8.0f} s  {row['prompt'][:80]!r}")
    typer.echo(f"{len(rows)} entries")


@app.command("export")
def export_(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL file to write; `-` is stdout.")],
    *,
    policy: PolicyOption = Path("policy.yaml"),
    tenant: Annotated[str | None, typer.Option(help="Hashed tenant.")] = None,
    tag: Annotated[str | None, typer.Option(help="A tag.")] = None,
) -> None:
    """Write entries as JSON lines, in the clear: prompts, answers, vectors."""
    from tiergate.cli.cache_bench import to_selection, write_entries  # noqa: PLC0415

    selection = to_selection(tenant=tenant, tag=tag)

    async def write(bench: "CacheBench") -> int:
        if str(out) == "-":
            return await write_entries(bench, selection, sys.stdout)
        with out.open("w", encoding="utf-8") as file:
            return await write_entries(bench, selection, file)

    typer.echo(f"{_run(policy, write)} entries written", err=True)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL file that `export` wrote.")],
    *,
    policy: PolicyOption = Path("policy.yaml"),
) -> None:
    """Read entries that `export` wrote; those of another encoder are embedded anew."""
    from tiergate.cli.cache_bench import read_entries  # noqa: PLC0415

    async def read(bench: "CacheBench") -> int:
        return await read_entries(bench, source)

    typer.echo(f"{_run(policy, read)} entries stored", err=True)


@app.command()
def warm(
    source: Annotated[Path, typer.Argument(metavar="FILE", help="JSONL: request, answer, tenant, tier, tags.")],
    *,
    policy: PolicyOption = Path("policy.yaml"),
) -> None:
    """Store answers before anyone asked: one JSON line holds a chat request, its answer and who may read it."""
    from tiergate.cli.cache_bench import warm_entries  # noqa: PLC0415

    async def fill(bench: "CacheBench") -> int:
        return await warm_entries(bench, source)

    typer.echo(f"{_run(policy, fill)} entries stored", err=True)


@app.command()
def invalidate(  # noqa: PLR0913  one option for each way to select
    *,
    policy: PolicyOption = Path("policy.yaml"),
    tenant: Annotated[str | None, typer.Option(help="Hashed tenant, as the decision record names it.")] = None,
    entry: Annotated[list[str] | None, typer.Option(help="Identifier of an entry; may stand several times.")] = None,
    prompt: Annotated[str | None, typer.Option(help="The prompt, character by character.")] = None,
    older_than_s: Annotated[float | None, typer.Option(min=0, max=1e10, help="Stored longer ago than this.")] = None,
    tag: Annotated[str | None, typer.Option(help="A tag, such as the version of a document.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every entry.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count, remove nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Remove entries that fit every option given. With the embedded store, while the proxy is stopped."""
    if everything == any(value is not None for value in (tenant, entry, prompt, older_than_s, tag)):
        stop("say which entries, or --all. Fix: give --tenant, --entry, --prompt, --older-than-s, --tag, or --all.")
    from tiergate.cli.cache_bench import to_selection  # noqa: PLC0415

    async def remove(bench: "CacheBench") -> dict[str, Any]:
        before = None if older_than_s is None else bench.clock.now() - older_than_s
        selection = to_selection(tenant=tenant, entries=entry, prompt=prompt, tag=tag, stored_before=before)
        done = await bench.upkeep.invalidate(selection, actor=f"cli {getpass.getuser()}", dry_run=dry_run)
        return {"entries": done.entries, "dry_run": done.dry_run}

    row = _run(policy, remove)
    if as_json:
        print_json(row)
    else:
        typer.echo(f"{row['entries']} entries {'would be removed' if dry_run else 'removed'}")


@app.command()
def recall(
    name: Annotated[str, typer.Argument(metavar="ENTRY|DECISION", help="Identifier of an entry, or of a hit on it.")],
    *,
    policy: PolicyOption = Path("policy.yaml"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List who was served, remove nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Name every decision and trace that was served from a wrong entry; remove it, and never serve it again.

    With the embedded store, while the proxy is stopped; a running proxy takes `POST /tiergate/feedback`.
    """
    from tiergate.cli.cache_bench import read_notice, recall_entry  # noqa: PLC0415

    with bad_input():
        entry_id, decision, served = read_notice(policy, name)
    removed = 0 if dry_run else _run(policy, lambda bench: recall_entry(bench, entry_id, decision))
    row = {"entry_id": entry_id, "removed": removed, "dry_run": dry_run, "served": served}
    if as_json:
        print_json(row)
        return
    for each in served:
        typer.echo(f"decision {each['decision_id']}  trace {each['trace_id'] or '-'}  at {each['ts']:.0f}")
    typer.echo(f"{len(served)} decisions were served from {entry_id}; {removed} entries removed")


@app.command()
def simulate(
    *,
    log: Annotated[Path, typer.Option("--log", help="Spend log export, JSONL of requests, or decision log.")],
    policy: PolicyOption = Path("policy.yaml"),
    as_json: JsonOption = False,
) -> None:
    """Say what hit ratio, saving and error bound this traffic would have had. Nothing is stored."""
    with bad_input():
        from tiergate.cli.cache_simulation import simulate_log  # noqa: PLC0415

        row = asyncio.run(simulate_log(policy, log))
        if as_json:
            print_json(row)
        else:
            for name, value in row.items():
                typer.echo(f"{name:22} {value}")
    raise typer.Exit(Exit.OK)


@app.command("new-key")
def new_key() -> None:
    """Print a key for `semantic_cache.encryption_keys`."""
    from cryptography.fernet import Fernet  # noqa: PLC0415

    typer.echo(Fernet.generate_key().decode("ascii"))


def _run(policy: Path, action: "Callable[[CacheBench], Awaitable[T]]") -> T:
    """Open the store that policy names, act on it, close it."""
    with bad_input():
        from tiergate.cli.cache_bench import open_bench  # noqa: PLC0415

        async def act() -> T:
            async with open_bench(policy) as bench:
                return await action(bench)

        return asyncio.run(act())
    raise AssertionError
