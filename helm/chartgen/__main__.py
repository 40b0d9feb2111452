"""`python -m helm.chartgen` writes the generated files; with --check it only compares them."""

import argparse
import difflib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from helm.chartgen.config_copy import copy_config, find_strays
from helm.chartgen.places import CHART, EXAMPLES, ROOT
from helm.chartgen.rendering import list_examples, write_example
from helm.chartgen.values_file import load_values
from helm.chartgen.values_schema import write_schema
from helm.chartgen.values_table import write_readme


def produce_files() -> Iterator[tuple[Path, Callable[[], str]]]:
    """Yield each generated file and what gives its text, in the order in which they depend on each other."""
    values = load_values()
    for path, text in copy_config().items():
        yield path, lambda text=text: text  # type: ignore[misc]
    yield CHART / "values.schema.json", lambda: write_schema(values)
    yield CHART / "README.md", lambda: write_readme(values)
    for name in list_examples():
        yield EXAMPLES / name / "rendered.yaml", lambda name=name: write_example(name)  # type: ignore[misc]


def compare(path: Path, wanted: str) -> str:
    """Return a unified diff from the file to what it should be; empty where they agree."""
    found = path.read_text(encoding="utf-8") if path.is_file() else ""
    name = str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)
    lines = difflib.unified_diff(
        found.splitlines(keepends=True), wanted.splitlines(keepends=True), name, f"{name} (generated)"
    )
    return "".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Return 0 when every file is as generated, or was written."""
    parser = argparse.ArgumentParser(prog="helm.chartgen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    check = parser.parse_args(arguments).check
    stale = 0
    for path in find_strays():
        sys.stdout.write(f"{path.relative_to(ROOT)}: the pack has no such file\n")
        stale += 1
        if not check:
            path.unlink()
    for path, write in produce_files():
        difference = compare(path, wanted := write())
        if not difference:
            continue
        stale += 1
        if check:
            sys.stdout.write(difference)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
    if check and stale:
        sys.stdout.write(f"{stale} generated files differ; run `make helm-sync` and review the diff\n")
    return 1 if check and stale else 0


if __name__ == "__main__":
    sys.exit(main())
