"""From nothing to a promoted artifact, then a shift, an alarm and a recovery: every step by its command."""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tiergate.demo.proxy_process import ProxyProcess, run_provider, run_proxy

pytestmark = [pytest.mark.proxy, pytest.mark.slow, pytest.mark.timeout(1200)]

SUBJECTS = (
    "the harbour",
    "the orchard",
    "our archive",
    "the museum",
    "a bakery",
    "the observatory",
    "the ferry",
    "a mill",
)
EASY = ("Describe {s} with a slogan for a poster, variant {n}.", "Invent a friendly name for {s}, variant {n}.")
HARD = ("Derive the throughput bound of {s}, case {n}.", "Prove that the schedule of {s} terminates, case {n}.")
NEW_HARD = ("Describe {s} with a slogan for a poster in Latin hexameter, variant {n}.",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Walk:
    """The gateway and the files of the walk."""

    proxy: ProxyProcess
    folder: Path
    policy: Path

    def command(self, *arguments: object, codes: Sequence[int] = (0,)) -> subprocess.CompletedProcess[str]:
        """Run `tiergate` as a user would."""
        run = subprocess.run(
            [sys.executable, "-m", "tiergate.cli.main", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            cwd=self.folder,
            timeout=600,
            env={**os.environ, "LITELLM_MASTER_KEY": self.proxy.master_key, "OMP_NUM_THREADS": "1"},
        )
        assert run.returncode in codes, f"{arguments}: {run.returncode}\n{run.stdout[-3000:]}\n{run.stderr[-3000:]}"
        return run

    def send(self, prompts: Sequence[str]) -> tuple[float, float, int]:
        """Send prompts; return mean cost, mean graded quality, and how many the cheap tier answered."""
        cost, quality, cheap = 0.0, 0.0, 0
        with self.proxy.client() as client:
            for prompt in prompts:
                body = {"model": "auto", "messages": [{"role": "user", "content": prompt}]}
                response = client.post("/v1/chat/completions", json=body)
                assert response.is_success, response.text
                cost += float(response.headers["x-tiergate-cost-usd"])
                quality += "REFUSED" not in response.json()["choices"][0]["message"]["content"]
                cheap += response.headers["x-tiergate-tier"] == "simple"
        return cost / len(prompts), quality / len(prompts), cheap

    def await_digest(self, digest: str) -> None:
        """Wait until the proxy says that an artifact is in force."""
        for _ in range(200):
            if f"in force: artifact {digest}" in self.proxy.output():
                return
            time.sleep(0.1)
        raise AssertionError(self.proxy.output()[-3000:])


def workload(seed: int, count: int, *, hard_share: float, hard: Sequence[str] = HARD) -> list[str]:
    """Prompts under a hidden rule: the cheap model answers EASY ones well and hard ones wrongly.

    Nothing but the shares tells one workload from another: a counter or the seed in the text would be drift.
    """
    draw = random.Random(seed)
    prompts = []
    for _ in range(count):
        template = draw.choice(hard if draw.random() < hard_share else EASY)
        prompts.append(template.format(s=draw.choice(SUBJECTS), n=draw.randrange(10_000, 100_000)))
    return prompts


SCENARIO = {
    "name": "hidden-rule",
    "seed": 3,
    "models": [{"match": "*"}],
    "rules": [
        {
            "name": "wrong",
            "models": ["cheap"],
            "words": ["Derive", "Prove", "hexameter"],
            "answer": "REFUSED wrong.",
        }
    ],
}


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    folder = tmp_path_factory.mktemp("flywheel")
    scenario = folder / "scenario.yaml"
    scenario.write_text(yaml.safe_dump(SCENARIO))
    store = folder / "artifacts"
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in ("simple", "medium", "frontier")]
    policy: dict[str, Any] = {
        "version": 1,
        "tiers": tiers,
        "semantic_cache": {"enabled": False},
        "intent_router": {
            "classifier": {"kind": "embedded", "artifact": str(store / "current")},
            "min_quality": 0.9,
            "budget_ms": 5000,
        },
        "confidence_gate": {"enabled": False},
        "decision_log": {"url": f"sqlite:///{folder / 'decisions.db'}", "store_prompts": True},
        "drift": {"reference_rows": 120, "window_rows": 60},
    }
    (folder / "policy.yaml").write_text(yaml.safe_dump(policy))
    strict_start(store)
    with run_provider("standin", folder, scenario=str(scenario)) as provider:
        config = folder / "config.yaml"
        config.write_text(yaml.safe_dump(config_of(f"{provider.url}/v1")))
        with run_proxy(config, folder) as proxy:
            yield Walk(proxy=proxy, folder=folder, policy=folder / "policy.yaml")


def strict_start(store: Path) -> None:
    """Begin with an artifact that trusts no cheap tier: what a careful team starts from."""
    from tiergate.artifact import builtin_artifact_path, load_artifact, write_artifact  # noqa: PLC0415
    from tiergate_classifier.promotion import switch_to  # noqa: PLC0415

    base = load_artifact(builtin_artifact_path())
    kept = {k: v for k, v in base.manifest.model_dump().items() if k not in ("format_version", "labels", "files")}
    careful = {
        name: curve.model_copy(update={"lower_bound": tuple(0.0 for _ in curve.knots)})
        if name != base.tiers[-1]
        else curve
        for name, curve in base.calibration.tiers.items()
    }
    calibration = base.calibration.model_copy(update={"tiers": careful})
    write_artifact(
        store / "careful",
        manifest=kept,
        head=base.head,
        calibration=calibration,
        card="careful",
        reference=base.reference,
    )
    switch_to(store, store / "careful")


def config_of(base: str) -> dict[str, Any]:
    def group(name: str, model: str, usd: float) -> dict[str, Any]:
        price = {"input_cost_per_token": usd, "output_cost_per_token": usd}
        return {
            "model_name": name,
            "litellm_params": {"model": f"openai/{model}", "api_base": base, "api_key": "x"},
            "model_info": price,
        }

    return {
        "model_list": [
            group("auto", "strong", 1e-5),
            group("tier-simple", "cheap", 1e-6),
            group("tier-medium", "middle", 5e-6),
            group("tier-frontier", "strong", 1e-5),
        ],
        "litellm_settings": {"callbacks": ["tiergate.callbacks.tiergate"], "drop_params": True},
        "general_settings": {"master_key": "os.environ/LITELLM_MASTER_KEY"},
    }


def label_and_promote(walk: Walk, name: str, prompts: Sequence[str]) -> str:
    """Label prompts through the stand-in tiers, train, export, promote; return the digest in force."""
    file, labels, draft = walk.folder / f"{name}.jsonl", walk.folder / "labels.jsonl", walk.folder / f"draft-{name}"
    rule = {"kind": "not_contains", "value": "REFUSED"}
    rows = [{"id": f"{name}-{at}", "prompt": prompt, "rule": rule} for at, prompt in enumerate(prompts)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    ask = ("label", "--policy", walk.policy, "--prompts", file, "--out", labels, "--size", len(prompts))
    ask = (*ask, "--base-url", walk.proxy.url, "--concurrency", 2, "--json")
    planned = json.loads(walk.command(*ask, "--dry-run").stdout)
    assert planned["estimated_usd"] > 0
    assert walk.command(*ask, "--max-cost", 0.0, codes=(1,)).returncode == 1  # the cap holds before the first call
    done = json.loads(walk.command(*ask, "--max-cost", 5).stdout)
    assert done["graded"] == len(prompts)
    assert 0 < done["spent_usd"] < 5
    walk.command(
        "train",
        "--labels",
        labels,
        "--policy",
        walk.policy,
        "--out",
        draft,
        "--min-slice-rows",
        1000,
        "--max-slice-error",
        0.25,
    )
    store = walk.folder / "artifacts"
    exported = json.loads(walk.command("export", draft, "--store", store, "--max-slice-error", 0.25, "--json").stdout)
    promote = ("promote", "--store", store, "--challenger", exported["folder"], "--labels", labels)
    assert json.loads(walk.command(*promote, "--policy", walk.policy, "--json").stdout)["promoted"]
    return str(exported["digest"])


def test_from_nothing_to_a_promoted_artifact_and_through_a_shift(
    walk: Walk, record_property: Callable[[str, object], None]
) -> None:
    live = workload(11, 40, hard_share=0.3)
    cost_before, quality_before, cheap_before = walk.send(live)
    assert (quality_before, cheap_before) == (1.0, 0)

    walk.await_digest(label_and_promote(walk, "first", workload(1, 160, hard_share=0.3)))
    walk.send(workload(12, 180, hard_share=0.3))  # what the drift detector takes for usual
    cost_after, quality_after, _ = walk.send(live)
    saving = 1 - cost_after / cost_before
    assert saving >= 0.4, (cost_before, cost_after)
    assert quality_after >= quality_before - 0.05
    record_property("cost_saving", saving)
    record_property("quality_before_and_after", (quality_before, quality_after))

    quiet = walk.command("drift", "--policy", walk.policy, "--json", codes=(0, 1))
    assert quiet.returncode == 0, quiet.stdout

    shifted = workload(13, 60, hard_share=0.6, hard=NEW_HARD)
    _, quality_shifted, _ = walk.send(shifted)
    time.sleep(1.5)  # the log is written within its flush interval
    alarm = walk.command("drift", "--policy", walk.policy, "--json", codes=(0, 1))
    assert alarm.returncode == 1, alarm.stdout
    assert json.loads(alarm.stdout)["alarms"][0]["examples"]

    walk.await_digest(label_and_promote(walk, "second", workload(2, 120, hard_share=0.6, hard=NEW_HARD)))
    _, quality_recovered, _ = walk.send(workload(14, 40, hard_share=0.6, hard=NEW_HARD))
    record_property("quality_shifted_and_recovered", (quality_shifted, quality_recovered))
    assert quality_recovered >= 0.95 > quality_shifted

    walk.command("promote", "--store", walk.folder / "artifacts", "--back")
