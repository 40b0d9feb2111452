"""Answers that say the same, and those that only look like it."""

import numpy as np
import pytest

from tiergate.policy.answer_agreement import agrees
from tiergate.ports import Vector

LONG = "The capital of Portugal is Lisbon, which lies on the river Tagus near the Atlantic"


def pair(cosine: float) -> tuple[Vector, Vector]:
    one = np.array([1, 0], np.float32)
    return one, np.array([cosine, (1 - cosine**2) ** 0.5], np.float32)


@pytest.mark.parametrize(
    ("one", "other", "cosine", "same"),
    [
        ("Lisbon.", "lisbon", None, True),
        ("Lisbon", "Porto", 0.99, False),
        ("It is Lisbon", "Lisbon it is", 0.1, True),
        ("", "", None, False),
        ("42", "43", 0.99, False),
        (f"{LONG}.", f"{LONG} coast.", 0.95, True),
        (f"{LONG}.", f"{LONG} coast.", 0.80, False),
        (f"{LONG}.", f"{LONG} coast.", None, True),
        (f"{LONG}.", "Some wholly other words make up this answer, and they go on and on and on.", None, False),
        (f"{LONG} since 1256.", f"{LONG} since 1255.", 0.99, False),
        (f"{LONG}.", f"{LONG} and not Porto.", 0.99, False),
        (f"{LONG}: 1,000 people.", f"{LONG}: 1000 people", 0.99, True),
    ],
)
def test_answers_agree_only_without_a_doubt(one: str, other: str, cosine: float | None, *, same: bool) -> None:
    vectors = None if cosine is None else pair(cosine)
    assert agrees(one, other, vectors=vectors) is same
    assert agrees(other, one, vectors=vectors) is same
