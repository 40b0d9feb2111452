"""The names that LiteLLM's YAML may use, and where the policy is found."""

import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from tiergate import callbacks
from tiergate.errors import PolicyError


def test_another_name_is_no_attribute_and_builds_nothing() -> None:
    with pytest.raises(AttributeError, match="classifier"):
        callbacks.classifier  # noqa: B018
    assert callbacks._runtime.cache_info().currsize == 0


@pytest.mark.parametrize("name", ["tiergate", "cache_provider"])
def test_without_a_policy_the_fetch_of_a_name_stops_the_start(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(callbacks.POLICY_VARIABLE, raising=False)
    monkeypatch.setitem(sys.modules, "litellm.proxy.proxy_server", None)
    with pytest.raises(PolicyError, match="TIERGATE_POLICY"):
        getattr(callbacks, name)


def test_the_policy_is_beside_the_config_unless_the_variable_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    host = SimpleNamespace(user_config_file_path="/somewhere/config.yaml", llm_router="router")
    monkeypatch.setitem(sys.modules, "litellm.proxy.proxy_server", host)
    monkeypatch.delenv(callbacks.POLICY_VARIABLE, raising=False)
    assert callbacks.locate_policy() == (Path("/somewhere/policy.yaml"), Path("/somewhere/config.yaml"))
    monkeypatch.setenv(callbacks.POLICY_VARIABLE, "/other.yaml")
    assert callbacks.locate_policy() == (Path("/other.yaml"), Path("/somewhere/config.yaml"))
    assert callbacks._router() == "router"
