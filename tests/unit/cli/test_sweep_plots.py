"""Curves of a sweep."""

from pathlib import Path
from typing import Any

from tiergate.cli.sweep_plots import write_sweep_plots

METRICS = ("cost_usd", "quality", "escalated", "latency_ms")


def point(value: float, domain: str = "", *, known: bool = True, chosen: bool = False) -> dict[str, Any]:
    estimates = [{"metric": name, "value": value, "low": value - 0.1, "high": value + 0.1} for name in METRICS]
    estimates[1]["value"] = None  # type: ignore[assignment]  # quality is not known
    replay = {"estimates": estimates} if known else None
    return {"domain": domain, "key": "intent_router.min_quality", "value": value, "chosen": chosen, "replay": replay}


def test_each_domain_has_a_file_of_its_own(tmp_path: Path) -> None:
    points = [point(0.5), point(0.7, chosen=True), point(0.5, "a/b"), point(0.7, "dark", known=False)]
    files = write_sweep_plots(points, tmp_path / "plots")
    assert [file.name for file in files] == ["sweep-all.png", "sweep-a_b.png", "sweep-dark.png"]
    assert all(file.stat().st_size > 3000 for file in files)
