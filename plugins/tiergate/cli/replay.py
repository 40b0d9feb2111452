"""`tiergate replay`: what a week would have cost with another policy."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tiergate.cli.evaluate_gate import import_toolkit
from tiergate.cli.exits import bad_input, print_json, stop

if TYPE_CHECKING:
    from tiergate.adapters.decision_columns import DecisionColumns
    from tiergate.adapters.embedded_classifier import EmbeddedClassifier
    from tiergate.policy.gate_calibration import GateCalibration
    from tiergate.ports import Classification
    from tiergate.settings import Policy

_SWEPT = {
    "intent_router.min_quality": (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95),
    "confidence_gate.escalate_below": (0.0, 0.5, 0.6, 0.65, 0.7, 0.75, 0.8),
}


def replay(  # noqa: PLR0913  each is an option of the command
    policies: Annotated[list[Path], typer.Option("--policy", help="policy.yaml; may be given twice.")],
    *,
    decisions: Annotated[str | None, typer.Option(help="URL of a decision log.")] = None,
    outcomes: Annotated[Path | None, typer.Option(help="Outcome table: every tier's answers are known.")] = None,
    log: Annotated[Path | None, typer.Option(help="LiteLLM spend log export, or JSONL of requests.")] = None,
    config: Annotated[Path | None, typer.Option(help="config.yaml with prices; beside the policy by default.")] = None,
    answer_tokens: Annotated[int, typer.Option(help="Length of answers where --log has none.", min=1)] = 300,
    sweep: Annotated[bool, typer.Option("--sweep", help="Also replay a grid of thresholds, for each domain.")] = False,
    plots: Annotated[
        Path | None, typer.Option(help="Folder for the sweep's curves as PNG, one for each domain.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what would have happened under a policy; exit 2 when the data cannot tell."""
    if sum(source is not None for source in (decisions, outcomes, log)) != 1:
        stop("give one of --decisions, --outcomes and --log")
    if decisions is None and (sweep or plots is not None):
        stop("--sweep and --plots move the thresholds of logged decisions. Fix: give --decisions, or leave them out.")
    with bad_input():
        found = []
        for path in policies:
            policy = _load(path)
            if decisions is not None:
                report = _replay_decisions(decisions, policy, path, swept=sweep or plots is not None)
            elif outcomes is not None:
                report = _replay_outcomes(outcomes, policy, path)
            else:
                report = _replay_traffic(
                    Path(str(log)), policy, path, config or path.parent / "config.yaml", answer_tokens
                )
            found.append({"policy": str(path), **report})
            if plots is not None:
                _plot(report, plots / path.stem if len(policies) > 1 else plots)
    if as_json:
        print_json(found)
        return
    for report in found:
        _show(report)


def _load(path: Path) -> "Policy":
    from tiergate.settings import load_policy  # noqa: PLC0415  pydantic

    return load_policy(path)


def _replay_decisions(url: str, policy: "Policy", policy_path: Path, *, swept: bool) -> dict[str, Any]:
    estimate = import_toolkit("replay_estimate")
    columns, cuts = read_log(url, policy, policy_path)
    calibration = load_calibration(policy)
    report: dict[str, Any] = asdict(estimate.replay(columns, policy, cuts, calibration))
    if swept:
        points = estimate.sweep(columns, _build_grid(estimate, policy), cuts, calibration=calibration)
        report["sweep"] = [asdict(point) for point in points]
    return report


def _build_grid(estimate: Any, policy: "Policy") -> list[Any]:
    """Return the thresholds to replay, the policy's own values among them."""
    from tiergate.policy.experiment import apply_overrides  # noqa: PLC0415

    own = {
        "intent_router.min_quality": policy.intent_router.min_quality,
        "confidence_gate.escalate_below": policy.confidence_gate.escalate_below,
    }
    return [
        estimate.Threshold(
            key=key, value=at, policy=apply_overrides(policy, _with(key, at, policy)), chosen=at == own[key]
        )
        for key, values in _SWEPT.items()
        for at in sorted({*values, own[key]})
    ]


def _plot(report: dict[str, Any], folder: Path) -> None:
    from tiergate.cli.sweep_plots import write_sweep_plots  # noqa: PLC0415

    for file in write_sweep_plots(report.get("sweep", ()), folder):
        typer.echo(f"wrote {file}", err=True)


def _with(key: str, value: float, policy: "Policy") -> dict[str, Any]:
    """Return overrides that set a threshold and keep the gate's two in order."""
    if key != "confidence_gate.escalate_below":
        return {key: value}
    return {key: value, "confidence_gate.trust_from": max(policy.confidence_gate.trust_from, value)}


def read_log(
    url: str, policy: "Policy", policy_path: Path = Path("policy.yaml")
) -> "tuple[DecisionColumns, Classification]":
    """Return the columns of a decision log and the cuts of the artifact that it was written with.

    Raises:
        DecisionLogError: It cannot be read.
        ReplayError: It was written with another classifier artifact than the policy names.
    """
    from tiergate.adapters.decision_database import read_decision_columns  # noqa: PLC0415  SQLAlchemy

    log = import_toolkit("replay_log")
    classifier = _build_classifier(policy, policy_path)
    columns = read_decision_columns(url)
    for digest in columns.digests:
        if digest != classifier.digest:
            problem = f"was written with artifact {_short(digest)}, the policy names {_short(classifier.digest)}"
            raise log.ReplayError(url, "route.artifact_digest", problem, "replay with the artifact of the log")
    return columns, classifier.cuts


