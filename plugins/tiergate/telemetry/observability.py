"""Writes the Grafana dashboard and the Prometheus alert rules.

    python -m tiergate.telemetry.observability litellm_config/observability

Their expressions name series through `build_series_name`, so a metric that is renamed is renamed there too.
"""

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import yaml

from tiergate.telemetry.alert_rules import build_rules
from tiergate.telemetry.grafana_dashboard import build_dashboard


def write_observability(folder: Path) -> None:
    """Write `dashboards/overview.json` and `alerts/rules.yaml` below a folder."""
    for name in ("dashboards", "alerts"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    dashboard = json.dumps(build_dashboard(), indent=2) + "\n"
    (folder / "dashboards" / "overview.json").write_text(dashboard, encoding="utf-8")
    rules = yaml.safe_dump(build_rules(), sort_keys=False, width=120)
    note = "# Made by `python -m tiergate.telemetry.observability litellm_config/observability`.\n"
    (folder / "alerts" / "rules.yaml").write_text(note + rules, encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Write the Grafana dashboard and the Prometheus alert rules.")
    parser.add_argument("folder", type=Path)
    write_observability(parser.parse_args(arguments).folder)


if __name__ == "__main__":  # pragma: no cover
    main()
