"""The page of sizing: its text is how-to/size.tmpl, its figures are from benchmarks/results or sums of them."""

import json
from pathlib import Path
from string import Template
from typing import Any

DOCS = Path(__file__).resolve().parent
CORE_HOUR_USD = 0.05
"""An assumption, for scale: about what clouds ask for one virtual core and its memory for an hour."""
HEADROOM = 0.6
"""Share of the measured throughput to plan with."""
KINDS = {
    "bare": "LiteLLM without tiergate",
    "miss": "Routed and judged, new to the cache",
    "exact": "Hit, the same text",
    "similar": "Hit, by meaning",
}


def sizing_page(note: str) -> str:
    """Return the page.

    Args:
        note: The line that says how the page is made.
    """
    overhead, speed = _read("overhead"), _read("router_speed")
    many = overhead["concurrency_16"]
    added_ms = many["miss"]["cpu_ms_per_request"] - many["bare"]["cpu_ms_per_request"]
    hours = added_ms * 1e6 / 1000 / 3600
    shop = {item["name"]: item["value"] for item in _read("simulate_b2c")["figures"]}
    short, long = speed["short"]["cpu_p50_ms"], speed["45_tokens"]["cpu_p50_ms"]
    return Template((DOCS / "how-to" / "size.tmpl").read_text(encoding="utf-8")).substitute(
        note=note,
        cores=overhead["cores"],
        load=f"{overhead['load_before']:.1f}",
        requests=_request_rows(overhead),
        headroom=f"{HEADROOM:g}",
        rate=f"{min(many[kind]['requests_per_s'] for kind in KINDS) * HEADROOM:.0f}",
        entries=_entry_rows(_read("cache_store")["rows"]),
        short_ms=f"{short:.1f}",
        long_ms=f"{long:.1f}",
        slow_rate=f"{1000 / long:.0f}",
        fast_rate=f"{1000 / short:.0f}",
        added_ms=f"{added_ms:.2f}",
        hours=f"{hours:.2f}",
        core_hour_usd=f"{CORE_HOUR_USD:g}",
        cost_usd=f"{hours * CORE_HOUR_USD:.2f}",
        per_request=f"{hours * CORE_HOUR_USD / 1e6:.1e}",
        before=f"{shop['cost_before_usd'] * 1e6:,.0f}",
        after=f"{shop['cost_after_usd'] * 1e6:,.0f}",
    )


def _read(name: str) -> Any:
    file = DOCS.parent / "benchmarks" / "results" / f"{name}.json"
    return json.loads(file.read_text(encoding="utf-8"))


def _request_rows(overhead: Any) -> str:
    text = ""
    for key, name in KINDS.items():
        one, many = overhead["concurrency_1"][key], overhead["concurrency_16"][key]
        text += f"| {name} | {one['cpu_ms_per_request']:.1f} | {one['p50_ms']:.1f} | {many['cpu_ms_per_request']:.1f} "
        text += f"| {many['requests_per_s']:.0f} |\n"
    return text


def _entry_rows(rows: Any) -> str:
    text = ""
    for row in (row for row in rows if "look_up" in row):
        found, memory = row["look_up"], row["memory_bytes_per_entry"]["resident"]
        text += f"| {row['entries']:,} | {row['tenants']} | {found['p50_ms']:.2f} | {found['p99_ms']:.1f} "
        text += f"| {memory:,} | {row['disk_bytes_per_entry']:,} |\n"
    return text
