from types import SimpleNamespace

import pytest
from fastapi import HTTPException
from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth

from tiergate.http.access import ADMIN, VIEWERS, require_admin, require_viewer, role_of


def test_the_roles_are_those_of_litellm() -> None:
    assert {ADMIN} | VIEWERS == {LitellmUserRoles.PROXY_ADMIN.value, LitellmUserRoles.PROXY_ADMIN_VIEW_ONLY.value}


async def test_admins_look_and_change_viewers_look_others_neither() -> None:
    admin = UserAPIKeyAuth(api_key="a", user_role=LitellmUserRoles.PROXY_ADMIN)
    viewer = UserAPIKeyAuth(api_key="b", user_role=LitellmUserRoles.PROXY_ADMIN_VIEW_ONLY)
    user = UserAPIKeyAuth(api_key="c", user_role=LitellmUserRoles.INTERNAL_USER)
    assert await require_viewer(admin) is admin
    assert await require_viewer(viewer) is viewer
    assert await require_admin(admin) is admin
    for check, identity in ((require_viewer, user), (require_admin, viewer), (require_admin, user)):
        with pytest.raises(HTTPException, match="403"):
            await check(identity)


def test_a_role_can_be_text_or_missing() -> None:
    assert role_of(SimpleNamespace(user_role="proxy_admin")) == "proxy_admin"
    assert role_of(SimpleNamespace(user_role=None)) is None
    assert role_of(object()) is None
