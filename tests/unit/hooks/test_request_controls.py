"""Controls leave metadata that goes to the provider, and stay where LiteLLM keeps its own."""

import pytest

from tiergate.exchange import Endpoint
from tiergate.hooks.request_controls import CLIENT_METADATA, take_controls
from tiergate.hooks.request_parser import METADATA_KEYS


def test_the_clients_metadata_is_named_alike_in_both_places() -> None:
    assert {endpoint for endpoint, key in METADATA_KEYS.items() if key != "metadata"} == CLIENT_METADATA


@pytest.mark.parametrize(("endpoint", "kept"), [("chat_completions", True), ("responses", False)])
def test_controls_are_taken_out_where_the_provider_would_see_them(endpoint: Endpoint, *, kept: bool) -> None:
    data = {"metadata": {"tiergate": {"cache": "off"}, "mine": 1}}
    take_controls(data, endpoint)
    assert ("tiergate" in data["metadata"]) is kept
    assert data["metadata"]["mine"] == 1
