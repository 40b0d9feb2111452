"""Curves of a threshold sweep as PNG: cost, quality, escalations and latency over each threshold, one file a domain."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiergate.cli.plots import BAND, INK, MARK, draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_METRICS = {
    "cost_usd": "cost of a request, USD",
    "quality": "quality, 0 to 1",
    "escalated": "share escalated",
    "latency_ms": "latency, mean, ms",
}
_Point = Mapping[str, Any]


def write_sweep_plots(points: Sequence[_Point], folder: Path) -> list[Path]:
    """Write one PNG for each domain and one for all rows; return the files.

    Args:
        points: `SweepPoint` as dictionaries.
        folder: Made when it is not there.
    """
    files = []
    for domain in dict.fromkeys(point["domain"] for point in points):
        own = [point for point in points if point["domain"] == domain]
        keys = list(dict.fromkeys(point["key"] for point in own))
        panels: list[Callable[[Axes], None]] = [
            partial(_draw_curve, points=[point for point in own if point["key"] == key], key=key, metric=metric)
            for metric in _METRICS
            for key in keys
        ]
        name = re.sub(r"[^\w-]", "_", domain) or "all"
        title = f"Thresholds, {domain or 'all'}; the point is the policy's value"
        files.append(draw(folder / f"sweep-{name}.png", title, panels, columns=len(keys)))
    return files


def _draw_curve(axes: "Axes", *, points: Sequence[_Point], key: str, metric: str) -> None:
    axes.set_xlabel(key, fontsize=8)
    axes.set_ylabel(_METRICS[metric], fontsize=8)
    known = [(point, item) for point in points if (item := _find(point, metric)) is not None]
    if not known:
        axes.text(0.5, 0.5, "the log cannot tell", transform=axes.transAxes, ha="center", color="#5b6472")
        axes.set_xticks([])
        axes.set_yticks([])
        return
    at = [point["value"] for point, _ in known]
    axes.fill_between(at, [item["low"] for _, item in known], [item["high"] for _, item in known], color=BAND)
    axes.plot(at, [item["value"] for _, item in known], color=INK, marker=".")
    chosen = [(point["value"], item["value"]) for point, item in known if point["chosen"]]
    axes.plot([x for x, _ in chosen], [y for _, y in chosen], "o", color=MARK, markersize=8)


def _find(point: _Point, metric: str) -> Mapping[str, Any] | None:
    estimates = point["replay"]["estimates"] if point["replay"] is not None else ()
    return next((item for item in estimates if item["metric"] == metric and item["value"] is not None), None)
