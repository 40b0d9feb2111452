"""The page of the HTTP endpoints, from the routes that the proxy mounts."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, cast

from fastapi import FastAPI
from fastapi.routing import APIRoute
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth

from tiergate.http.access import require_admin, require_viewer
from tiergate.http.api import build_router
from tiergate.http.dashboard import Dashboard
from tiergate.http.page import build_page_router

PURPOSES: Mapping[str, str] = {
    "GET /tiergate": "The dashboard's page. It holds no data; a browser gets it with status 401 and types a key",
    "GET /tiergate/assets/{name}": "The page's files",
    "GET /tiergate/health": "State of each stage; no secrets, no figures of anyone's requests",
    "GET /tiergate/api/summary": "Requests, cost, savings, quality and limits of the last hours",
    "GET /tiergate/api/decisions": "Decisions, newest first, no prompts; `before` of the answer continues the list",
    "GET /tiergate/api/decisions/{decision_id}": "One whole [record](record.md); 404 when there is none",
    "POST /tiergate/feedback": (
        "What a user says of an answer. Of another key's decision: 404, as if there were none. "
        "A wrong hit that names a decision without a hit: 409. `removed` counts the stored answers that went"
    ),
    "POST /tiergate/cache/invalidate": "Removes stored answers; exactly one of the last four. Without a cache: 501",
}
"""What each endpoint is for; an endpoint without a line stops the generation."""

ACCESS: Mapping[Callable[..., Any], str] = {
    require_viewer: "proxy admin, read-only too",
    require_admin: "proxy admin",
    user_api_key_auth: "any key",
}


def build_http_page(note: str) -> str:
    """Return the page.

    Args:
        note: The line that says how the page is made.
    """
    routers = (build_page_router(), build_router(cast("Dashboard", None)))  # routes are listed, none is called
    app = FastAPI()
    for router in routers:
        app.include_router(router)
    schema = app.openapi()
    text = f"# HTTP\n\n{note}In the proxy's own app, behind LiteLLM's own authentication: the key as for any request "
    text += (
        "(`Authorization: Bearer KEY`). Without one: 401; with one that may not: 403; a wrong body or parameter: 422; "
    )
    text += "while the log or the store is away: 503.\n\n| Endpoint | Who | What |\n|---|---|---|\n"
    routes = list(_routes([route for router in routers for route in router.routes]))
    for name, route in routes:
        text += f"| `{name}` | {_access(route)} | {PURPOSES[name]} |\n"
    for name, route in routes:
        text += _fields(name, route, schema)
    return text


def _routes(found: Iterable[Any]) -> Iterator[tuple[str, APIRoute]]:
    seen = set()
    for route in found:
        if isinstance(route, APIRoute) and route.path.startswith("/tiergate"):
            name = f"{min(route.methods)} {route.path}"
            if name not in seen:
                seen.add(name)
                yield name, route


def _access(route: APIRoute) -> str:
    calls = [item.call for item in route.dependant.dependencies]
    found = [who for call, who in ACCESS.items() if call in calls]
    return found[0] if found else "anyone"


def _fields(name: str, route: APIRoute, schema: Mapping[str, Any]) -> str:
    """Return a section with the parameters or the body of an endpoint; empty when it has neither."""
    method, path = name.split(" ")
    operation = schema["paths"].get(path, {}).get(method.lower(), {})
    rows = [
        (item["name"], item["schema"], item.get("required", False))
        for item in operation.get("parameters", ())
        if item["in"] == "query"
    ]
    if route.body_field is not None:
        body = route.body_field.field_info.annotation
        model = cast("Any", body).model_json_schema()
        rows += [(key, value, key in model.get("required", ())) for key, value in model["properties"].items()]
    if not rows:
        return ""
    text = f"\n## {name}\n\n| Field | Type | Default |\n|---|---|---|\n"
    return text + "".join(f"| `{key}` | {_kind(value)} | {_default(value, needed)} |\n" for key, value, needed in rows)


def _kind(value: Mapping[str, Any]) -> str:
    options = [item for item in value.get("anyOf", (value,)) if item.get("type") != "null"]
    words = {"string": "text", "boolean": "true, false"}
    bounds = {"minimum": "from", "maximum": "to", "minLength": "from", "maxLength": "to"}
    unit = " characters" if any("Length" in key for key in options[0]) else ""
    limits = " ".join(f"{word} {options[0][key]:g}" for key, word in bounds.items() if key in options[0])
    kind = str(options[0].get("const", "")).lower() or words.get(options[0].get("type", ""), options[0].get("type", ""))
    return f"{kind} {limits}{unit}".strip()


def _default(value: Mapping[str, Any], needed: object) -> str:
    if needed:
        return "required"
    default = value.get("default")
    return "none" if default in (None, "") else f"`{str(default).lower()}`"
