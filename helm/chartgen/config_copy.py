"""The copy of the config pack that the chart ships, since a chart cannot read files outside its folder."""

from pathlib import Path

from helm.chartgen.places import CHART, PACK


def copy_config(pack: Path = PACK, chart: Path = CHART) -> dict[Path, str]:
    """Return the files that the chart has to ship, each with its text.

    Args:
        pack: Folder with config.yaml, policy.yaml, models/, the dashboards and the alert rules.
        chart: Folder of the chart.
    """
    sources = [pack / "config.yaml", pack / "policy.yaml", *sorted((pack / "models").glob("*.yaml"))]
    copies = {chart / "files" / source.relative_to(pack): source for source in sources}
    boards = sorted((pack / "observability" / "dashboards").glob("*.json"))
    copies |= {chart / "files" / "dashboards" / board.name: board for board in boards}
    copies[chart / "files" / "alerts.yaml"] = pack / "observability" / "alerts" / "rules.yaml"
    return {copy: source.read_text(encoding="utf-8") for copy, source in copies.items()}


def find_strays(pack: Path = PACK, chart: Path = CHART) -> list[Path]:
    """Return the model files and dashboards in the chart that the pack no longer has."""
    copies, files = copy_config(pack, chart), chart / "files"
    found = [*sorted((files / "models").glob("*.yaml")), *sorted((files / "dashboards").glob("*.json"))]
    return [path for path in found if path not in copies]
