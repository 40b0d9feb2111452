"""A stand-in in a thread."""

import httpx
import pytest

from tiergate.demo.background import run_in_background


def test_it_serves_within_the_block_and_stops_after_it() -> None:
    with run_in_background(name="short") as provider:
        assert httpx.get(f"{provider.url}/health", trust_env=False).json()["name"] == "short"
        assert provider.read_arrivals()["count"] == 0
        with pytest.raises(httpx.HTTPStatusError):
            provider.order("fault", fault="nonsense")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{provider.url}/health", trust_env=False)
