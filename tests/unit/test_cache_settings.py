"""Sections about the semantic cache."""

import pytest
from pydantic import ValidationError

from tiergate.cache_settings import EdgeStore, ServerStore, StoreLimit


def test_the_embedded_store_is_the_default_kind_and_a_server_is_named() -> None:
    assert EdgeStore().kind == "edge"
    assert ServerStore(kind="server", url="http://127.0.0.1:6333").replication_factor == 1


def test_a_limit_lets_something_through() -> None:
    with pytest.raises(ValidationError):
        StoreLimit(per_minute=0)