def load_calibration(policy: "Policy") -> "GateCalibration | None":
    """Return the gate's calibration that a policy names, for plans; None where it names none.

    Raises:
        ArtifactError: It cannot be read.
    """
    from tiergate.adapters.gate_calibration_file import load_gate_calibration  # noqa: PLC0415

    file = policy.confidence_gate.calibration
    return None if file is None else load_gate_calibration(file)


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]


def classify_prompts(
    prompts: Sequence[str], policy: "Policy", policy_path: Path = Path("policy.yaml")
) -> "dict[str, Classification]":
    """Return the classification of each different prompt by the policy's own artifact, domains and encoder."""
    import asyncio  # noqa: PLC0415

    from tiergate.adapters.embedder_choice import build_embedder  # noqa: PLC0415  onnxruntime and httpx
    from tiergate.adapters.inference_pool import InferencePool  # noqa: PLC0415
    from tiergate.policy.features import features_of  # noqa: PLC0415

    classifier = _build_classifier(policy, policy_path)

    async def classify() -> "dict[str, Classification]":
        pool = InferencePool()
        embedder = build_embedder(policy.encoder, pool)
        found = {prompt: classifier.score(await embedder.embed(prompt), features_of(prompt)) for prompt in set(prompts)}
        await embedder.aclose()
        await pool.aclose()
        return found

    return asyncio.run(classify())


def _build_classifier(policy: "Policy", policy_path: Path) -> "EmbeddedClassifier":
    """Return the classifier as the proxy builds it, domains that policy names by examples among them."""
    from tiergate.adapters.domain_examples import read_domain_heads  # noqa: PLC0415
    from tiergate.adapters.embedded_classifier import EmbeddedClassifier  # noqa: PLC0415
    from tiergate.artifact import load_artifact  # noqa: PLC0415
    from tiergate.pack_check import artifact_path  # noqa: PLC0415

    artifact = load_artifact(artifact_path(policy))
    heads, defects = read_domain_heads(policy, artifact, policy_path)
    for defect in defects:
        raise defect.to_error()
    return EmbeddedClassifier(artifact, heads)


def _replay_outcomes(file: Path, policy: "Policy", policy_path: Path) -> dict[str, Any]:
    table = import_toolkit("outcomes").load_outcomes(file)
    found = classify_prompts(table.prompts, policy, policy_path)
    result: dict[str, Any] = asdict(
        import_toolkit("replay_outcomes").replay_outcomes(
            table, policy, [found[prompt] for prompt in table.prompts], load_calibration(policy)
        )
    )
    return result


def _replay_traffic(
    file: Path, policy: "Policy", policy_path: Path, config: Path, answer_tokens: int
) -> dict[str, Any]:
    from tiergate.cli.tier_prices import read_prices  # noqa: PLC0415

    traffic = import_toolkit("replay_traffic")
    requests, skipped = traffic.load_traffic(file)
    known = read_prices(policy, config)
    for tier in policy.tiers:
        if tier.model_group not in known:
            stop(f"{config}: no price for {tier.model_group}. Fix: write its input_ and output_cost_per_token.")
    found = classify_prompts([item.prompt for item in requests], policy, policy_path)
    result: dict[str, Any] = asdict(
        traffic.cost_traffic(
            requests,
            skipped,
            policy,
            prices={tier.name: known[tier.model_group] for tier in policy.tiers},
            calibration=load_calibration(policy),
            classify=found.__getitem__,
            answer_tokens=answer_tokens,
        )
    )
    baseline = result["baseline_usd"]
    result["saving"] = 1.0 - result["routed_usd"] / baseline if baseline else None
    return result


def _show(report: dict[str, Any]) -> None:
    typer.echo(f"\n{report['policy']}; in brackets: 95 % intervals")
    intervals = dict(report.get("intervals", {}))
    for name, value in report.items():
        if name in {"policy", "ips", "sweep", "estimates", "intervals"}:
            continue
        typer.echo(f"  {name:<22} {_text(value)}{_between(intervals.pop(name, None))}")
    for item in report.get("estimates", ()):
        if item["value"] is None:
            typer.echo(f"  {item['metric']:<22} cannot tell: {item['why']}")
        else:
            interval = f"{item['low']:.6g} to {item['high']:.6g}"
            typer.echo(f"  {item['metric']:<22} {item['value']:.6g} ({interval}), {item['method']}")
    for name, interval in intervals.items():
        typer.echo(f"  {name:<22}{_between(interval)}")
    for point in report.get("sweep", ()):
        values = "cannot tell: " + point["why"]
        if point["replay"] is not None:
            known = [item for item in point["replay"]["estimates"] if item["value"] is not None]
            values = ", ".join(f"{item['metric']} {item['value']:.5g}" for item in known)
        whose, chosen = point["domain"] or "all", " (the policy's)" if point["chosen"] else ""
        typer.echo(f"  {whose:<10} {point['key']} {point['value']:g}{chosen}: {values}")


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    if value is None:
        return "not known"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _between(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" ({interval[0]:.6g} to {interval[1]:.6g})"
