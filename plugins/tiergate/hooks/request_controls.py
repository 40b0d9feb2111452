"""`metadata.tiergate` of a request: read, checked against policy, and kept from the provider."""

import math
from collections.abc import Mapping
from typing import Any

from tiergate.errors import ControlRefusedError, ControlValueError
from tiergate.exchange import Endpoint
from tiergate.settings import Policy

CLIENT_METADATA: frozenset[Endpoint] = frozenset({"messages", "responses"})
"""Endpoints whose `metadata` belongs to the client and goes to the provider."""


def take_controls(data: dict[str, Any], endpoint: Endpoint) -> None:
    """Take the controls out of metadata that goes to the provider, once they are parsed."""
    metadata = data.get("metadata")
    if endpoint in CLIENT_METADATA and isinstance(metadata, dict) and "tiergate" in metadata:
        data["metadata"] = {key: value for key, value in metadata.items() if key != "tiergate"}
        if not data["metadata"]:  # the client sent nothing else, so the provider gets what it would have got
            del data["metadata"]


def read_controls(data: Mapping[str, Any], policy: Policy) -> dict[str, Any]:
    """Return the request's controls.

    Raises:
        ControlRefusedError: The client asked for a control that policy does not allow.
        ControlValueError: A control has a value that it cannot have.
    """
    metadata = data.get("metadata")
    controls = metadata.get("tiergate") if isinstance(metadata, dict) else None
    if controls is None:
        return {}
    if not isinstance(controls, dict):
        raise ControlValueError("", "a mapping of controls")
    for name, value in controls.items():
        if name not in policy.controls:
            raise ControlRefusedError(str(name))
        _check_control(name, value, policy)
    return dict(controls)


def _check_control(name: str, value: Any, policy: Policy) -> None:
    """Refuse a value that a stage would have to ignore."""
    choices = {"cache": ("off", "refresh"), "start_tier": policy.tier_names}.get(name)
    if choices is not None:
        if value not in choices:
            raise ControlValueError(name, f"one of {', '.join(choices)}")
    elif name == "session_id":
        if not isinstance(value, str) or not value:
            raise ControlValueError(name, "a text")
    elif isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
        raise ControlValueError(name, "a number above 0")
