"""The chart rendered by Helm itself, without a cluster."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import helm_python
import yaml
from helm.chartgen.places import CHART, EXAMPLES

RELEASE: Final = "tiergate"
NAMESPACE: Final = "llm"
_NOTES: Final = "NOTES.txt"


def render_chart(values: Mapping[str, Any], chart: Path = CHART) -> dict[str, str]:
    """Return the text of each template that renders to something, by its path inside templates/.

    Args:
        values: What an operator sets.
        chart: Folder of the chart.

    Raises:
        helm_python.HelmError: The values break the schema, or a requirement of the chart.
    """
    with helm_python.Chart.load(chart) as loaded:
        rendered = loaded.render(dict(values), name=RELEASE, namespace=NAMESPACE)
    prefix = "tiergate/templates/"
    return {path.removeprefix(prefix): text for path, text in sorted(rendered.items()) if text.strip()}


def read_example(name: str) -> dict[str, Any]:
    """Return the values of an example."""
    values: dict[str, Any] = yaml.safe_load((EXAMPLES / name / "values.yaml").read_text(encoding="utf-8")) or {}
    return values


def list_examples() -> list[str]:
    """Return the names of the examples."""
    return sorted(path.parent.name for path in EXAMPLES.glob("*/values.yaml"))


def write_example(name: str) -> str:
    """Return what an example renders to, as one YAML stream; each document names its template."""
    rendered = render_chart(read_example(name))
    documents = [f"---\n# {path}\n{text.strip()}\n" for path, text in rendered.items() if path != _NOTES]
    return "".join(documents)
