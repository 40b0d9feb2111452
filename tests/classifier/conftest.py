"""Rows made up for the toolkit's tests."""

from collections.abc import Callable

import numpy as np
import pytest

from tiergate_classifier.data import PromptRow, Table


@pytest.fixture
def a_table() -> Callable[..., Table]:
    """Make rows whose tier lies in the first feature and whose domain lies in the first dimensions."""

    def build(n: int = 240, *, domains: int = 2, constant_feature: bool = False) -> Table:
        random = np.random.default_rng(1)
        tier, domain = np.arange(n) % 3, np.arange(n) // 3 % domains
        vectors = random.normal(scale=0.1, size=(n, 4)) + np.eye(4)[domain]
        features = np.stack([tier * 10 + random.normal(size=n), random.normal(size=n)], axis=1)
        if constant_feature:
            features[:, 1] = 5
        row = PromptRow(id="x", prompt="x", domain="x", tier="x", rule="x", group="x")
        return Table(
            rows=(row,) * n,
            vectors=vectors.astype(np.float32),
            features=features.astype(np.float32),
            tier=tier.astype(np.int64),
            domain=domain.astype(np.int64),
        )

    return build
