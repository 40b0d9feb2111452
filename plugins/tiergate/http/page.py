"""The dashboard's page and its files: static, no data, strict content security policy."""

from pathlib import Path
from typing import Any, Final

from fastapi import APIRouter, Depends, HTTPException
from fastapi.responses import FileResponse, Response
from fastapi.routing import APIRoute
from starlette.routing import Match
from typing_extensions import override

from tiergate.http.access import require_viewer

ASSETS: Final = Path(__file__).with_name("assets")
CONTENT_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
HEADERS: Final = {
    # Nothing inline, nothing from elsewhere; LiteLLM's own admin page may frame it.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'self'; require-trusted-types-for 'script'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}
CREDENTIALS: Final = (b"authorization", b"x-litellm-api-key", b"api-key", b"x-api-key")


class SignedInRoute(APIRoute):
    """A route for requests that bring a key; those without one go on to the next route."""

    @override
    def matches(self, scope: Any) -> tuple[Match, Any]:
        if any(name in CREDENTIALS for name, _ in scope.get("headers", ())):
            return super().matches(scope)
        return Match.NONE, {}


def build_page_router() -> APIRouter:
    """Return the page and its files.

    A browser cannot send a key when it opens a page. So without one the page comes with status 401 and asks for it;
    the page holds no data, which only the API behind LiteLLM's authentication gives.
    """
    router = APIRouter()

    async def signed_in() -> Response:
        return _send("index.html")

    async def signed_out() -> Response:
        return _send("index.html", status_code=401)

    async def asset(name: str) -> Response:
        return _send(name)

    router.add_api_route(
        "/tiergate",
        signed_in,
        methods=["GET"],
        dependencies=[Depends(require_viewer)],
        include_in_schema=False,
        route_class_override=SignedInRoute,
    )
    router.add_api_route("/tiergate", signed_out, methods=["GET"], include_in_schema=False)
    router.add_api_route("/tiergate/assets/{name}", asset, methods=["GET"], include_in_schema=False)
    return router


def _send(name: str, *, status_code: int = 200) -> Response:
    path = ASSETS / name
    if path.parent != ASSETS or path.suffix not in CONTENT_TYPES or not path.is_file():
        raise HTTPException(404, {"error": "there is no such file"})
    return FileResponse(path, status_code=status_code, media_type=CONTENT_TYPES[path.suffix], headers=dict(HEADERS))
