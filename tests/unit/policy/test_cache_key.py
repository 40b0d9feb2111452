"""What two requests have to have in common to share an entry."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tiergate.exchange import Request
from tiergate.policy.cache_key import answer_version, build_cache_key, build_flight_key, digest
from tiergate.settings import Policy, SemanticCache

REQUEST = Request(
    call_id="1", endpoint="chat_completions", entry_model="auto", tenant="t", prompt="and its capital?",
    context_key="c", system_key="s", caller="a", earlier=(("user", "France?"), ("assistant", "Yes.")),
)  # fmt: skip
PLAIN, WHOLE = SemanticCache(), SemanticCache(multi_turn="embed_conversation")


def policy(**changes: object) -> Policy:
    tiers = [{"name": name, "model_group": name} for name in ("a", "b")]
    return Policy.model_validate({"tiers": tiers, **changes})


@pytest.mark.parametrize(
    "change", [{"tenant": "u"}, {"context_key": "d"}, {"prompt": "p"}], ids=["tenant", "context", "prompt"]
)
def test_each_part_makes_another_entry(change: dict[str, str]) -> None:
    one, other = (build_cache_key(each, PLAIN, version="v") for each in (REQUEST, replace(REQUEST, **change)))
    assert one.entry_id != other.entry_id


def test_without_a_version_the_context_is_as_it_was() -> None:
    assert build_cache_key(REQUEST, PLAIN, version="").context_key == "c"
    assert build_cache_key(REQUEST, PLAIN, version="v").context_key != "c"


def test_a_conversation_is_text_and_no_context() -> None:
    key = build_cache_key(REQUEST, WHOLE, version="v")
    assert key.conversation
    assert key.prompt == "user: France?\nassistant: Yes.\nuser: and its capital?"
    assert key == build_cache_key(replace(REQUEST, context_key="other"), WHOLE, version="v")
    assert key != build_cache_key(replace(REQUEST, system_key="other"), WHOLE, version="v")
    assert not build_cache_key(replace(REQUEST, earlier=()), WHOLE, version="v").conversation


@pytest.mark.parametrize(("scope", "together"), [("key", True), ("user", True), ("team", False), ("global", False)])
def test_in_a_shared_scope_each_caller_waits_for_its_own(scope: str, *, together: bool) -> None:
    settings = SemanticCache(scope=scope)  # type: ignore[arg-type]
    key = build_cache_key(REQUEST, settings, version="v")
    keys = {build_flight_key(key, replace(REQUEST, caller=caller), settings) for caller in ("a", "b", None)}
    assert (len(keys) == 1) is together


@pytest.mark.parametrize(
    "change",
    [
        {"semantic_cache": {"cache_version": "2"}},
        {"tiers": [{"name": "a", "model_group": "x"}, {"name": "b", "model_group": "b"}]},
        {"tiers": [{"name": "a", "model_group": "a", "params": {"seed": 1}}, {"name": "b", "model_group": "b"}]},
    ],
)
def test_what_changes_answers_changes_the_version(change: dict[str, object]) -> None:
    assert answer_version(policy(**change)) != answer_version(policy())
    assert answer_version(policy(semantic_cache={"ttl_s": 5})) == answer_version(policy())


@given(st.lists(st.text(), max_size=4), st.lists(st.text(), max_size=4))
def test_different_parts_have_different_digests(one: list[str], other: list[str]) -> None:
    assert (digest(*one) == digest(*other)) is (one == other)
