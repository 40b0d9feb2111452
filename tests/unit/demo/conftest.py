from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tiergate.demo.background import BackgroundProvider, run_in_background
from tiergate.demo.scenario import Scenario


@pytest.fixture(scope="module")
def start() -> Iterator[Callable[[Scenario | None], BackgroundProvider]]:
    """Starts stand-in providers, each a real server on a free port."""
    with ExitStack() as running:
        yield lambda scenario: running.enter_context(run_in_background(scenario, name="test-standin"))


@pytest.fixture(scope="module")
def default_provider(start: Callable[[Scenario | None], BackgroundProvider]) -> BackgroundProvider:
    return start(None)


@pytest.fixture
def provider(default_provider: BackgroundProvider) -> BackgroundProvider:
    """The default scenario, freshly reset."""
    default_provider.order("reset")
    return default_provider
