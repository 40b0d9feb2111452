"""Unit tests see every error that production would swallow."""

from collections.abc import Iterator

import pytest

from tiergate.testing import errors_raised


@pytest.fixture(autouse=True)
def _errors_raised(request: pytest.FixtureRequest) -> Iterator[None]:
    if "swallows" in request.keywords:
        yield
        return
    with errors_raised():
        yield
