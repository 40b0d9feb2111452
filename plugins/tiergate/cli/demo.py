"""`tiergate demo`: the quickstart, from the installed package."""

from typing import Annotated

import typer

from tiergate.cli.exits import bad_input


def demo(
    *,
    once: Annotated[bool, typer.Option("--once", help="Stop after the requests.")] = False,
    port: Annotated[int, typer.Option(help="Port of the proxy; 0 takes a free one.", min=0, max=65535)] = 0,
) -> None:
    """Start two stand-in providers and a real proxy, send the quickstart's requests, and serve on."""
    with bad_input():
        from tiergate.demo.quickstart import main  # noqa: PLC0415  httpx and SQLAlchemy, wanted here only

        raise typer.Exit(main([*(["--once"] if once else []), "--port", str(port)]))
