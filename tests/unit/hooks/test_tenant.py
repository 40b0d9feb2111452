"""Who shares answers: only what LiteLLM authenticated says so."""

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litellm.proxy._types import UserAPIKeyAuth
from tests.unit.hooks.conftest import KEY, OTHER_KEY

from tiergate.exchange import Request
from tiergate.hooks.tenant import hash_identity, identify_tenant, identify_unit
from tiergate.settings import SemanticCache

SCOPES = ("key", "team", "user", "end_user", "global")


def tenant(scope: Any, identity: Any) -> str | None:
    return identify_tenant(identity, SemanticCache(scope=scope))


@pytest.mark.parametrize("scope", ["key", "team", "user"])
def test_another_identity_is_another_tenant(scope: str) -> None:
    assert tenant(scope, KEY) != tenant(scope, OTHER_KEY)
    assert tenant(scope, KEY) == tenant(scope, KEY.model_copy())


@pytest.mark.parametrize("scope", ["key", "team", "user", "end_user"])
@pytest.mark.parametrize("identity", [None, object(), UserAPIKeyAuth(), UserAPIKeyAuth(team_id="", user_id="")])
def test_without_an_identity_there_is_no_tenant(scope: str, identity: Any) -> None:
    assert tenant(scope, identity) is None


def test_a_team_shares_across_keys_and_a_key_does_not() -> None:
    one, two = (UserAPIKeyAuth(api_key=key, team_id="team-a") for key in ("hash-1", "hash-2"))
    assert tenant("team", one) == tenant("team", two)
    assert tenant("key", one) != tenant("key", two)


def test_an_end_user_only_narrows_the_key() -> None:
    people = [
        UserAPIKeyAuth(api_key=key, end_user_id=person) for key in ("hash-1", "hash-2") for person in ("ann", "bob")
    ]
    assert len({tenant("end_user", person) for person in people}) == 4
    assert tenant("end_user", UserAPIKeyAuth(api_key="hash-1")) is None
    assert tenant("end_user", UserAPIKeyAuth(end_user_id="ann")) is None


def test_global_is_one_tenant_even_without_an_identity() -> None:
    assert tenant("global", KEY) == tenant("global", None)


def test_scopes_never_meet() -> None:
    same = UserAPIKeyAuth(api_key="x", team_id="x", user_id="x", end_user_id="x")
    assert len({tenant(scope, same) for scope in SCOPES}) == len(SCOPES)


@given(st.text(min_size=1), st.text(min_size=1))
def test_the_hash_is_fixed_in_length_and_tells_identities_apart(one: str, two: str) -> None:
    assert len(hash_identity("key", one)) == 32
    assert (hash_identity("key", one) == hash_identity("key", two)) is (one == two)
    assert one not in hash_identity("key", one) or len(one) < 4


@pytest.mark.parametrize(
    ("unit", "controls", "found"),
    [
        ("key", {}, "key-a"),
        ("user", {}, "user-a"),
        ("session", {"session_id": "s-1"}, "key-a\x1fs-1"),
        ("session", {}, None),
    ],
)
def test_an_experiment_assigns_by_what_was_authenticated(
    unit: str, controls: dict[str, Any], found: str | None
) -> None:
    request = Request(
        call_id="c", endpoint="chat_completions", entry_model="auto", tenant=None, prompt="", controls=controls
    )
    assert identify_unit(SimpleNamespace(api_key="key-a", user_id="user-a"), request, unit) == found
    assert identify_unit(SimpleNamespace(api_key=None, user_id=None), request, "user") is None
