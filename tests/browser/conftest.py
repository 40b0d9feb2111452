"""The dashboard in a real headless Chromium, over a log with a week of decisions."""

import contextlib
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import of LiteLLM asks the network for prices

import pytest
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webdriver import WebDriver
from selenium.webdriver.support.ui import WebDriverWait

from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_feedback import FeedbackRow, write_feedback
from tiergate.adapters.decision_reader import DecisionReader
from tiergate.adapters.decision_tables import build_values
from tiergate.http.dashboard import Dashboard
from tiergate.http.mount import mount_dashboard
from tiergate.plan_settings import Latency
from tiergate.settings import Policy, Tier

KEY = "sk-browser-admin"
ATTACK = '<img src=x onerror="window.pwned=1"><script>window.pwned=2</script>{{7*7}}'
POLICY = Policy(
    tiers=tuple(Tier(name=name, model_group=f"tier-{name}") for name in ("simple", "medium", "frontier")),
    latency=Latency(p95_budget_ms=500),
)
DECISIONS = 1500
PRICES = {"simple": 0.0002, "medium": 0.002, "frontier": 0.008}


def build_row(number: int, ts: float, random_: random.Random) -> dict[str, Any]:
    """Return a row of the record as traffic of three tiers would leave it."""
    hit, escalated = random_.random() < 0.3, random_.random() < 0.03
    tier = random_.choices(list(PRICES), (70, 25, 5))[0]
    confidence = random_.betavariate(3, 2) * 0.7 if escalated else 0.7 + 0.3 * random_.betavariate(3, 1.5)
    call = {
        "tier": tier, "model_group": f"tier-{tier}", "model": f"model-{tier}",
        "provider": random_.choice(("one", "two")), "fallback_from": None, "prompt_tokens": 120,
        "completion_tokens": 60, "cached_tokens": 0,
        "cost_usd": PRICES[tier], "ms": random_.lognormvariate(4.8, 0.5), "start_ms": 4.0, "status": "ok",
    }  # fmt: skip
    calls = [] if hit else [call]
    if escalated and not hit:
        calls.append(
            {**call, "tier": "frontier", "model_group": "tier-frontier", "cost_usd": 0.008, "start_ms": 4 + call["ms"]}
        )
    cost = sum(item["cost_usd"] for item in calls)
    skipped = {"outcome": "skipped", "reason": "cache_hit", "confidence": 0.95, "signals": {}}
    weak = (
        {"outcome": "escalated", "reason": "confidence_low"}
        if escalated
        else {"outcome": "trusted", "reason": "confidence_high"}
    )
    gate = {
        **weak,
        "confidence": confidence,
        "signals": {"logprob_mean": -0.4},
        "escalate_below": 0.7,
        "trust_from": 0.85,
    }
    latency = 5.0 if hit else 6.0 + sum(item["ms"] for item in calls)
    arm = random_.choice(("a", "b"))
    return {
        "decision_id": f"dec-{number:05d}", "ts": ts, "call_id": f"call-{number}", "trace_id": f"{number:032x}",
        "tenant": f"{number % 7:032x}", "entry_model": "auto", "strategy": "cascade", "experiment": "gate-065-vs-075",
        "arm": arm, "session": None,
        "cache": {"outcome": "hit" if hit else "miss", "reason": "similar_enough" if hit else "no_neighbour",
                  "similarity": 0.97 if hit else 0.3, "age_s": 90.0 if hit else None,
                  "entry_id": "e-1" if hit else None},
        "route": {"outcome": "routed", "tier": tier, "reason": "score_meets_quality", "score": 0.97,
                  "scores": {"simple": 0.95, "medium": 0.97, "frontier": 0.99},
                  "domain": random_.choice(("code", "general", "support")), "domain_score": 0.8},
        "gate": skipped if hit else gate, "calls": calls, "final_tier": "frontier" if len(calls) > 1 else tier,
        "cost_usd": cost, "baseline_cost_usd": 0.008, "saved_usd": 0.008 - cost, "latency_ms": latency,
        "overhead_ms": 3.0, "stage_ms": {"semantic_cache": 2.0, "intent_router": 0.5, "confidence_gate": 0.4},
        "stage_start_ms": {"semantic_cache": 0.0, "intent_router": 2.0, "confidence_gate": latency - 1},
        "status": "ok", "errors": {}, "prompt": ATTACK,
    }  # fmt: skip


