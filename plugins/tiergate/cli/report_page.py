"""The rollout report as one HTML file: text, tables, plots as inline SVG; no script, nothing loaded from elsewhere."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from tiergate.policy.rollout import WEEKS, Mean, Share, Week, check_week, recommend

_NAMES = {1: "baseline and shadow", 2: "gate and domain overrides", 3: "threshold experiment", 4: "result"}
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 220, 64, 28
_BAR, _LABELS = 22, 12
_STYLE = """
:root { color-scheme: light dark; --ink: #1d2430; --dim: #5b6472; --line: #c9ced6; --bar: #2f6db5; --alt: #b5652f;
  --ok: #23753b; --bad: #b3261e; --page: #fff }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ee; --dim: #a3abb8; --line: #454c58; --bar: #79aef0;
  --alt: #e8a36f; --ok: #74c98c; --bad: #f28b82; --page: #15181d } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 60rem;
  margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; width: 100%; margin: .5rem 0 1.5rem; font-variant-numeric: tabular-nums }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line) }
th:first-child, td:first-child { text-align: left }
.dim { color: var(--dim) } text { fill: var(--dim); font-size: 12px }
.ok { color: var(--ok) } .bad { color: var(--bad) }
svg { width: 100%; height: auto; min-width: 32rem; max-width: 640px }
.next { border-left: 4px solid var(--bar); padding: .4rem 1rem }
.scroll { overflow-x: auto }
.figures td { white-space: nowrap; vertical-align: top }
.figures :is(th, td):last-child { white-space: normal; text-align: left; min-width: 16rem }
.weeks :is(th, td):not(:first-child) { white-space: nowrap }
.criteria { table-layout: fixed } .criteria td:first-child { width: 46% }
"""


def build_page(weeks: Sequence[Week], *, source: str, figures: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the page.

    Args:
        weeks: From `rollout.measure_weeks`; at least one.
        source: Where the rows came from, without credentials.
        figures: Of a simulation, as `tiergate simulate` writes them: shown first, beside the published ones.
    """
    action, reason = recommend(weeks)
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1"><title>tiergate rollout report</title>',
        f"<style>{_STYLE}</style></head><body><h1>Rollout report</h1>",
        f'<p class="dim">{sum(week.requests for week in weeks)} decisions of {escape(source)}.',
        "Intervals are 95 %: Wilson for shares, normal for means.</p>",
        f'<p class="next"><strong>Next: {_code(action)}.</strong><br>Because {escape(reason)}.</p>',
        *([_figures(figures)] if figures else []),
        "<h2>Weeks</h2>",
        _table(weeks),
        "<h2>Cost of a request against the 40 % target</h2>",
        _plot_cost(weeks),
        "<h2>Distribution over the tiers</h2>",
        _plot_tiers(weeks),
        "<h2>Exit criteria</h2>",
        *(_criteria(weeks, number) for number in range(1, WEEKS + 1)),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _figures(figures: Sequence[Mapping[str, Any]]) -> str:
    """Return a simulation's figures as a table."""
    rows = "".join(
        f"<tr><td>{escape(str(figure['name']))}</td><td>{figure['value']:.4g}</td>"
        f"<td>{figure['low']:.4g} to {figure['high']:.4g}</td>{_published(figure)}</tr>"
        for figure in figures
    )
    head = "<tr><th>figure</th><th>run</th><th>95 % interval</th><th>published</th><th>reproduced</th></tr>"
    table = f'<div class="scroll" tabindex="0"><table class="figures">{head}{rows}</table></div>'
    return f"<h2>The run beside the published case</h2>{table}"


def _published(figure: Mapping[str, Any]) -> str:
    if figure["published"] is None:
        return "<td></td><td></td>"
    word, style = ("yes", "ok") if figure["reproduced"] else ("no", "bad")
    why = f"<br><span class=dim>{escape(str(figure['why']))}</span>" if figure["why"] else ""
    return f'<td>{figure["published"]:.4g}</td><td><span class="{style}">{word}</span>{why}</td>'


