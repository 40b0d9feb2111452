"""Links of repository pages, as they must stand on the site."""

import pytest
from docs.site_pages import OUTSIDE, rewrite


@pytest.mark.parametrize(
    ("source", "target", "shown"),
    [
        ("index.md", "how-to/install.md", "[a](how-to/install.md)"),
        ("how-to/rollout.md", "../runbook.md#tiergatestagefailing", "[a](../runbook.md#tiergatestagefailing)"),
        ("tutorial.md", "../litellm_config/README.md", "[a](repository/litellm_config/README.md)"),
        ("repository/README.md", "docs/index.md", "[a](../index.md)"),
        (
            "repository/litellm_config/recipes/agent-stack/README.md",
            "../legal-review/README.md",
            "[a](../legal-review/README.md)",
        ),
        ("repository/litellm_config/README.md", "config.yaml", "a (`litellm_config/config.yaml`)"),
        ("faq.md", "https://example.org/a.md", "[a](https://example.org/a.md)"),
        ("faq.md", "#here", "[a](#here)"),
    ],
)
def test_a_link_leads_to_the_page_or_becomes_the_file_s_name(source: str, target: str, shown: str) -> None:
    assert rewrite("a", target, source) == shown


def test_the_pages_outside_are_there() -> None:
    assert {"README.md", "litellm_config/README.md", "litellm_config/recipes/b2c-support/README.md"} <= set(OUTSIDE)
