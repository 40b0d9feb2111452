from tiergate.stages.session_tiers import SessionTiers

TIERS = ("simple", "medium", "frontier")


def test_a_session_goes_up_and_is_forgotten() -> None:
    sessions = SessionTiers(ttl_s=10, tiers=TIERS)
    assert sessions.find("a", 0) is None
    sessions.note("a", "medium", 0)
    sessions.note("a", "simple", 5)
    assert sessions.find("a", 15) == "medium"
    assert sessions.find("a", 15.1) is None
    sessions.note("a", "simple", 20)
    assert sessions.find("a", 20) == "simple"


def test_the_one_unused_for_longest_goes_first() -> None:
    sessions = SessionTiers(ttl_s=10, tiers=TIERS, max_sessions=2)
    for name in ("a", "b", "a", "c"):
        sessions.note(name, "simple", 0)
    assert (len(sessions), sessions.find("b", 0), sessions.find("a", 0)) == (2, None, "simple")


def test_cached_tokens_are_those_of_the_sessions_tier() -> None:
    sessions = SessionTiers(ttl_s=10, tiers=TIERS)
    assert sessions.find_cached("a", 0) == (None, 0)
    sessions.note("a", "medium", 0, cached_tokens=70)
    sessions.note("a", "simple", 1, cached_tokens=5)
    assert sessions.find_cached("a", 2) == ("medium", 70)
    sessions.note("a", "frontier", 3, cached_tokens=9)
    assert sessions.find_cached("a", 3) == ("frontier", 9)
    assert sessions.find_cached("a", 14) == (None, 0)
