from fastapi import FastAPI
from litellm.proxy._types import LiteLLMRoutes
from litellm.proxy.auth.route_checks import RouteChecks

from tiergate.http.mount import FEEDBACK_ROUTE, mount_dashboard


def test_litellm_lets_every_key_call_feedback_and_nothing_else_of_ours() -> None:
    mount_dashboard(FastAPI(), None)  # type: ignore[arg-type]
    mount_dashboard(FastAPI(), None)  # type: ignore[arg-type]
    allowed = LiteLLMRoutes.self_managed_routes.value
    assert allowed.count(FEEDBACK_ROUTE) == 1
    assert RouteChecks.check_route_access(route=FEEDBACK_ROUTE, allowed_routes=allowed)
    assert not RouteChecks.check_route_access(route="/tiergate/api/summary", allowed_routes=allowed)
    assert not RouteChecks.check_route_access(route="/tiergate/cache/invalidate", allowed_routes=allowed)
