"""Times the dashboard's queries, `tiergate replay` and the dashboard's page over a generated decision log.

    python benchmarks/decision_queries.py [--rows 1000000] [--no-postgres]

SQLite, and Debian's PostgreSQL, which this starts. Rows have the size of real ones: the whole record and an embedding
of 384 dimensions; one in fifty has feedback, one in fifty was sent to a tier by chance. Each query's figure is the
median of nine runs after a first one, in milliseconds; the first one is given too. Replay is timed as the command does
it, from opening the log to the estimates, and once as a process. The page is timed in a headless Chromium from the
start of the navigation until its tiles and charts are drawn.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import sqlalchemy as sa
import yaml
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from decision_rows import DAYS, fill
from decision_servers import KEY, run_chromium, run_dashboard, run_postgres
from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_rollups import hour_of
from tiergate.adapters.decision_search import Cursor, find_decision, find_decisions
from tiergate.adapters.decision_summary import read_summary
from tiergate.cli.replay import read_log
from tiergate.pack import locate_pack
from tiergate.settings import Policy, load_policy
from tiergate_classifier.replay_estimate import replay

RESULTS = Path(__file__).parent / "results" / "decision_queries.json"
RUNS, PAGE_RUNS, CHARTS = 9, 5, 7


def measure(run: Callable[[], Any], runs: int = RUNS) -> dict[str, float]:
    """Return the time of the first run and the median of the next ones, in milliseconds."""
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        run()
        times.append(1000 * (time.perf_counter() - started))
    return {"first_ms": round(times[0], 1), "p50_ms": round(statistics.median(times[1:]), 1)}


def measure_queries(url: sa.URL, rows: int, end: float) -> dict[str, Any]:
    """Return the time of each query of the dashboard."""
    database = DecisionDatabase(url)
    last = hour_of(end) + 1
    newest = Cursor(ts=end - 86400, decision_id="0")
    queries: dict[str, Callable[[sa.Connection], Any]] = {
        "summary of 30 days": lambda c: read_summary(c, (last - 24 * DAYS, last)),
        "summary of 24 hours": lambda c: read_summary(c, (last - 24, last)),
        "newest 50 decisions": lambda c: find_decisions(c, limit=50, newest_first=True),
        "50 decisions, a day back": lambda c: find_decisions(c, limit=50, newest_first=True, after=newest),
        "50 escalated of finance": lambda c: find_decisions(
            c, limit=50, newest_first=True, where={"gate_outcome": "escalated", "domain": "finance"}
        ),
        "an outcome that never was": lambda c: find_decisions(
            c, limit=50, newest_first=True, where={"gate_outcome": "verified"}
        ),
        "one decision": lambda c: find_decision(c, f"{rows // 2:032x}"),
    }

    def timed(query: Callable[[sa.Connection], Any]) -> dict[str, float]:
        def run() -> None:
            with database.snapshot() as connection:
                query(connection)

        return measure(run)

    figures = {name: timed(query) for name, query in queries.items()}
    database.close()
    return figures


def build_policy(folder: Path, min_quality: float) -> Path:
    """Write the quickstart's policy with another bound, and return its file."""
    text = yaml.safe_load((locate_pack("quickstart") / "policy.yaml").read_text(encoding="utf-8"))
    text["intent_router"]["min_quality"] = min_quality
    text.pop("domains", None)  # the rows' domains are drawn without a thought for overrides
    file = folder / f"policy-{min_quality}.yaml"
    file.write_text(yaml.safe_dump(text), encoding="utf-8")
    return file


def measure_replay(url: str, folder: Path) -> dict[str, Any]:
    """Return the time of a replay with the same bound and with another one, and of the command as a process."""

    def run(policy: Policy) -> Any:
        columns, cuts = read_log(url, policy)
        return replay(columns, policy, cuts)

    figures: dict[str, Any] = {}
    for bound in (0.95, 0.8):
        policy = load_policy(build_policy(folder, bound))
        found = run(policy)
        figures[f"min_quality {bound}"] = {
            **measure(lambda policy=policy: run(policy), 5),  # type: ignore[misc]
            "n": found.n,
            "changed": round(found.changed, 4),
            "cost_usd": next(item.value for item in found.estimates if item.metric == "cost_usd"),
        }
    command = [str(Path(sys.executable).with_name("tiergate")), "replay", "--decisions", url, "--json"]
    command += ["--policy", str(build_policy(folder, 0.8))]
    process = measure(lambda: subprocess.run(command, check=True, capture_output=True), 3)
    figures["the command, as a process"] = process
    return figures


def measure_page(url: str, rows: int) -> dict[str, Any]:
    """Return the time of the page until its tiles and charts are drawn, for two windows."""
    figures = {}
    with run_dashboard(url, rows) as address, run_chromium() as browser:
        browser.get(address)
        browser.execute_script("sessionStorage.setItem('tiergate-key', arguments[0])", KEY)
        for hours in (24, 24 * DAYS):
            browser.execute_script("sessionStorage.setItem('tiergate-hours', arguments[0])", str(hours))

            def load() -> float:
                browser.execute_cdp_cmd("Network.clearBrowserCache", {})
                browser.get(address)
                WebDriverWait(browser, 30, poll_frequency=0.01).until(
                    lambda browser: (
                        len(browser.find_elements(By.CSS_SELECTOR, "canvas")) >= CHARTS
                        and browser.find_elements(By.CSS_SELECTOR, ".tile")
                    )
                )
                return float(browser.execute_script("return performance.now()"))

            times = [load() for _ in range(PAGE_RUNS + 1)]
            figures[f"{hours} hours"] = {
                "first_ms": round(times[0], 1), "p50_ms": round(statistics.median(times[1:]), 1),
            }  # fmt: skip
    return figures


def main() -> None:
    """Fill, measure, print and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--no-postgres", action="store_true", help="measure SQLite only")
    parser.add_argument("--keep", type=Path, help="folder of the SQLite log; one that is there is measured as it is")
    options = parser.parse_args()
    result: dict[str, Any] = {
        "rows": options.rows, "days": DAYS, "runs": RUNS, "cores": os.cpu_count(),
        "python": platform.python_version(), "databases": {},
    }  # fmt: skip
    if options.no_postgres and RESULTS.exists():  # measured by an earlier run, whose load stands beside it
        result["databases"] |= json.loads(RESULTS.read_text(encoding="utf-8"))["databases"]
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        kept = options.keep or folder
        for name in ("sqlite",) if options.no_postgres else ("sqlite", "postgresql"):
            server = run_postgres() if name == "postgresql" else nullcontext(f"sqlite:///{kept}/decisions.db")
            with server as text:
                url, end = parse_url(text), time.time()
                there = name == "sqlite" and (kept / "decisions.db").exists()
                figures: dict[str, Any] = {} if there else fill(url, options.rows, end)
                figures["load_before"] = [round(load, 1) for load in os.getloadavg()]
                figures["queries"] = measure_queries(url, options.rows, end)
                figures["replay"] = measure_replay(text, folder)
                figures["page"] = measure_page(text, options.rows)
            result["databases"][name] = figures
            print(name, json.dumps(figures, indent=2), flush=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
