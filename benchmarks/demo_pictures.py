"""Takes the pictures of the documentation: the demo's report, and the dashboard over the demo's decisions.

    python benchmarks/demo_pictures.py [--run] [--out docs/images]

With --run the demo is run first (a real proxy, stand-in providers; minutes). The decisions and figures that the
pictures show are written beside them, and without --run the pictures are taken of those again. The demo takes minutes;
so that curves over time have more than one point, its decisions are spread evenly over the last seven days. Nothing
else of them is changed. Needs Debian's chromium and chromium-driver.
"""

import argparse
import gzip
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from decision_servers import KEY, run_chromium, run_dashboard
from tiergate.adapters.decision_database import DecisionDatabase, parse_url
from tiergate.adapters.decision_feedback import FeedbackRow, write_feedback
from tiergate.adapters.decision_tables import build_values
from tiergate.cli.demo import TASKS, run_demo
from tiergate.cli.report import read_rows
from tiergate.cli.report_page import build_page
from tiergate.policy.rollout import measure_weeks

IMAGES = Path(__file__).parents[1] / "docs" / "images"
SPREAD_S, WINDOW_H, CHARTS = 7 * 86400 - 60, 168, 7
WIDE, NARROW = 1300, 420


def run(scenario: str, tasks: int, out: Path) -> None:
    """Run the demo and write its figures and decisions."""
    with tempfile.TemporaryDirectory() as folder:
        run_demo(scenario, tasks, Path(folder))
        (out / "demo-figures.json").write_bytes((Path(folder) / "figures.json").read_bytes())
        rows = list(read_rows(f"sqlite:///{folder}/data/decisions.db"))
    lines = [json.dumps({key: row[key] for key in row if key not in {"embedding", "prompt"}}) for row in rows]
    # No time in the file's header: the same rows give the same bytes.
    packed = gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0)
    (out / "demo-decisions.jsonl.gz").write_bytes(packed)


def fill(url: str, rows: Sequence[dict[str, Any]]) -> None:
    """Write the decisions, spread over the days before now, with their feedback."""
    database = DecisionDatabase(parse_url(url))
    database.open_schema()
    start = time.time() - SPREAD_S
    for place, row in enumerate(rows):
        row["ts"] = start + place * SPREAD_S / len(rows)
    database.upsert([build_values(row, 1) for row in rows])
    with database.transaction() as connection:
        for row in rows:
            said = row["feedback"]
            if said is not None:
                write_feedback(
                    connection,
                    FeedbackRow(
                        decision_id=row["decision_id"], source="user", ts=row["ts"], score=said["score"],
                        wrong_cache_hit=said["wrong_cache_hit"],
                    ),
                )  # fmt: skip
    while database.tidy():
        pass
    database.close()


def look(browser: webdriver.Chrome, address: str, *, width: int, scheme: str, wait: str, count: int) -> None:
    """Open an address and wait until so many elements are drawn."""
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get("about:blank")
    browser.get(address)
    WebDriverWait(browser, 30).until(lambda browser: len(browser.find_elements(By.CSS_SELECTOR, wait)) >= count)
    time.sleep(0.5)


def shoot(browser: webdriver.Chrome, file: Path, *, width: int) -> None:
    """Write a picture of the whole page."""
    height = browser.execute_script("return document.documentElement.scrollHeight")
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    time.sleep(0.5)
    browser.save_screenshot(str(file))
    print(f"wrote {file}")


def take(out: Path) -> None:
    """Take every picture of the decisions and figures that lie in a folder."""
    rows = [json.loads(line) for line in gzip.decompress((out / "demo-decisions.jsonl.gz").read_bytes()).splitlines()]
    figures = json.loads((out / "demo-figures.json").read_text(encoding="utf-8"))
    escalated = next((row["decision_id"] for row in rows if row["gate"]["outcome"] == "escalated"), "")
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        source = f"scenario {figures['scenario']}"
        page.write_text(build_page(measure_weeks(rows), source=source, figures=figures["figures"]), encoding="utf-8")
        url = f"sqlite:///{folder}/decisions.db"
        fill(url, rows)
        with run_dashboard(url, len(rows)) as address, run_chromium() as browser:
            browser.get(address)
            browser.execute_script("sessionStorage.setItem('tiergate-key', arguments[0])", KEY)
            browser.execute_script("sessionStorage.setItem('tiergate-hours', arguments[0])", str(WINDOW_H))
            for name, width, scheme in (("light", WIDE, "light"), ("dark", WIDE, "dark"), ("narrow", NARROW, "light")):
                look(browser, address, width=width, scheme=scheme, wait="canvas", count=CHARTS)
                shoot(browser, out / f"dashboard-{name}.png", width=width)
            look(browser, f"{address}#/decision/{escalated}", width=WIDE, scheme="light", wait="h2", count=1)
            shoot(browser, out / "decision.png", width=WIDE)
            look(browser, page.as_uri(), width=WIDE, scheme="light", wait="table", count=1)
            shoot(browser, out / "report.png", width=WIDE)


def main() -> None:
    """Run the demo where asked, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", action="store_true", help="run the demo first")
    parser.add_argument("--scenario", default="agent-stack")
    parser.add_argument("--tasks", type=int, default=TASKS)
    parser.add_argument("--out", type=Path, default=IMAGES)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.run:
        run(options.scenario, options.tasks, options.out)
    take(options.out)


if __name__ == "__main__":
    main()