def _code(text: str) -> str:
    """Return escaped text with `marked` words as code."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if place % 2 else piece for place, piece in enumerate(pieces))


def _table(weeks: Sequence[Week]) -> str:
    rows = [
        ("decisions", [str(week.requests) for week in weeks]),
        ("in shadow mode", [f"{week.shadow:.0%}" for week in weeks]),
        ("cost of a request, USD", [_mean(week.cost_usd, 5) for week in weeks]),
        ("on the baseline tier, USD", [_number(week.baseline_usd, 5) for week in weeks]),
        ("saving", [_percent(week.saving) for week in weeks]),
        ("cache hits", [_share(week.hit_ratio) for week in weeks]),
        ("escalated", [_share(week.escalations) for week in weeks]),
        ("P95 latency, ms", [_number(week.p95_ms, 0) for week in weeks]),
        ("tiergate's part of it, P95, ms", [_number(week.overhead_p95_ms, 1) for week in weeks]),
        ("quality, 0 to 1", [_mean(week.quality, 3) for week in weeks]),
        ("requests failed", [f"{week.failed:.2%}" for week in weeks]),
        ("experiments", [escape(", ".join(week.experiments)) or "none" for week in weeks]),
    ]
    head = "".join(f"<th>week {week.number}</th>" for week in weeks)
    body = "".join(f"<tr><td>{name}</td>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>" for name, cells in rows)
    return f'<div class="scroll" tabindex="0"><table class="weeks"><tr><th></th>{head}</tr>{body}</table></div>'


def _criteria(weeks: Sequence[Week], number: int) -> str:
    rows = "".join(
        f"<tr><td>{escape(item.text)}</td><td>{escape(item.found)}</td>"
        f'<td class="{"ok" if item.met else "bad"}">{"holds" if item.met else "does not hold"}</td></tr>'
        for item in check_week(weeks, number)
    )
    return f'<h3>Week {number}: {_NAMES[number]}</h3><table class="criteria">{rows}</table>'


def _plot_cost(weeks: Sequence[Week]) -> str:
    """Draw the daily mean cost, with the baseline and the target as lines."""
    days = [((week.number - 1) * 7 + day, cost) for week in weeks for day, cost in enumerate(week.daily_cost_usd)]
    points = [(day, cost) for day, cost in days if not math.isnan(cost)]
    known = [week.baseline_usd for week in weeks if not math.isnan(week.baseline_usd)]
    baseline = sum(known) / len(known) if known else math.nan
    top = max([cost for _, cost in points] + ([baseline] if known else []), default=1.0) * 1.1 or 1.0
    last = max([1, *(day for day, _ in days)])

    def place(day: float, cost: float) -> tuple[float, float]:
        across = _LEFT + (_WIDTH - _LEFT - 10) * day / last
        return across, (_HEIGHT - _BOTTOM) * (1 - cost / top) + 4

    marks = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="var(--bar)"><title>{cost:.4g} USD</title></circle>'
        for cost, (x, y) in ((point[1], place(*point)) for point in points)
    )
    lines = ""
    for level, label in ((baseline, "baseline"), (baseline * 0.6, "target")):
        if known:
            y = place(0, level)[1]
            lines += f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="var(--alt)"/>'
            lines += f'<text x="0" y="{y + 4:.1f}">{label}</text>'
            lines += f'<text x="{_WIDTH}" y="{y + 14:.1f}" text-anchor="end">{level:.4g} USD</text>'
    axis = "".join(
        f'<text x="{place(7 * week, 0)[0]:.1f}" y="{_HEIGHT - 6}">week {week + 1}</text>'
        for week in range(0, last // 7 + 1, 1 + last // 7 // _LABELS)
    )
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in points))
    line = f'<polyline points="{path}" fill="none" stroke="var(--bar)"/>'
    return _svg(f"Daily mean cost of a request, at most {top / 1.1:.5f} USD", lines + line + marks + axis)


def _plot_tiers(weeks: Sequence[Week]) -> str:
    """Draw one bar for each week and tier."""
    names = list(dict.fromkeys(tier for week in weeks for tier in week.tiers))
    rows = [(week, tier) for week in weeks for tier in names]
    if not rows:
        return '<p class="dim">No request was routed.</p>'
    bars = ""
    for place, (week, tier) in enumerate(rows):
        share, y = week.tiers.get(tier, 0.0), 5 + place * _BAR
        width = (_WIDTH - 200) * share
        bars += f'<text x="0" y="{y + _BAR * 0.7:.1f}">week {week.number}, {escape(tier)}</text>'
        bars += f'<rect x="140" y="{y + 2:.1f}" width="{width:.1f}" height="{_BAR - 4}" fill="var(--bar)"/>'
        bars += f'<text x="{146 + width:.1f}" y="{y + _BAR * 0.7:.1f}">{share:.0%}</text>'
    return _svg("Share of routed requests by tier", bars, height=len(rows) * _BAR + 10)


def _svg(title: str, body: str, *, height: int = _HEIGHT) -> str:
    label = escape(title)
    head = f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{label}"><title>{label}</title>'
    return f'<div class="scroll" tabindex="0">{head}{body}</svg></div>'


def _number(value: float, digits: int) -> str:
    return "not known" if math.isnan(value) else f"{value:.{digits}f}"


def _percent(value: float) -> str:
    return "not known" if math.isnan(value) else f"{value:.1%}"


def _mean(mean: Mean, digits: int) -> str:
    if math.isnan(mean.value):
        return "not known"
    return f"{mean.value:.{digits}f}<br><span class=dim>{mean.low:.{digits}f} to {mean.high:.{digits}f}</span>"


def _share(share: Share) -> str:
    return f"{share.value:.1%}<br><span class=dim>{share.low:.1%} to {share.high:.1%}</span>"
