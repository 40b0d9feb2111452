"""Where the chart and its sources are in a checkout."""

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
CHART: Final = ROOT / "helm" / "tiergate"
PACK: Final = ROOT / "litellm_config"
EXAMPLES: Final = CHART / "examples"
