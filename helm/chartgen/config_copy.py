"""The copy of the config pack that the chart ships, since a chart cannot read files outside its folder."""

from pathlib import Path

from helm.chartgen.places import CHART, PACK


def copy_config(pack: Path = PACK, chart: Path = CHART) -> dict[Path, str]:
    """Return the files that the chart has to ship, each with its text.

    Args:
        pack: Folder with config.yaml, policy.yaml and models/.
        chart: Folder of the chart.
    """
    sources = [pack / "config.yaml", pack / "policy.yaml", *sorted((pack / "models").glob("*.yaml"))]
    return {chart / "files" / source.relative_to(pack): source.read_text(encoding="utf-8") for source in sources}


def find_strays(pack: Path = PACK, chart: Path = CHART) -> list[Path]:
    """Return the model files in the chart that the pack no longer has."""
    copies = copy_config(pack, chart)
    return [path for path in sorted((chart / "files" / "models").glob("*.yaml")) if path not in copies]
