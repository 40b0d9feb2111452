"""Unit tests see every error that production would swallow, and no network."""

import os
from collections.abc import Iterator

import pytest

from tiergate.testing import errors_raised

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import of LiteLLM asks the network for prices


@pytest.fixture(autouse=True)
def _errors_raised(request: pytest.FixtureRequest) -> Iterator[None]:
    if "swallows" in request.keywords:
        yield
        return
    with errors_raised():
        yield
