"""The classifier that is made worse on purpose."""

import numpy as np
import pytest

from tiergate.demo.degraded_classifier import DegradedClassifier
from tiergate.testing import FakeClassifier

SCORES = {"simple": 0.9, "medium": 0.95, "frontier": 1.0}


@pytest.mark.parametrize("share", [0.0, 0.1, 1.0])
async def test_the_stated_share_of_prompts_is_flipped(share: float) -> None:
    worse = DegradedClassifier(inner=FakeClassifier(scores=SCORES), share=share)
    found = [await worse.classify(np.zeros(1, dtype=np.float32), {}, f"prompt {n}") for n in range(1000)]
    flipped = [item for item in found if item.scores["simple"] == pytest.approx(0.1)]
    assert len(flipped) / 1000 == pytest.approx(share, abs=0.03)
    assert all(item.scores["frontier"] == 1.0 for item in found)
    assert (worse.tiers, worse.kind, worse.digest) == (tuple(SCORES), "embedded", "fake-artifact")
    assert worse.domains == ()
    await worse.aclose()
