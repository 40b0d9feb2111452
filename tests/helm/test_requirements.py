"""Every refusal of the chart, as a sentence: values, what the message begins with, and a part of its reason."""

import re
import shutil
from pathlib import Path
from typing import Any

import helm_python
import pytest
import yaml
from helm.chartgen.places import CHART
from helm.chartgen.rendering import read_example, render_chart
from tests.helm.conftest import ONE_POD, SHARED, Chart

TEMPLATES = CHART / "templates"
CONFIG = (Path(__file__).parent / "config.yaml").read_text(encoding="utf-8")
GPU = read_example("gpu")
EXISTING = read_example("existing-litellm")
PRODUCTION = read_example("production")
SQLITE = {"decision_log": {"url": "sqlite:///./data/decisions.db"}}
SHARED_LOG = {**SHARED, "config": {"policy": {"decision_log": SHARED["config"]["policy"]["decision_log"]}}}


def config(old: str, new: str) -> dict[str, Any]:
    """Return values with a changed config.yaml."""
    assert old in CONFIG
    return {"config.litellm": CONFIG.replace(old, new)}


def policy(**sections: Any) -> dict[str, Any]:
    """Return values that replace sections of the policy."""
    return {f"config.policy.{name}": content for name, content in sections.items()}


KEY = "api_key: os.environ/DEEPSEEK_API_KEY"
OWN = {"kind": "vllm", "base_url": "http://tiergate-classifier:8000", "model": "intent"}
CASES: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("a release without a Secret", ONE_POD, {"secrets.existingSecret": ""}, "secrets.existingSecret", "no default key"),
    # Files
    ("a config that is no YAML", ONE_POD, {"config.litellm": "a: ["}, "config.litellm", "not valid YAML"),
    ("a config without models", ONE_POD, {"config.litellm": "a: 1"}, "config.litellm", "no model_list"),
    ("an include that is not mounted", ONE_POD, config("model_list:", "include: [models/x.yaml]\nmodel_list:"),
     "config.litellm", "is not mounted"),
    ("an include outside models/", ONE_POD,
     {**config("model_list:", "include: [x.yaml]\nmodel_list:"), "config.models": {"x.yaml": "model_list: []"}},
     "config.litellm", "write models/x.yaml"),
    ("a provider key in the config", ONE_POD, config(KEY, "api_key: sk-abc"),
     "config.litellm", "no place for a secret"),
    ("a cloud secret in the config", ONE_POD, config(KEY, "aws_secret_access_key: abc"),
     "config.litellm", "aws_secret"),
    ("a key in a model file that is mounted", ONE_POD,
     {"config.models": {"x.yaml": "model_list: [{model_name: x, litellm_params: {model: openai/x, api_key: sk-abc}}]"}},
     "config.litellm", "model group x"),
    ("a master key in the config", ONE_POD, config("os.environ/LITELLM_MASTER_KEY", "sk-abc"),
     "config.litellm", "master_key"),
    ("a config without tiergate", ONE_POD, config("tiergate.callbacks.tiergate, ", ""),
     "config.litellm", "would not run"),
    ("a config without the cache provider", ONE_POD, config("tiergate.callbacks.cache_provider", "other"),
     "config.litellm", "no stored answer"),
    ("a scrape of a proxy without metrics", ONE_POD, {**config(", prometheus]", "]"), "serviceMonitor.enabled": True},
     "serviceMonitor.enabled", "lacks prometheus"),
    ("a tier whose model group does not exist", ONE_POD,
     policy(tiers=[{"name": "a", "model_group": "tier-simple"}, {"name": "b", "model_group": "tier-b"}]),
     "config.policy", "tier b names the model group tier-b"),
    ("an entry model that does not exist", ONE_POD, policy(entry_models=["smart"]),
     "config.policy", "entry model smart"),
    # Stores and processes
    ("an embedded cache in two pods", SHARED_LOG, {"replicaCount": 2},
     "replicaCount", "kind edge is embedded"),
    ("an embedded cache in two workers", SHARED_LOG, {"workers": 2},
     "workers", "kind edge is embedded"),
    ("an embedded cache with autoscaling", SHARED_LOG, {"autoscaling.enabled": True},
     "autoscaling.enabled", "kind edge is embedded"),
    ("SQLite in two pods", SHARED, {"replicaCount": 2, **policy(**SQLITE)}, "replicaCount", "names SQLite"),
    ("SQLite in two workers", SHARED, {"workers": 2, **policy(**SQLITE)}, "workers", "names SQLite"),
    ("SQLite with autoscaling", SHARED, {"autoscaling.enabled": True, **policy(**SQLITE)},
     "autoscaling.enabled", "names SQLite"),
    ("SQLite by a variable in two pods", SHARED,
     {"replicaCount": 2, "env": [{"name": "LOG", "value": "sqlite:////data/d.db"}],
      **policy(decision_log={"url": "os.environ/LOG"})}, "replicaCount", "names SQLite"),
    ("an embedded cache on the read-only root", ONE_POD,
     policy(semantic_cache={"store": {"kind": "edge", "path": "/var/cache"}}), "config.policy", "outside /data"),
    ("SQLite on the read-only root", ONE_POD, policy(decision_log={"url": "sqlite:////var/d.db"}),
     "config.policy", "outside /data"),
    ("a database password in the policy", ONE_POD, policy(decision_log={"url": "postgresql://me:pw@db/log"}),
     "config.policy", "holds a password"),
    ("a log URL that nothing sets", SHARED, {"stores.postgresql.existingSecret": ""},
     "stores.postgresql.existingSecret", "which nothing sets"),
    ("a Qdrant key in the policy", SHARED,
     policy(semantic_cache={"store": {"kind": "server", "url": "http://q:6333", "api_key": "abc"}}),
     "config.policy", "no place for a secret"),
    ("a Qdrant address that nothing sets", SHARED, {"stores.qdrant.url": ""},
     "stores.qdrant.url", "which nothing sets"),
    ("a Qdrant key that nothing sets", PRODUCTION, {"stores.qdrant.existingSecret": ""},
     "stores.qdrant.existingSecret", "which nothing sets"),
    ("a Qdrant server that the policy leaves aside", ONE_POD, {"stores.qdrant.url": "http://q:6333"},
     "stores.qdrant.url", "cache is edge"),
    ("a Redis password without a host", ONE_POD, {"stores.redis.existingSecret": "redis"},
     "stores.redis.existingSecret", "of no use"),
    ("one volume for two pods", SHARED, {"replicaCount": 2, "persistence.enabled": True},
     "persistence.enabled", "belongs to one pod"),
    ("one volume under autoscaling", SHARED, {"autoscaling.enabled": True, "persistence.enabled": True},
     "persistence.enabled", "belongs to one pod"),
    ("a migration of nothing", ONE_POD, {"migration.enabled": True}, "migration.enabled", "no database"),
    # The proxy's surroundings
    *[(f"{feature} without a proxy", EXISTING, {f"{feature}.enabled": True}, f"{feature}.enabled", "no proxy for it")
      for feature in ("ingress", "httpRoute", "autoscaling", "podDisruptionBudget", "serviceMonitor", "persistence")],
    ("pods without a service account", ONE_POD, {"serviceAccount.create": False},
     "serviceAccount.name", "none is named"),
    ("a key written into a variable", ONE_POD, {"env": [{"name": "OPENAI_API_KEY", "value": "sk-abc"}]},
     "env", "no place for a secret"),
    ("a variable of the chart's own", ONE_POD, {"env": [{"name": "TIERGATE_POLICY", "value": "/x"}]},
     "env", "set by the chart"),
    ("fewer pods at most than at least", SHARED, {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 3}},
     "autoscaling.minReplicas", "more than maxReplicas 3"),
    ("autoscaling on nothing", SHARED, {"autoscaling": {"enabled": True, "cpuUtilization": 0}},
     "autoscaling.enabled", "nothing to scale on"),
    ("a share of a CPU request that is not there", SHARED,
     {"autoscaling.enabled": True, "resources.requests": {"cpu": None}}, "autoscaling.cpuUtilization", "is not set"),
    ("a budget with two limits", PRODUCTION, {"podDisruptionBudget.minAvailable": 2},
     "podDisruptionBudget.minAvailable", "takes one"),
    ("a budget without a limit", PRODUCTION, {"podDisruptionBudget.maxUnavailable": ""},
     "podDisruptionBudget.enabled", "neither"),
    ("a budget for one pod", ONE_POD, {"podDisruptionBudget.enabled": True}, "podDisruptionBudget.enabled", "one pod"),
    ("a budget that keeps every pod", PRODUCTION, {"podDisruptionBudget": {"minAvailable": 3, "maxUnavailable": ""}},
     "podDisruptionBudget.minAvailable", "leaves none to evict"),
    ("a budget that lets no pod go", PRODUCTION, {"podDisruptionBudget.maxUnavailable": 0},
     "podDisruptionBudget.enabled", "lets no pod go"),
    ("a budget that keeps all of them", PRODUCTION,
     {"podDisruptionBudget": {"minAvailable": "100%", "maxUnavailable": ""}},
     "podDisruptionBudget.enabled", "lets no pod go"),
    ("an Ingress for every host", ONE_POD, {"ingress.enabled": True}, "ingress.hosts", "every host"),
    ("a route without a Gateway", ONE_POD, {"httpRoute.enabled": True}, "httpRoute.parentRefs", "no Gateway"),
    # The classifier
    ("a classifier without a version", GPU, {"classifier.image.tag": ""}, "classifier.image.tag", "is empty"),
    ("a classifier without a model", GPU, {"classifier.model": ""}, "classifier.model", "is empty"),
    ("a model on no claim", GPU, {"classifier.modelClaim": ""}, "classifier.modelClaim", "none is named"),
    ("a classifier that the policy leaves aside", {**GPU, "config": {}}, {},
     "classifier.enabled", "idle on a GPU"),
    ("a classifier that the policy does not ask", GPU,
     policy(intent_router={"classifier": {**OWN, "base_url": "http://elsewhere:8000"}}),
     "classifier.enabled", "not this release's"),
    ("a classifier with fewer pods at most than at least", GPU, {"classifier.autoscaling.minReplicas": 9},
     "classifier.autoscaling.minReplicas", "more than maxReplicas 6"),
    ("a policy that asks a classifier which is off", GPU, {"classifier.enabled": False},
     "classifier.enabled", "does not run"),
]  # fmt: skip


