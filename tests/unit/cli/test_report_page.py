"""The report page."""

import math
import re
from itertools import pairwise
from typing import Any

import pytest
from tests.unit.cli.conftest import START, WEEK_S, log_row

from tiergate.cli.report_page import build_page
from tiergate.policy.rollout import measure_weeks


def page_of(**changes: Any) -> str:
    return build_page(measure_weeks([log_row(n, START + n, **changes) for n in range(20)]), source="a & b")


def test_names_are_escaped_and_figures_shown() -> None:
    page = page_of()
    assert "a &amp; b" in page
    assert "0.30000" in page
    assert page.count("<svg") == 2


def test_the_cost_plot_tells_its_levels_in_usd() -> None:
    page = page_of()
    assert ">1 USD</text>" in page
    assert ">0.6 USD</text>" in page
    assert "<title>0.3 USD</title>" in page


def test_the_labels_of_a_log_of_many_weeks_do_not_overlap() -> None:
    rows = [
        log_row(n, START + n * WEEK_S / 3, route=log_row(n, START)["route"] | {"tier": f"t{n % 3}"}) for n in range(90)
    ]
    cost, tiers = build_page(measure_weeks(rows), source="x").split("<svg")[1:]
    height = int(re.search(r'viewBox="0 0 \d+ (\d+)"', tiers)[1])  # type: ignore[index]
    lines = sorted({float(y) for y in re.findall(r'<text x="0" y="([\d.]+)"', tiers)})
    assert len(lines) == 90
    assert min(later - earlier for earlier, later in pairwise(lines)) >= 14
    assert lines[-1] < height
    weeks = sorted(float(x) for x in re.findall(r'<text x="([\d.]+)" y="\d+">week', cost))
    assert min(later - earlier for earlier, later in pairwise(weeks)) >= 44


@pytest.mark.parametrize("changes", [{"baseline_cost_usd": None}, {"feedback": None}])
def test_what_is_not_known_is_said(changes: dict[str, Any]) -> None:
    page = page_of(**changes)
    assert "not known" in page
    assert str(math.nan) not in page.split("Exit criteria")[0]


def test_a_log_without_routed_requests_has_no_bars() -> None:
    assert "No request was routed." in page_of(route=log_row(1, START)["route"] | {"tier": None})