def fill(url: str) -> None:
    """Write a week of decisions, feedback on one in five, and sum the hours up."""
    random_ = random.Random(7)
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    now, step = time.time(), 7 * 86400 / DECISIONS
    rows = [build_row(number, now - number * step - 5, random_) for number in range(DECISIONS)]
    database.upsert([build_values(row, 1) for row in rows])
    with database.transaction() as connection:
        for row in rows[::5]:
            good = random_.random() < (row["gate"]["confidence"] or 0.5)
            write_feedback(
                connection, FeedbackRow(decision_id=row["decision_id"], source="user", ts=row["ts"], score=float(good))
            )
    while database.tidy():
        pass
    database.close()


async def authenticate(request: Request) -> UserAPIKeyAuth:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        raise HTTPException(401, {"error": "this key is not known"})
    return UserAPIKeyAuth(api_key=KEY, user_role=LitellmUserRoles.PROXY_ADMIN)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve the dashboard and yield the address of its page."""
    url = f"sqlite:///{tmp_path_factory.mktemp('log')}/decisions.db"
    fill(url)
    reader = DecisionReader(url)
    state = {"pending": 0, "written": DECISIONS, "dropped": 0, "recovered": 0, "torn": 0}
    app = FastAPI()
    mount_dashboard(app, Dashboard(policy_in_force=lambda: POLICY, reader=reader, store=None, log_state=lambda: state))
    app.dependency_overrides[user_api_key_auth] = authenticate
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/tiergate"
    server.should_exit = True
    thread.join(10)


class Page:
    """What a person sees and does."""

    def __init__(self, browser: WebDriver, address: str) -> None:
        self.browser, self.address = browser, address

    def open(self, place: str = "") -> None:
        """Open a place of the page, signed in."""
        self.browser.get("about:blank")
        self.browser.get(f"{self.address}{place}")
        self.browser.execute_script("sessionStorage.setItem('tiergate-key', arguments[0])", KEY)
        self.browser.refresh()

    def wait(self, selector: str, *, count: int = 1) -> list[Any]:
        """Return the elements of a selector once there are so many."""
        return WebDriverWait(self.browser, 20).until(
            lambda browser: (
                (found := browser.find_elements(By.CSS_SELECTOR, selector)) and len(found) >= count and found
            )
        )

    def wait_text(self, text: str) -> None:
        """Wait until the page shows a text."""
        WebDriverWait(self.browser, 20).until(lambda browser: text in browser.find_element(By.TAG_NAME, "body").text)

    def text(self) -> str:
        """Return what the page shows."""
        return str(self.browser.find_element(By.TAG_NAME, "body").text)

    def problems(self) -> list[str]:
        """Return the console's errors since the last call, but for the 401 of the page without a key."""
        return [
            entry["message"]
            for entry in self.browser.get_log("browser")
            if entry["level"] == "SEVERE" and "status of 401" not in entry["message"]
        ]

    def shoot(self, name: str, folder: Path) -> None:
        """Take a picture of the whole page."""
        height = self.browser.execute_script("return document.documentElement.scrollHeight")
        size = self.browser.get_window_size()
        self.browser.set_window_size(size["width"], height + 200)
        time.sleep(0.3)
        self.browser.save_screenshot(str(folder / f"{name}.png"))
        self.browser.set_window_size(size["width"], size["height"])


@pytest.fixture
def page(chromium: WebDriver, site: str) -> Page:
    """Return the page, light and wide, with nothing remembered."""
    chromium.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "light"}]}
    )
    chromium.set_window_size(1300, 900)
    chromium.get(f"{site}/../tiergate/assets/icon.svg")
    with contextlib.suppress(Exception):
        chromium.execute_script("sessionStorage.clear()")
    page = Page(chromium, site)
    page.problems()
    return page
