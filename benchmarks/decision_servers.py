"""What the decision benchmarks start: a PostgreSQL server of Debian's, the dashboard, a headless Chromium."""

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # else the import of LiteLLM asks the network for prices

import psycopg
import uvicorn
from fastapi import FastAPI, HTTPException, Request
from litellm.proxy._types import LitellmUserRoles, UserAPIKeyAuth
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
from selenium import webdriver

from tiergate.adapters.decision_reader import DecisionReader
from tiergate.http.dashboard import Dashboard
from tiergate.http.mount import mount_dashboard
from tiergate.settings import Latency, Policy, Tier

KEY = "sk-benchmark-admin"
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--no-proxy-server", "--hide-scrollbars",
)  # fmt: skip


@contextlib.contextmanager
def run_postgres() -> Iterator[str]:
    """Run a server on a free port, as an unprivileged user, and yield the URL of an empty database.

    Settings are the server's own; only its files are new and its socket is local.
    """
    found = shutil.which("postgres")
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    server = Path(found) if found else next(iter(candidates), None)
    if server is None:
        raise SystemExit("PostgreSQL's server is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="tiergate-pg-"))
    as_user: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:  # the server refuses to run as root
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user |= {"user": owner.pw_uid, "group": owner.pw_gid}
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    initdb = [server.with_name("initdb"), "-D", folder / "data", "-U", "bench", "--auth=trust", "-E", "UTF8"]
    subprocess.run([*initdb, "--no-locale"], check=True, **as_user, **quiet)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
    process = subprocess.Popen([server, "-D", folder / "data", "-p", str(port), *options], **as_user, **quiet)
    try:
        for _ in range(300):
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(host="127.0.0.1", port=port, user="bench", dbname="postgres").close()
                break
            time.sleep(0.1)
        yield f"postgresql://bench@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown: it does not wait for who is connected
        process.wait(60)
        shutil.rmtree(folder, ignore_errors=True)


async def _authenticate(request: Request) -> UserAPIKeyAuth:
    if request.headers.get("authorization") != f"Bearer {KEY}":
        raise HTTPException(401, {"error": "this key is not known"})
    return UserAPIKeyAuth(api_key=KEY, user_role=LitellmUserRoles.PROXY_ADMIN)


@contextlib.contextmanager
def run_dashboard(url: str, rows: int) -> Iterator[str]:
    """Serve the dashboard over a log and yield the address of its page."""
    policy = Policy(
        tiers=tuple(Tier(name=name, model_group=f"tier-{name}") for name in ("simple", "medium", "frontier")),
        latency=Latency(p95_budget_ms=500),
    )
    state = {"pending": 0, "written": rows, "dropped": 0, "recovered": 0, "torn": 0}
    app = FastAPI()
    reader = DecisionReader(url)
    mount_dashboard(app, Dashboard(policy_in_force=lambda: policy, reader=reader, store=None, log_state=lambda: state))
    app.dependency_overrides[user_api_key_auth] = _authenticate
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}/tiergate"
    finally:
        server.should_exit = True
        thread.join(10)


@contextlib.contextmanager
def run_chromium() -> Iterator[webdriver.Chrome]:
    """Run Debian's Chromium, headless."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        raise SystemExit("Chromium is not installed: apt-get install chromium chromium-driver")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = binary
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
        browser.set_window_size(1300, 900)
        try:
            yield browser
        finally:
            with contextlib.suppress(Exception):
                browser.quit()
