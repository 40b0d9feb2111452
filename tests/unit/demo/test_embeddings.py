"""Embeddings: unit length, and shapes of the input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.demo.embeddings import embed_text, render_embeddings
from tiergate.demo.wire import BadRequestError


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_vector_has_length_one(text: str, dimensions: int) -> None:
    assert float(np.linalg.norm(embed_text(text, dimensions))) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("given_input", "count"), [("a", 1), (["a", "b"], 2), ([1, 2, 3], 1), ([[1], [2]], 2)]
)
def test_each_shape_of_input_is_read(given_input: object, count: int) -> None:
    assert len(render_embeddings({"model": "m", "input": given_input})["data"]) == count


@pytest.mark.parametrize("given_input", [None, "", [], 5])
def test_no_text_is_refused(given_input: object) -> None:
    with pytest.raises(BadRequestError):
        render_embeddings({"model": "m", "input": given_input})
