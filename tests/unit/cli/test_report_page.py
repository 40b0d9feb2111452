"""The report page."""

import math
from typing import Any

import pytest
from tests.unit.cli.conftest import START, log_row

from tiergate.cli.report_page import build_page
from tiergate.policy.rollout import measure_weeks


def page_of(**changes: Any) -> str:
    return build_page(measure_weeks([log_row(n, START + n, **changes) for n in range(20)]), source="a & b")


def test_names_are_escaped_and_figures_shown() -> None:
    page = page_of()
    assert "a &amp; b" in page
    assert "0.30000" in page
    assert page.count("<svg") == 2


@pytest.mark.parametrize("changes", [{"baseline_cost_usd": None}, {"feedback": None}])
def test_what_is_not_known_is_said(changes: dict[str, Any]) -> None:
    page = page_of(**changes)
    assert "not known" in page
    assert str(math.nan) not in page.split("Exit criteria")[0]


def test_a_log_without_routed_requests_has_no_bars() -> None:
    assert "No request was routed." in page_of(route=log_row(1, START)["route"] | {"tier": None})
