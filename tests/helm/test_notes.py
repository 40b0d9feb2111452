from typing import Any

import pytest
from tests.helm.conftest import Chart

TEMPLATE = "NOTES.txt"


def test_they_say_how_to_check_and_to_reach_it(chart: Chart) -> None:
    notes = chart.render()[TEMPLATE]
    assert "helm test tiergate --namespace llm" in notes
    assert "port-forward service/tiergate 4000:4000" in notes
    assert "cache edge, decision log sqlite" in notes


def test_an_existing_release_is_told_what_to_mount(existing: Chart) -> None:
    notes = existing.render()[TEMPLATE]
    assert "tiergate-config" in notes
    assert "helm test" not in notes


@pytest.mark.parametrize(
    ("kind", "changes", "warning"),
    [
        ("chart", {}, "emptyDir"),
        ("shared", {"workers": 2}, "no Redis"),
        ("chart", {}, "One pod"),
        ("chart", {"networkPolicy.enabled": False}, "No NetworkPolicy"),
        ("chart", {"ingress": {"enabled": True, "hosts": ["a"]}}, "no certificate"),
        ("chart", {"resources": {"limits": None}}, "No memory limit"),
        ("production", {}, "custom metrics API"),
        ("production", {"migration.enabled": False}, "each pod migrates"),
    ],
)
def test_each_risk_is_warned_of_when_it_is_there(
    kind: str, changes: dict[str, Any], warning: str, request: pytest.FixtureRequest
) -> None:
    notes = request.getfixturevalue(kind).render(changes)[TEMPLATE]
    assert [line for line in notes.splitlines() if line.startswith("[WARNING]") and warning in line]


@pytest.mark.parametrize(
    ("kind", "changes", "warning"),
    [
        ("chart", {"persistence.enabled": True}, "emptyDir"),
        ("production", {}, "emptyDir"),
        ("production", {}, "no Redis"),
        ("production", {}, "One pod"),
        ("chart", {}, "No NetworkPolicy"),
        ("production", {}, "no certificate"),
        ("chart", {}, "No memory limit"),
        ("shared", {"autoscaling.enabled": True}, "custom metrics API"),
        ("production", {}, "each pod migrates"),
    ],
)
def test_no_risk_is_warned_of_when_it_is_not_there(
    kind: str, changes: dict[str, Any], warning: str, request: pytest.FixtureRequest
) -> None:
    assert warning not in request.getfixturevalue(kind).render(changes)[TEMPLATE]
