"""`tiergate explain`: where a prompt would go, and why. No proxy and no model is asked."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiergate.cli.exits import bad_input, print_json, stop

CHARACTERS_PER_TOKEN = 4

if TYPE_CHECKING:
    from tiergate.cli.explanation import Explanation
    from tiergate.ports import Vector
    from tiergate.settings import Encoder


def explain(
    prompt: Annotated[str, typer.Argument(help="The prompt, as a client would send it.")],
    *,
    policy_file: Annotated[
        Path | None,
        typer.Option("--policy", help="policy.yaml; TIERGATE_POLICY, ./policy.yaml or the quickstart's by default."),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="config.yaml with prices, for plans; beside the policy by default.")
    ] = None,
    answer_tokens: Annotated[int, typer.Option(help="Length of the answer, for plans.", min=1)] = 300,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the scores of a prompt, the tier it would go to, and what would change that.

    With `strategy: auto` it shows each plan with its arithmetic; times are not known here, so none is counted.
    """
    if not prompt.strip():
        stop("the prompt is empty. Fix: give some text.")
    with bad_input():
        path = policy_file or _find_policy()
        explanation = _explain(prompt, path, config or path.parent / "config.yaml", answer_tokens)
        if as_json:
            from tiergate.cli.explanation import to_row  # noqa: PLC0415  numpy, wanted here only

            print_json(to_row(explanation))
        else:
            _show(explanation)


def _find_policy() -> Path:
    named = os.environ.get("TIERGATE_POLICY")
    if named:
        return Path(named)
    here = Path("policy.yaml")
    if here.is_file():
        return here
    from tiergate.pack import locate_pack  # noqa: PLC0415  not every call needs it

    return locate_pack("quickstart") / "policy.yaml"


def _explain(prompt: str, policy_path: Path, config: Path, answer_tokens: int) -> "Explanation":
    from tiergate.adapters.embedded_classifier import EmbeddedClassifier  # noqa: PLC0415  numpy
    from tiergate.cli.explanation import explain_route  # noqa: PLC0415
    from tiergate.cli.tier_prices import read_prices  # noqa: PLC0415
    from tiergate.errors import PolicyError  # noqa: PLC0415
    from tiergate.pack_check import check_pack  # noqa: PLC0415  SQLAlchemy
    from tiergate.policy.features import features_of  # noqa: PLC0415
    from tiergate.policy.tier_facts import CallFacts  # noqa: PLC0415

    report = check_pack(policy_path, None)
    if report.pack is None:
        raise report.errors[0].to_error()
    policy = report.pack.policy
    if not policy.intent_router.enabled:
        raise PolicyError(
            policy_path, "intent_router.enabled", "is false, so nothing is classified", "set it to true to explain"
        )
    classifier = EmbeddedClassifier(report.pack.artifact, report.pack.domain_heads)
    vector = asyncio.run(_embed(prompt, policy.encoder))
    classification = classifier.score(vector, features_of(prompt))
    calls = CallFacts(
        price=read_prices(policy, config).get,
        prompt_tokens=len(prompt) / CHARACTERS_PER_TOKEN,
        answer_tokens=lambda _tier: answer_tokens,
        calibration=report.pack.gate_calibration,
    )
    return explain_route(classification, policy, kind=classifier.kind, digest=classifier.digest, calls=calls)


async def _embed(prompt: str, encoder: "Encoder") -> "Vector":
    from tiergate.adapters.embedder_choice import build_embedder  # noqa: PLC0415  onnxruntime and httpx
    from tiergate.adapters.inference_pool import InferencePool  # noqa: PLC0415

    pool = InferencePool()
    embedder = build_embedder(encoder, pool)
    try:
        return await embedder.embed(prompt)
    finally:
        await embedder.aclose()
        await pool.aclose()


def _show(explanation: "Explanation") -> None:
    decision = explanation.decision
    typer.echo(f"tier {decision.tier}: {decision.outcome.value}, {decision.reason.value}")
    whose = f"of {decision.strategy_domain}" if decision.strategy_domain else "of policy"
    typer.echo(f"strategy {explanation.strategy}, {whose}")
    typer.echo(f"gate {explanation.gate}")
    typer.echo(f"\n{'tier':<12} {'score':>7} {'lower bound':>12}   meets {explanation.min_quality:g}")
    for tier in explanation.tiers:
        typer.echo(f"{tier.tier:<12} {tier.score:>7.3f} {tier.lower_bound:>12.3f}   {'yes' if tier.meets else 'no'}")
    typer.echo(f"\n{'domain':<12} {'score':>7} {'cut':>12}   override")
    for domain in explanation.domains:
        override = ("reached" if domain.reached else "not reached") if domain.overrides else "none"
        typer.echo(f"{domain.domain:<12} {domain.score:>7.3f} {domain.cut:>12.3f}   {override}")
    _show_plans(explanation)
    if explanation.changes:
        typer.echo("\nWhat would change it:")
        for change in explanation.changes:
            typer.echo(f"  {change}")


def _show_plans(explanation: "Explanation") -> None:
    from tiergate.cli.explanation import name_plan  # noqa: PLC0415  numpy, wanted here only

    decision = explanation.decision
    if explanation.strategy != "auto" or decision.outcome.value != "routed":
        return
    if not decision.plans:
        typer.echo("\nNo plan: the router's tier has no price. Name the prices with --config.")
        return
    width = max(len(name_plan(plan.tiers)) for plan in decision.plans)
    typer.echo(f"\n{'plan':<{width}} {'quality':>8} {'escalates':>10} {'expected USD':>13}")
    for plan in sorted(decision.plans, key=lambda plan: plan.expected_usd):
        mark = "   taken" if plan.tiers == decision.plan else ""
        numbers = f"{plan.quality:>8.3f} {plan.escalation_probability:>10.3f} {plan.expected_usd:>13.6f}"
        typer.echo(f"{name_plan(plan.tiers):<{width}} {numbers}{mark}")
