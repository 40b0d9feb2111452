"""The address of a running proxy, as a command takes it."""

from urllib.parse import urlsplit

from tiergate.cli.exits import stop


def read_address(base_url: str) -> str:
    """Return the address without a path's end: what users paste may end in `/` or in the `/v1` of an OpenAI client.

    Ends the command with the code for bad input when it is no address.
    """
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        usable = False
    if not usable:
        stop(f"--base-url {base_url!r} is no address. Fix: write http://HOST:PORT.")
    return base_url.rstrip("/").removesuffix("/v1")
