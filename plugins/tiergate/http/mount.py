"""Puts our routes into the proxy's own app."""

from typing import Any

from litellm.proxy._types import LiteLLMRoutes

from tiergate.http.api import build_router
from tiergate.http.dashboard import Dashboard
from tiergate.http.page import build_page_router

FEEDBACK_ROUTE = "/tiergate/feedback"


def mount_dashboard(app: Any, dashboard: Dashboard) -> None:
    """Add the routes, before LiteLLM's own, some of which take any path.

    LiteLLM lets only admins call a path that it does not know. Feedback is for every key and checks itself whose
    decision it is, so its path joins the routes that LiteLLM calls self-managed.

    Args:
        app: LiteLLM's FastAPI app; it may be starting already, since routes are looked up for each request.
        dashboard: What answers.
    """
    known = len(app.router.routes)
    app.include_router(build_page_router())
    app.include_router(build_router(dashboard))
    added = app.router.routes[known:]
    del app.router.routes[known:]
    app.router.routes[0:0] = added
    routes = LiteLLMRoutes.self_managed_routes.value
    if FEEDBACK_ROUTE not in routes:
        routes.append(FEEDBACK_ROUTE)
