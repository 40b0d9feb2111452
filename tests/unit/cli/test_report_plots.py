"""The report's PNG plots."""

from pathlib import Path

import pytest
from tests.unit.cli.conftest import START, WEEK_S, log_row

from tiergate.cli.report_plots import write_report_plots
from tiergate.policy.rollout import measure_weeks

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize(
    "changes",
    [{}, {"baseline_cost_usd": None, "feedback": None}, {"route": log_row(1, START)["route"] | {"tier": None}}],
)
def test_each_plot_is_a_png_whatever_is_known(tmp_path: Path, changes: dict[str, object]) -> None:
    weeks = measure_weeks([log_row(n, START + n * WEEK_S / 10, **changes) for n in range(20)])
    files = write_report_plots(weeks, tmp_path / "plots")
    assert [file.name for file in files] == ["cost.png", "distribution.png", "quality.png"]
    assert all(file.read_bytes().startswith(PNG) and file.stat().st_size > 3000 for file in files)


def test_the_same_weeks_give_the_same_bytes(tmp_path: Path) -> None:
    weeks = measure_weeks([log_row(n, START + n) for n in range(20)])
    first, second = (write_report_plots(weeks, tmp_path / name)[0].read_bytes() for name in ("a", "b"))
    assert first == second
