"""Servers, the browser and settings that more than one folder of tests uses."""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from selenium import webdriver
from selenium.webdriver.remote.webdriver import WebDriver

# Built on the profile in force, which in CI draws the same examples each time.
settings.register_profile("no_timing", settings.default, deadline=None)
settings.load_profile("no_timing")

FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--no-proxy-server",
)  # fmt: skip


def _find_server() -> Path | None:
    found = shutil.which("postgres")
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), reverse=True)
    return Path(found) if found else next(iter(candidates), None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Mapping[str, str]]:
    """Start a PostgreSQL server on a free port, as an unprivileged user, and yield how to reach it."""
    server = _find_server()
    if server is None:
        pytest.skip("PostgreSQL's server is not installed: apt-get install postgresql")
    folder = Path(tempfile.mkdtemp(prefix="tiergate-pg-"))
    as_user: dict[str, Any] = {"cwd": folder}
    if os.geteuid() == 0:  # the server refuses to run as root
        owner = pwd.getpwnam("postgres")
        os.chown(folder, owner.pw_uid, owner.pw_gid)
        as_user |= {"user": owner.pw_uid, "group": owner.pw_gid}
    data = folder / "data"
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    initdb = [server.with_name("initdb"), "-D", data, "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8"]
    subprocess.run([*initdb, "--no-locale"], check=True, **as_user, **quiet)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
    process = subprocess.Popen([server, "-D", data, "-p", str(port), *options], **as_user, **quiet)
    address = {"host": "127.0.0.1", "port": str(port), "user": "tester"}
    try:
        _await_server(process, address)
        yield address
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _await_server(process: subprocess.Popen[bytes], address: Mapping[str, str]) -> None:
    deadline = time.monotonic() + 30
    while True:
        assert process.poll() is None, "PostgreSQL did not start"
        try:
            psycopg.connect(**address, dbname="postgres").close()
        except psycopg.OperationalError:
            assert time.monotonic() < deadline, "PostgreSQL did not answer in time"
            time.sleep(0.1)
        else:
            return


@pytest.fixture
def postgres_url(postgres_server: Mapping[str, str]) -> Iterator[str]:
    """Yield the URL of an empty database, in the form that policy.yaml uses."""
    name = f"log_{os.urandom(4).hex()}"
    with psycopg.connect(**postgres_server, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield "postgresql+asyncpg://{user}@{host}:{port}/".format(**postgres_server) + name
    with psycopg.connect(**postgres_server, dbname="postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebDriver]:
    """Run Debian's Chromium."""
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("Chromium is not installed: apt-get install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield browser
    finally:
        with contextlib.suppress(Exception):
            browser.quit()
