"""Verifies a recipe: its config on stand-in providers behind a real proxy, its probes sent to it.

python -m tiergate.demo.recipe DIR [--json]
"""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import yaml

from tiergate.cli.exits import Exit, print_json
from tiergate.cli.probe import report_row, show
from tiergate.cli.probe_file import FaultOrder, load_probes
from tiergate.cli.probe_run import TIMEOUT_S, ProbeReport, run_probes
from tiergate.demo.background import BackgroundProvider
from tiergate.demo.proxy_process import interrupted_by_signals, run_provider, run_proxy
from tiergate.errors import ConfigurationError, TiergateError
from tiergate.pack_check import check_pack
from tiergate.proxy_config import ProxyConfig, read_proxy_config

STAND_IN_KEY = "stand-in"
STAGE_BUDGET_MS = 10_000
PROVIDERS = ("openai", "anthropic", "deepseek", "hosted_vllm", "tiergate", "auto_router")
"""Providers whose address a variable can change, so that no request of a verification leaves the machine."""


def verify_recipe(folder: Path) -> ProbeReport:
    """Run a recipe's config.yaml as it is on two stand-in providers and send its probes.

    Of policy.yaml only the time budgets of the stages are changed, since a busy machine must not decide.

    Args:
        folder: With config.yaml, policy.yaml and probes.yaml.

    Raises:
        TiergateError: A file is wrong, a provider has no stand-in, or a process did not start.
    """
    probes = load_probes(folder)
    config = read_proxy_config(folder / "config.yaml")
    _refuse_strangers(config)
    with tempfile.TemporaryDirectory(prefix="tiergate-recipe-") as name, ExitStack() as stack:
        work = Path(name)
        pack = _copy_pack(folder, work / "pack")
        stand_ins = [
            stack.enter_context(run_provider(label, work, scenario="recipes")) for label in ("first", "second")
        ]
        environ = redirect(config, first=stand_ins[0].url, second=stand_ins[1].url)
        for defect in check_pack(pack / "policy.yaml", pack / "config.yaml", environ=environ).errors:
            raise defect.to_error()
        proxy = stack.enter_context(run_proxy(pack / "config.yaml", work, environ=environ))
        client = stack.enter_context(proxy.client(timeout_s=TIMEOUT_S))
        return run_probes(probes, client, order_fault=lambda fault: _order(fault, stand_ins))


def redirect(config: ProxyConfig, *, first: str, second: str) -> dict[str, str]:
    """Return the environment that sends every provider of a config to the stand-ins.

    Args:
        config: What config.yaml says.
        first: Address of the stand-in for OpenAI, DeepSeek and own servers, without a path.
        second: Address of the one for Anthropic and for every variable with SECOND in its name.
    """
    environ = dict.fromkeys(set(config.references) - {"LITELLM_MASTER_KEY"}, STAND_IN_KEY)
    for name in environ:
        if name.endswith("_BASE"):
            environ[name] = f"{second if 'SECOND' in name else first}/v1"
    return {
        **environ,
        "OPENAI_API_BASE": f"{first}/v1",
        "OPENAI_BASE_URL": f"{first}/v1",
        "DEEPSEEK_API_BASE": f"{first}/v1",
        "HOSTED_VLLM_API_BASE": f"{first}/v1",
        "ANTHROPIC_API_BASE": second,
        "ANTHROPIC_BASE_URL": second,
    }


def _refuse_strangers(config: ProxyConfig) -> None:
    for item in config.deployments:
        provider = item.model.partition("/")[0]
        if provider not in PROVIDERS:
            raise ConfigurationError(
                item.file,
                f"{item.key}.litellm_params.model",
                f"{provider!r} has no stand-in, so the probes would be sent to it",
                f"use one of: {', '.join(PROVIDERS)}",
            )


def _copy_pack(folder: Path, target: Path) -> Path:
    shutil.copytree(folder, target)
    file = target / "policy.yaml"
    policy = yaml.safe_load(file.read_text(encoding="utf-8"))
    for stage in ("semantic_cache", "intent_router"):
        policy.setdefault(stage, {})["budget_ms"] = STAGE_BUDGET_MS
    file.write_text(yaml.safe_dump(policy, sort_keys=False), encoding="utf-8")
    return target


def _order(fault: FaultOrder, stand_ins: Sequence[BackgroundProvider]) -> None:
    order: Mapping[str, object] = fault.model_dump(mode="json")
    for stand_in in stand_ins:
        stand_in.order("fault", **order)


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one recipe. Return 0 when its probes are as expected, 1 when not, 2 when it cannot be run."""
    parser = argparse.ArgumentParser(prog="tiergate.demo.recipe", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="folder with config.yaml, policy.yaml and probes.yaml")
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")
    options = parser.parse_args(arguments)
    try:
        with interrupted_by_signals():
            report = verify_recipe(options.folder)
    except (TiergateError, OSError) as exc:
        print(exc, file=sys.stderr)  # noqa: T201
        return Exit.BAD_INPUT
    if options.as_json:
        print_json(report_row(report))
    else:
        show(report)
    return Exit.OK if report.passed else Exit.CHECK_FAILED


if __name__ == "__main__":
    sys.exit(main())
