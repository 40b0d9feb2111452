import re
from pathlib import Path
from typing import Any

import pytest

from tiergate.http.page import ASSETS

OURS = [
    path for path in sorted(ASSETS.iterdir()) if path.suffix in {".js", ".html", ".css"} and "uplot" not in path.name
]


async def test_without_a_key_the_page_asks_for_one(site: Any) -> None:
    signed_out = await site.call("GET", "/tiergate", None)
    assert signed_out.status_code == 401
    assert signed_out.headers["content-type"].startswith("text/html")
    assert "www-authenticate" not in signed_out.headers
    assert (await site.call("GET", "/tiergate", "sk-admin")).text == signed_out.text


async def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(site: Any) -> None:
    for path in ("/tiergate", "/tiergate/assets/app.js"):
        policy = (await site.call("GET", path, None)).headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'self'" in policy


@pytest.mark.parametrize("name", [path.name for path in ASSETS.iterdir()])
async def test_every_file_is_served_with_its_type(site: Any, name: str) -> None:
    answer = await site.call("GET", f"/tiergate/assets/{name}", None)
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.content == (ASSETS / name).read_bytes()


@pytest.mark.parametrize(
    "name", ["../api.py", "..%2fapi.py", "%2e%2e/api.py", "none.js", "__init__.py", ".", "/etc/passwd"]
)
async def test_nothing_but_the_assets_is_served(site: Any, name: str) -> None:
    answer = await site.call("GET", f"/tiergate/assets/{name}", None)
    assert answer.status_code == 404 or "host" in answer.json()


async def test_our_routes_come_before_the_hosts(site: Any) -> None:
    assert (await site.call("GET", "/tiergate/health", None)).json()["status"] == "ok"
    assert (await site.call("GET", "/other", None)).json() == {"host": "other"}


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_our_files_write_no_markup_and_name_no_other_host(path: Path) -> None:
    text = path.read_text()
    assert not re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text)
    assert not re.findall(r"(?:https?:)?//[a-z]", text.replace("http://www.w3.org/2000/svg", ""))
    if path.suffix == ".html":
        assert not re.findall(r"<style|style=|\son\w+=|<script>", text)
