"""A request and a policy for the tests of the stages."""

from typing import Any

import pytest

from tiergate.exchange import Request
from tiergate.settings import Policy


@pytest.fixture
def request_() -> Request:
    return Request(
        call_id="c", endpoint="chat_completions", entry_model="auto", tenant="t", prompt="hello there", context_key="k"
    )


def policy_of(**sections: Any) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in ("simple", "medium", "frontier")]
    return Policy.model_validate({"tiers": tiers, **sections})
