"""Licences: what is allowed, what is not, and what a person has looked at."""

import pytest
from release.licences import check_licences, is_allowed


@pytest.mark.parametrize(
    "licence", ["MIT", "Apache Software License", "BSD-3-Clause", "MPL-2.0 AND MIT", "LGPL-3.0-only"]
)
def test_these_are_allowed(licence: str) -> None:
    assert is_allowed(licence)


@pytest.mark.parametrize(
    "licence", ["GPL-3.0", "AGPL-3.0-only", "UNKNOWN", "", "LicenseRef-Proprietary", "Limited Use"]
)
def test_these_are_not(licence: str) -> None:
    assert not is_allowed(licence)


def test_only_what_ships_is_judged() -> None:
    rows = [
        {"Name": "Some_Tool", "License": "GPL-3.0"},
        {"Name": "other", "License": "GPL-3.0"},
        {"Name": "litellm-enterprise", "License": "LicenseRef-Proprietary"},
    ]
    assert check_licences(rows, {"some-tool", "litellm-enterprise"}) == ["Some_Tool: licence 'GPL-3.0'"]
