"""Sends probes to a running proxy and compares what comes back with what is expected."""

import os
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

from tiergate.cli.probe_file import PATHS, FaultOrder, Probe, ProbeFile
from tiergate.errors import TiergateError
from tiergate.settings import ENVIRONMENT_PREFIX
from tiergate.telemetry.names import Header

TIMEOUT_S = 120.0
ROUNDING = 1e-9
_SHOWN = {"tier": Header.TIER, "cache": Header.CACHE, "gate": Header.GATE, "decision": Header.DECISION_ID}
_FALLBACKS = "x-litellm-attempted-fallbacks"

OrderFault = Callable[[FaultOrder], None]


class ProbeRunError(TiergateError):
    """The proxy cannot be asked; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOutcome:
    """What one probe gave.

    Attributes:
        probe: The probe.
        status: HTTP status.
        seen: tier, cache, gate and decision as the headers say, None where absent; fallback.
        differences: What differs from the expectation.
    """

    probe: Probe
    status: int
    seen: Mapping[str, Any]
    differences: tuple[str, ...]

    def to_row(self) -> dict[str, Any]:
        """Return the outcome as JSON-ready values."""
        row = {"name": self.probe.name, "status": self.status, **self.seen}
        return {**row, "ok": not self.differences, "differences": list(self.differences)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeReport:
    """What a run gave.

    Attributes:
        outcomes: One for each probe that was sent.
        skipped: Names of the probes for stand-ins, when there are none.
        share_differences: Shares of the run outside their bounds.
        acceptance: Share of the probes that must be as expected.
    """

    outcomes: tuple[ProbeOutcome, ...]
    skipped: tuple[str, ...]
    share_differences: tuple[str, ...]
    acceptance: float

    @property
    def as_expected(self) -> int:
        """Number of probes without a difference."""
        return sum(not outcome.differences for outcome in self.outcomes)

    @property
    def passed(self) -> bool:
        """Whether enough probes, and every share, are as expected. A run without a probe proves nothing."""
        enough = self.as_expected >= self.acceptance * len(self.outcomes) - ROUNDING
        return bool(self.outcomes) and enough and not self.share_differences


def run_probes(
    file: ProbeFile,
    client: httpx.Client,
    *,
    order_fault: OrderFault | None = None,
    fresh: bool = False,
    environ: Mapping[str, str] | None = None,
) -> ProbeReport:
    """Send the probes one after the other.

    Args:
        file: The probes.
        client: With the proxy's address and key.
        order_fault: Tells the stand-ins to fail; without it the probes for stand-ins are skipped, and the shares
            are not judged when that leaves a gap.
        fresh: Give the run a system text of its own, so that no answer stored by an earlier run is served.
        environ: Where `os.environ/NAME` of a header is looked up; the process environment by default.

    Raises:
        ProbeRunError: The proxy does not answer, or a header names a variable that is not set.
    """
    environ = os.environ if environ is None else environ
    mark = f"Run {secrets.token_hex(4)}." if fresh else None
    outcomes, skipped = [], []
    for probe in file.probes:
        if probe.stand_in_only and order_fault is None:
            skipped.append(probe.name)
            continue
        if probe.fault is not None and order_fault is not None:
            order_fault(probe.fault)
        outcomes.append(_send(probe, client, mark, environ))
    differences = () if skipped else _compare_shares(file, outcomes)
    return ProbeReport(
        outcomes=tuple(outcomes),
        skipped=tuple(skipped),
        share_differences=differences,
        acceptance=file.acceptance,
    )


def build_body(probe: Probe, mark: str | None) -> dict[str, Any]:
    """Return the body of a probe's request in its endpoint's wire format.

    Args:
        probe: The probe.
        mark: Text in front of its system text; None for none.
    """
    system = "\n".join(text for text in (mark, probe.system) if text)
    turns: list[dict[str, Any]] = list(probe.messages) or [{"role": "user", "content": probe.prompt}]
    body: dict[str, Any] = {"model": probe.model, **({"stream": True} if probe.stream else {})}
    if probe.endpoint == "messages":
        body |= {"max_tokens": 256, "messages": turns, **({"system": system} if system else {})}
    elif probe.endpoint == "responses":
        body |= {"input": turns, **({"instructions": system} if system else {})}
    else:
        body |= {"messages": [*([{"role": "system", "content": system}] if system else []), *turns]}
    return {**body, **probe.body}


def _send(probe: Probe, client: httpx.Client, mark: str | None, environ: Mapping[str, str]) -> ProbeOutcome:
    headers = {name: _resolve(probe, name, value, environ) for name, value in probe.headers.items()}
    try:
        response = client.post(PATHS[probe.endpoint], json=build_body(probe, mark), headers=headers)
    except httpx.HTTPError as exc:
        raise ProbeRunError(
            f"{client.base_url} does not answer ({type(exc).__name__}). Fix: start the proxy, or correct --base-url"
        ) from exc
    seen: dict[str, Any] = {name: response.headers.get(header) for name, header in _SHOWN.items()}
    seen["fallback"] = response.headers.get(_FALLBACKS, "0") not in {"", "0"}
    return ProbeOutcome(
        probe=probe, status=response.status_code, seen=seen, differences=_compare(probe, response, seen)
    )


def _resolve(probe: Probe, header: str, value: str, environ: Mapping[str, str]) -> str:
    if not value.startswith(ENVIRONMENT_PREFIX):
        return value
    name = value.removeprefix(ENVIRONMENT_PREFIX)
    if name not in environ:
        raise ProbeRunError(f"header {header} of the probe {probe.name!r} needs {name}, which is not set. Fix: set it")
    return environ[name]


def _compare(probe: Probe, response: httpx.Response, seen: Mapping[str, Any]) -> tuple[str, ...]:
    expect = probe.expect
    found = []
    if response.status_code not in expect.status:
        found.append(f"status is {response.status_code}, not {_either(expect.status)}: {response.text[:160]}")
    handled = seen["decision"] is not None
    if expect.handled is not None and handled != expect.handled:
        found.append(f"tiergate {'decided' if handled else 'did not decide'}")
    for name in ("tier", "cache", "gate"):
        allowed = getattr(expect, name)
        if allowed and seen[name] not in allowed:
            found.append(f"{name} is {seen[name] or 'absent'}, not {_either(allowed)}")
    if expect.fallback is not None and seen["fallback"] != expect.fallback:
        found.append("a fallback answered" if seen["fallback"] else "no fallback answered")
    return tuple(found)


def _either(values: Sequence[Any]) -> str:
    return " or ".join(map(str, values))


def _compare_shares(file: ProbeFile, outcomes: Sequence[ProbeOutcome]) -> tuple[str, ...]:
    handled = [outcome.seen for outcome in outcomes if outcome.seen["decision"] is not None]
    found = []
    for name, value, bounds in file.shares.listed():
        share = sum(seen[name] == value for seen in handled) / len(handled) if handled else 0.0
        if not bounds.at_least - ROUNDING <= share <= bounds.at_most + ROUNDING:
            found.append(f"{name} {value}: {share:.0%} of the run, not {bounds.at_least:.0%} to {bounds.at_most:.0%}")
    return tuple(found)
