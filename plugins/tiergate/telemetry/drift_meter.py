"""Tests for drift -> counters of checks and alarms."""

from collections.abc import Collection, Iterable

from opentelemetry import metrics
from opentelemetry.metrics import MeterProvider

from tiergate.telemetry import names
from tiergate.telemetry.names import Label, Metric


class DriftMeter:
    """Counts tests and alarms by kind and domain: an alarm that holds counts again at each check.

    Args:
        domains: Names of the domains; they close the label `domain`.
        provider: Where the measurements go; None takes the process's provider.
    """

    def __init__(self, *, domains: Collection[str], provider: MeterProvider | None = None) -> None:
        self._domains = frozenset(domains)
        meter = metrics.get_meter(names.SCOPE, meter_provider=provider, schema_url=names.SCHEMA_URL)
        self._counters = {
            name: meter.create_counter(name, names.UNITS[name], names.DESCRIPTIONS[name])
            for name in (Metric.DRIFT_TESTS, Metric.DRIFT_ALARMS)
        }

    def record(self, tests: Iterable[tuple[str, str | None, bool]]) -> None:
        """Count one check.

        Args:
            tests: Kind, domain (None is all traffic), and whether drift was found.
        """
        for kind, domain, alarm in tests:
            known = domain if domain in self._domains else names.LABEL_OTHER
            labels = {Label.TYPE.value: kind, Label.DOMAIN.value: names.LABEL_NONE if domain is None else known}
            self._counters[Metric.DRIFT_TESTS].add(1, labels)
            if alarm:
                self._counters[Metric.DRIFT_ALARMS].add(1, labels)
