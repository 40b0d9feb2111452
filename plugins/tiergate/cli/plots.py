"""What the PNG plots share: matplotlib where it is wanted, without its global state, and one look."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tiergate.cli.exits import stop

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, BAND, MARK = "#2f6db5", "#c7daf0", "#b5652f"
TIERS = ("#8fb8de", "#2f6db5", "#173d6b", "#b5652f", "#7a5ba8")
DPI = 110


def draw(file: Path, title: str, panels: Sequence[Callable[["Axes"], None]], *, columns: int = 2) -> Path:
    """Draw panels side by side into a PNG file and return it.

    Args:
        file: PNG to write; its folder is made.
        title: Above all panels.
        panels: Each draws into the axes that it is given.
        columns: Panels in a row.
    """
    figure_class = _import_figure()
    rows = -(-len(panels) // columns)
    figure: Any = figure_class(figsize=(4.6 * columns, 3.1 * rows), dpi=DPI, layout="constrained")
    figure.suptitle(title, fontsize=12)
    for place, panel in enumerate(panels):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="y", color="#dde1e6", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=8)
        panel(axes)
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, metadata={"Software": None})
    return file


def _import_figure() -> Any:
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415  slow, and in an extra
    except ModuleNotFoundError:
        stop("PNG plots need matplotlib: pip install 'tiergate[plots]'")
    return Figure
