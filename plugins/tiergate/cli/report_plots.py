"""The rollout report's figures as PNG."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tiergate.cli.plots import INK, MARK, TIERS, draw
from tiergate.policy.rollout import MAX_ESCALATION_RATIO, MIN_SAVING, Mean, Share, Week

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_report_plots(weeks: Sequence[Week], folder: Path) -> list[Path]:
    """Write `cost.png`, `distribution.png` and `quality.png`; return the files.

    Args:
        weeks: From `rollout.measure_weeks`; at least one.
        folder: Made when it is not there.
    """
    labels = [f"week {week.number}" for week in weeks]

    def shares(axes: "Axes") -> None:
        names = list(dict.fromkeys(tier for week in weeks for tier in week.tiers))
        bottom = [0.0] * len(weeks)
        for place, name in enumerate(names):
            height = [week.tiers.get(name, 0.0) for week in weeks]
            axes.bar(labels, height, bottom=bottom, label=name, color=TIERS[place % len(TIERS)], width=0.6)
            bottom = [low + high for low, high in zip(bottom, height, strict=True)]
        axes.set_ylabel("share of routed requests", fontsize=8)
        if names:
            axes.legend(fontsize=8, loc="lower right")

    def escalations(axes: "Axes") -> None:
        _draw_intervals(axes, labels, [week.escalations for week in weeks])
        axes.axhline(MAX_ESCALATION_RATIO, color=MARK, linewidth=1)
        axes.set_ylabel("share escalated; the line is 5 %", fontsize=8)

    def quality(axes: "Axes") -> None:
        _draw_intervals(axes, labels, [week.quality for week in weeks])
        axes.set_ylabel("quality, 0 to 1", fontsize=8)

    def latency(axes: "Axes") -> None:
        axes.bar(labels, [week.p95_ms for week in weeks], color=TIERS[0], width=0.6, label="request")
        axes.bar(labels, [week.overhead_p95_ms for week in weeks], color=MARK, width=0.6, label="tiergate's part")
        axes.set_ylabel("P95, ms", fontsize=8)
        axes.legend(fontsize=8)

    return [
        draw(folder / "cost.png", "Cost of a request against the 40 % target", [lambda axes: _draw_cost(axes, weeks)],
             columns=1),
        draw(folder / "distribution.png", "Tiers and escalations", [shares, escalations]),
        draw(folder / "quality.png", "Quality and latency", [quality, latency]),
    ]  # fmt: skip


def _draw_cost(axes: "Axes", weeks: Sequence[Week]) -> None:
    days = [((week.number - 1) * 7 + day, cost) for week in weeks for day, cost in enumerate(week.daily_cost_usd)]
    known = [(day, cost) for day, cost in days if not math.isnan(cost)]
    axes.plot([day + 1 for day, _ in known], [cost for _, cost in known], color=INK, marker="o", label="daily mean")
    baselines = [week.baseline_usd for week in weeks if not math.isnan(week.baseline_usd)]
    if baselines:
        baseline = sum(baselines) / len(baselines)
        axes.axhline(baseline, color="#5b6472", linewidth=1, label="baseline")
        axes.axhline(baseline * (1 - MIN_SAVING), color=MARK, linewidth=1, label="target")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("day", fontsize=8)
    axes.set_ylabel("USD", fontsize=8)
    axes.legend(fontsize=8)


def _draw_intervals(axes: "Axes", labels: Sequence[str], found: Sequence[Share | Mean]) -> None:
    for label, item in zip(labels, found, strict=True):
        axes.plot([label], [item.value], "o", color=INK)
        axes.plot([label, label], [item.low, item.high], color=INK)
    axes.set_ylim(bottom=0)
