"""A cache that is switched off opens nothing and finds nothing."""

import numpy as np

from tiergate.adapters.absent_store import AbsentStore
from tiergate.ports import StoredAnswer


async def test_what_is_stored_is_not_found() -> None:
    store, vector = AbsentStore(), np.ones(1, np.float32)
    answer = StoredAnswer(
        entry_id="e", tenant="t", context_key="k", prompt="p", vector=vector, body={}, tier="simple", confidence=None,
        cost_usd=0.0, stored_at=0.0, expires_at=9.0,
    )  # fmt: skip
    await store.store(answer)
    assert await store.look_up_exact("t", "k", "p", now=1.0) is None
    assert list(await store.look_up("t", "k", vector, now=1.0)) == []
    await store.aclose()