@pytest.mark.parametrize(("base", "changes", "key", "reason"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_the_chart_refuses(base: dict[str, Any], changes: dict[str, Any], key: str, reason: str) -> None:
    message = Chart(base).refusal(changes)
    said = message.partition("): ")[2]
    assert said.startswith(f"{key}: ")
    assert reason in said
    assert "Fix: " in said
    assert said.rstrip().endswith(".")


def find_refusals() -> dict[str, str]:
    """Return a pattern for the message of every `fail` in the templates, by file and line."""
    patterns = {}
    for path in sorted(TEMPLATES.rglob("*")):
        if not path.is_file():
            continue
        why = ""
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if reason := re.search(r'\$why := "(.*)" }}', line):
                why = reason[1]
            if found := re.search(r'\bfail (?:\(printf )?"((?:[^"\\]|\\.)*)"', line):
                text = found[1].replace('\\"', '"')
                text = text.replace("%s", why) if "$why" in line else text
                patterns[f"{path.name}:{number}"] = re.sub(r"%[sd]", ".*", re.escape(text).replace("\\%", "%"))
    return patterns


# These two guard the packaged files, which `config.policy` cannot break: its schema speaks first.
BROKEN_FILES = {
    "config.policy: it is not valid YAML": "a: [",
    "config.policy: tiers has fewer than two": "version: 1\ntiers: []\n",
}


@pytest.mark.parametrize(("message", "text"), BROKEN_FILES.items(), ids=["no YAML", "no tiers"])
def test_a_chart_with_a_broken_policy_file_is_refused(message: str, text: str, tmp_path: Path) -> None:
    assert message in break_policy(tmp_path, text)


def break_policy(folder: Path, text: str) -> str:
    """Return the refusal of a chart whose policy.yaml has another text."""
    copy = folder / "tiergate"
    shutil.copytree(CHART, copy)
    (copy / "files" / "policy.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(helm_python.HelmRenderError) as refused:
        render_chart(ONE_POD, copy)
    return str(refused.value)


def test_every_refusal_has_its_test(tmp_path: Path) -> None:
    patterns = find_refusals()
    said = [Chart(base).refusal(changes) for _, base, changes, _, _ in CASES]
    said += [break_policy(tmp_path / str(place), text) for place, text in enumerate(BROKEN_FILES.values())]
    assert len(patterns) >= 50
    unseen = [place for place, pattern in patterns.items() if not any(re.search(pattern, text) for text in said)]
    assert unseen == []


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("replicas", [1, 3])
def test_shared_stores_may_have_any_number_of_processes(shared: Chart, workers: int, replicas: int) -> None:
    assert "deployment.yaml" in shared.render({"workers": workers, "replicaCount": replicas})


def test_a_cache_that_is_off_needs_no_server(shared: Chart) -> None:
    changes = {"replicaCount": 2, "config.policy.semantic_cache": {"enabled": False}, "stores.qdrant.url": ""}
    assert "deployment.yaml" in shared.render(changes)


def test_an_included_model_file_counts_as_config(chart: Chart) -> None:
    text = yaml.safe_dump({"model_list": [{"model_name": "smart", "litellm_params": {"model": "openai/gpt-5"}}]})
    changes = {
        **config("model_list:", "include: [models/extra.yaml]\nmodel_list:"),
        "config.models": {"extra.yaml": text},
        **policy(entry_models=["smart"]),
    }
    assert "deployment.yaml" in chart.render(changes)


def test_token_prices_are_no_secrets(chart: Chart) -> None:
    changes = config(KEY, f"{KEY}, input_cost_per_token: 0.0000005, max_tokens: 10")
    assert "deployment.yaml" in chart.render(changes)


@pytest.mark.parametrize("placeholder", ["none", "EMPTY", "no-key", "os.environ/ANY"])
def test_a_server_without_keys_may_have_a_placeholder(chart: Chart, placeholder: str) -> None:
    assert "deployment.yaml" in chart.render(config(KEY, f"api_key: {placeholder}"))
