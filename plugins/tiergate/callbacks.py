"""The names that LiteLLM's YAML may use. Importing this module builds nothing.

    litellm_settings:
      callbacks: [tiergate.callbacks.tiergate]
      custom_provider_map:
        - {provider: tiergate, custom_handler: tiergate.callbacks.cache_provider}

`classifier_plugin` is for an existing `auto_router/complexity_router`, see `hooks.classifier_plugin`.

LiteLLM fetches each name once while it reads its config. The first fetch reads policy.yaml and builds the
runtime, so bad configuration stops the start.
"""

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from tiergate.errors import PolicyError
from tiergate.hooks.cache_provider import CacheProvider
from tiergate.hooks.callback import TiergateCallback
from tiergate.hooks.classifier_plugin import ClassifierPlugin
from tiergate.hooks.shutdown import close_with_host
from tiergate.runtime import Runtime, build_runtime

POLICY_VARIABLE = "TIERGATE_POLICY"
_HOST = "litellm.proxy.proxy_server"


def __getattr__(name: str) -> Any:
    """Build the instance that LiteLLM asks for.

    Raises:
        ConfigurationError: The configuration is bad; names file, key and fix.
    """
    if name == "tiergate":
        return _callback()
    if name == "cache_provider":
        return _cache_provider()
    if name == "classifier_plugin":
        return _classifier_plugin()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def locate_policy() -> tuple[Path, Path | None]:
    """Return the path of policy.yaml, and of LiteLLM's config.yaml where the running proxy knows it.

    TIERGATE_POLICY counts first; else policy.yaml beside the config.

    Raises:
        PolicyError: Neither is known.
    """
    config = getattr(sys.modules.get(_HOST), "user_config_file_path", None)
    config_path = Path(config) if config else None
    named = os.environ.get(POLICY_VARIABLE)
    if named:
        return Path(named), config_path
    if config_path is None:
        raise PolicyError("policy.yaml", "", "cannot be found", f"set {POLICY_VARIABLE} to its path")
    return config_path.parent / "policy.yaml", config_path


@lru_cache(maxsize=1)
def _runtime() -> Runtime:
    policy_path, config_path = locate_policy()
    runtime = build_runtime(policy_path, config_path, router=_router, redis=_redis)
    runtime.watch()
    host = sys.modules.get(_HOST)
    if host is not None and hasattr(host, "app"):
        runtime.mount(host.app)
        close_with_host(host, runtime.aclose)
    return runtime


def _router() -> Any:
    return getattr(sys.modules.get(_HOST), "llm_router", None)


def _redis() -> Any:
    return getattr(sys.modules.get(_HOST), "redis_usage_cache", None)


@lru_cache(maxsize=1)
def _callback() -> TiergateCallback:
    runtime = _runtime()
    return TiergateCallback(lambda: runtime.pipeline)


@lru_cache(maxsize=1)
def _cache_provider() -> CacheProvider:
    runtime = _runtime()
    return CacheProvider(lambda: runtime.pipeline)


@lru_cache(maxsize=1)
def _classifier_plugin() -> ClassifierPlugin:
    runtime = _runtime()
    return ClassifierPlugin(lambda: runtime.pipeline)
