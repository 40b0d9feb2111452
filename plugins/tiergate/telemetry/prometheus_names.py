"""What our metrics are called at a Prometheus: the rules of OpenTelemetry's exporter, for the declared names.

A dot becomes an underscore, a unit in words is added (seconds), one in braces is not, a counter ends in `_total`.
"""

from typing import Final

from tiergate.telemetry.names import BUCKETS, UNITS, Metric

_UNIT_WORDS: Final = {"s": "seconds"}


def build_series_name(metric: Metric) -> str:
    """Return the name of a counter's series, or the stem of a histogram's (`_bucket`, `_sum`, `_count` follow)."""
    name = metric.value.replace(".", "_")
    word = _UNIT_WORDS.get(UNITS[metric])
    if word is not None:
        name = f"{name}_{word}"
    return name if metric in BUCKETS else f"{name}_total"


def list_series() -> frozenset[str]:
    """Return the name of every series that the declared metrics make."""
    names: set[str] = set()
    for metric in Metric:
        name = build_series_name(metric)
        names.update((f"{name}_bucket", f"{name}_sum", f"{name}_count") if metric in BUCKETS else (name,))
    return frozenset(names)
