"""tiergate: answers each request to a LiteLLM Proxy with the cheapest thing that is good enough."""

from importlib.metadata import version as _version


def __getattr__(name: str) -> str:
    """Return ``__version__`` lazily, so that importing the package reads no metadata."""
    if name == "__version__":
        return _version("tiergate")
    raise AttributeError(f"module 'tiergate' has no attribute {name!r}")
