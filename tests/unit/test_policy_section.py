"""A section is frozen and knows its keys."""

import pytest
from pydantic import ValidationError

from tiergate.policy_section import Section


class Small(Section):
    size: int = 1


def test_a_section_is_frozen_and_refuses_unknown_keys() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Small().size = 2  # type: ignore[misc]
    with pytest.raises(ValidationError, match="not permitted"):
        Small.model_validate({"sise": 2})
