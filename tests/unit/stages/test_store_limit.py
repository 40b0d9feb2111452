"""The brake on stuffing: only stores near another entry count, each caller has its own bucket."""

import pytest

from tiergate.cache_settings import StoreLimit as Settings
from tiergate.stages import store_limit
from tiergate.stages.store_limit import StoreLimit
from tiergate.testing import FakeClock

SETTINGS = Settings(near_similarity=0.8, per_minute=3)


@pytest.mark.parametrize("similarity", [None, 0.0, 0.79])
def test_a_store_far_from_every_entry_takes_no_token(similarity: float | None) -> None:
    limit = StoreLimit(SETTINGS, FakeClock())
    assert all(limit.take("a", similarity) for _ in range(50))
    assert limit.take("a", 0.9)


def test_a_caller_that_stuffs_is_stopped_and_others_are_not() -> None:
    limit = StoreLimit(SETTINGS, FakeClock())
    assert [limit.take("a", 0.8) for _ in range(5)] == [True, True, True, False, False]
    assert limit.take("b", 0.99)


def test_tokens_come_back_with_time_and_not_beyond_the_burst() -> None:
    clock = FakeClock()
    limit = StoreLimit(SETTINGS, clock)
    for _ in range(3):
        limit.take("a", 0.9)
    clock.advance(19.9)
    assert not limit.take("a", 0.9)
    clock.advance(0.2)
    assert limit.take("a", 0.9)
    clock.advance(3600)
    assert [limit.take("a", 0.9) for _ in range(4)] == [True, True, True, False]


def test_the_callers_that_were_quiet_longest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_limit, "_MAX_CALLERS", 2)
    limit = StoreLimit(Settings(near_similarity=0.8, per_minute=1), FakeClock())
    for caller in ("a", "b", "c"):
        assert limit.take(caller, 0.9)
    assert not limit.take("c", 0.9)
    assert limit.take("a", 0.9), "forgotten, so its bucket is full again"
