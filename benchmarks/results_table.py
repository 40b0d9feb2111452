"""Gathers benchmarks/results/*.json into one page of Markdown, benchmarks/results/README.md.

python benchmarks/results_table.py
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"


def figures_of(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Yield every figure below a value with its dotted name; a list's items are numbered from 1."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from figures_of(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list):
        for place, item in enumerate(value, 1):
            yield from figures_of(item, f"{name}[{place}]")
    else:
        yield name, f"{value:.6g}" if isinstance(value, float) else str(value)


def build_page(results: Mapping[str, Any]) -> str:
    """Return the page: a section for each result, a line for each figure."""
    text = "# Results\n\nWritten by benchmarks/results_table.py from the JSON files beside it.\n"
    for name, result in sorted(results.items()):
        text += f"\n## {name}\n\n| Figure | Value |\n|---|---|\n"
        text += "".join(f"| {figure} | {value} |\n" for figure, value in figures_of(result))
    return text


def main() -> None:
    """Write the page."""
    results = {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in RESULTS.glob("*.json")}
    (RESULTS / "README.md").write_text(build_page(results), encoding="utf-8")
    print(f"{len(results)} results in {RESULTS / 'README.md'}")


if __name__ == "__main__":
    main()
