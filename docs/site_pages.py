"""Hook of mkdocs: the Markdown pages outside docs/ become pages too, and links to them and to code keep working.

A page of the repository is written for a reader of the repository, so its links are relative to the checkout. On the
site a link to another page leads to that page, and a link to a file that is no page becomes the file's name.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[1]
PREFIX = "repository"
OUTSIDE = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "litellm_config/README.md", "helm/tiergate/README.md"),
    *("benchmarks/results/README.md", "classifier/tiergate_classifier/workload/README.md"),
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("litellm_config/recipes/*/README.md"))),
    *(str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("plugins/tiergate/models/*/card.md"))),
)
_LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\(([^)\s]+)\)")
_PICTURE = re.compile(r"!\[([^\]\n]*)\]\(docs/([^)\s]+)\)")


def on_config(config: Any) -> Any:
    """Replace each folder of the navigation by its pages, so that a new page needs no line in mkdocs.yml."""
    config.nav = [_expand(item) for item in config.nav]
    return config


def _expand(item: dict[str, Any]) -> dict[str, Any]:
    ((title, value),) = item.items()
    if not isinstance(value, str) or not value.endswith("/"):
        return item
    if value == f"{PREFIX}/":
        return {title: [{_title(path): f"{PREFIX}/{path}"} for path in OUTSIDE]}
    return {title: [f"{value}{path.name}" for path in sorted((ROOT / "docs" / value).glob("*.md"))]}


def _title(path: str) -> str:
    """Return what the navigation shows of a page outside docs/: its folder for a README, else its path."""
    folder, name = posixpath.split(path)
    if name == "card.md":
        return f"Card: {posixpath.basename(folder)}"
    return (folder or "README") if name == "README.md" else name


def on_files(files: Files, config: Any) -> Files:
    """Add the pages outside docs/."""
    for path in OUTSIDE:
        files.append(File.generated(config, f"{PREFIX}/{path}", abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:  # noqa: ARG001  mkdocs names them
    """Rewrite the links of a page."""
    source = page.file.src_uri
    if source.startswith(f"{PREFIX}/"):
        start = posixpath.dirname(source)
        markdown = _PICTURE.sub(lambda found: f"![{found[1]}]({posixpath.relpath(found[2], start)})", markdown)
    return _LINK.sub(lambda found: rewrite(found[1], found[2], source), markdown)


def rewrite(text: str, target: str, source: str) -> str:
    """Return a link as it must stand on the site.

    Args:
        text: What is shown.
        target: Where it leads, relative to the page's place in the checkout.
        source: The page, relative to the site's sources.
    """
    if "://" in target or target.startswith(("#", "mailto:")):
        return f"[{text}]({target})"
    path, _, anchor = target.partition("#")
    here = source.removeprefix(f"{PREFIX}/") if source.startswith(f"{PREFIX}/") else f"docs/{source}"
    leads = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
    if leads.startswith("docs/") and leads.endswith(".md"):
        place = leads.removeprefix("docs/")
    elif leads in OUTSIDE:
        place = f"{PREFIX}/{leads}"
    else:
        return text if "`" in text else f"{text} (`{leads}`)"
    relative = posixpath.relpath(place, posixpath.dirname(source) or ".")
    return f"[{text}]({relative}{'#' if anchor else ''}{anchor})"
