"""The dashboard in a real proxy, behind LiteLLM's own authentication."""

from pathlib import Path
from typing import Any

import jwt
import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

from tiergate.demo.proxy_process import free_port, new_key
from tiergate.telemetry.prometheus_names import list_series

pytestmark = pytest.mark.proxy


def test_the_page_and_its_api_are_the_admins(gateway: Any) -> None:
    _, headers = gateway.ask("What is the capital of Austria?", key="sk-ann-blue")
    gateway.final_record(headers["decision-id"])
    paths = (
        "/tiergate",
        "/tiergate/api/summary",
        "/tiergate/api/decisions",
        f"/tiergate/api/decisions/{headers['decision-id']}",
    )
    with gateway.proxy.client() as admin, gateway.proxy.client("sk-ann-blue") as user:
        assert {path: admin.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)
        assert {path: user.get(path).status_code for path in paths} == dict.fromkeys(paths, 403)
        assert admin.get(paths[1]).json()["totals"]["requests"] >= 1
        assert admin.get(paths[3]).json()["decision_id"] == headers["decision-id"]


def test_without_a_key_there_is_a_page_without_data_and_the_health(gateway: Any) -> None:
    with gateway.proxy.client() as client:
        del client.headers["Authorization"]
        page = client.get("/tiergate")
        assert page.status_code == 401
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert client.get("/tiergate/assets/app.js").status_code == 200
        assert client.get("/tiergate/health").json()["stages"]["semantic_cache"]["enabled"] is True
        assert client.get("/tiergate/api/summary").status_code >= 400


def test_litellms_own_routes_answer_as_before(gateway: Any) -> None:
    with gateway.proxy.client() as client:
        assert client.get("/health/liveliness").is_success
        assert client.get("/v1/models").is_success


def test_feedback_right_after_the_answer_finds_its_decision(gateway: Any) -> None:
    _, headers = gateway.ask("What is the capital of Estonia?", key="sk-ann-blue")
    body = {"decision_id": headers["decision-id"], "score": 0.75}
    with gateway.proxy.client("sk-eve-red") as other, gateway.proxy.client("sk-ann-blue") as own:
        assert other.post("/tiergate/feedback", json=body).status_code == 404
        assert own.post("/tiergate/feedback", json=body).json()["recorded"] is True
    with gateway.proxy.client() as admin:
        row = admin.get(f"/tiergate/api/decisions/{headers['decision-id']}").json()
    assert row["feedback"]["score"] == 0.75


@pytest.mark.gateway
def test_litellms_own_admin_page_shows_the_dashboard(start_gateway: Any, chromium: WebDriver, tmp_path: Path) -> None:
    port = free_port()

    def register(config: dict[str, Any]) -> None:
        page = {"name": "tiergate", "url": f"http://127.0.0.1:{port}/tiergate", "display_name": "tiergate"}
        config["general_settings"]["plugins"] = [page]

    # With a salt key LiteLLM also hands the frame a claim of who looks at it, which our page does not need.
    with start_gateway(config=register, port=port, environ={"LITELLM_SALT_KEY": new_key()}) as gateway:
        gateway.ask("What is the capital of Latvia?")
        sign_in(chromium, gateway.proxy.url, gateway.proxy.master_key)
        wait = WebDriverWait(chromium, 60)
        wait.until(expected_conditions.frame_to_be_available_and_switch_to_it((By.CSS_SELECTOR, "iframe")))
        tiles = wait.until(lambda browser: browser.find_elements(By.CSS_SELECTOR, ".tile"))
        shown = [tile.text.splitlines() for tile in tiles]
        chromium.switch_to.default_content()
        chromium.save_screenshot(str(tmp_path / "admin-page.png"))
    assert ["Requests", "1"] in [lines[:2] for lines in shown]


def sign_in(browser: WebDriver, url: str, key: str) -> None:
    """Open the admin page as an admin whom it has let in: its log-in itself needs LiteLLM's database."""
    claims = {"user_id": "admin", "key": key, "user_role": "proxy_admin", "login_method": "username_password"}
    browser.get(f"{url}/ui/")
    browser.add_cookie({"name": "token", "value": jwt.encode(claims, key, algorithm="HS256"), "path": "/"})
    browser.execute_script("localStorage.setItem('litellm_plugin_mode', 'tiergate')")
    browser.get(f"{url}/ui/")


@pytest.fixture
def own_journal(tmp_path: Path) -> Any:
    def change(policy: dict[str, Any]) -> None:
        policy["decision_log"]["journal"] = str(tmp_path / "elsewhere")

    return change


@pytest.mark.gateway
def test_sigterm_loses_no_row_and_the_journal_is_where_policy_says(
    start_gateway: Any, own_journal: Any, tmp_path: Path
) -> None:
    with start_gateway(policy=own_journal) as gateway:
        answered = [gateway.ask(f"What is {number} plus {number}?")[1]["decision-id"] for number in range(30)]
        assert list((tmp_path / "elsewhere").iterdir())
        gateway.proxy.process.terminate()
        gateway.proxy.process.wait(30)
        # No proxy runs any more: what is found is what the stop wrote.
        assert [decision for decision in answered if not gateway.record(decision)] == []
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.gateway
def test_litellms_own_prometheus_endpoint_has_our_metrics(start_gateway: Any) -> None:
    def with_prometheus(config: dict[str, Any]) -> None:
        config["litellm_settings"]["callbacks"].append("prometheus")

    with start_gateway(config=with_prometheus) as gateway:
        _, headers = gateway.ask("What is the capital of Latvia?")
        gateway.ask("What is the capital of Latvia?")
        body = {"decision_id": headers["decision-id"], "score": 1}
        with gateway.proxy.client() as client:
            assert client.post("/tiergate/feedback", json=body).is_success
            answer = client.get("/metrics/")
    assert answer.is_success, answer.text
    series = {line.split("{")[0].split(" ")[0] for line in answer.text.splitlines() if line.startswith("tiergate_")}
    assert series <= list_series() | {"tiergate_decision_log_dropped_total"}
    assert {"tiergate_requests_total", "tiergate_cost_usd_total", "tiergate_feedback_total"} <= series
    assert "litellm_" in answer.text
    (hits,) = [
        line
        for line in answer.text.splitlines()
        if line.startswith("tiergate_requests_total{") and 'cache="hit"' in line
    ]
    assert hits.endswith(" 1.0")
