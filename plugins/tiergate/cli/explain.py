"""`tiergate explain`: where a prompt would go, and why. No proxy and no model is asked."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiergate.cli.exits import bad_input, print_json, stop

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
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the scores of a prompt, the tier it would go to, and what would change that."""
    if not prompt.strip():
        stop("the prompt is empty. Fix: give some text.")
    with bad_input():
        explanation = _explain(prompt, policy_file or _find_policy())
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


def _explain(prompt: str, policy_path: Path) -> "Explanation":
    from tiergate.adapters.embedded_classifier import EmbeddedClassifier  # noqa: PLC0415  numpy
    from tiergate.cli.explanation import explain_route  # noqa: PLC0415
    from tiergate.errors import PolicyError  # noqa: PLC0415
    from tiergate.pack_check import check_pack  # noqa: PLC0415  SQLAlchemy
    from tiergate.policy.features import features_of  # noqa: PLC0415

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
    return explain_route(classification, policy, kind=classifier.kind, digest=classifier.digest)


async def _embed(prompt: str, encoder: "Encoder") -> "Vector":
    from tiergate.adapters.inference_pool import InferencePool  # noqa: PLC0415
    from tiergate.adapters.onnx_embedder import OnnxEmbedder  # noqa: PLC0415  onnxruntime
    from tiergate.adapters.openai_embedder import OpenAIEmbedder  # noqa: PLC0415  httpx

    pool = InferencePool()
    embedder: OnnxEmbedder | OpenAIEmbedder
    if encoder.kind == "openai":
        embedder = OpenAIEmbedder(
            base_url=encoder.base_url or "",
            model=encoder.model or "",
            api_key=encoder.api_key,
            dimensions=encoder.dimensions or 0,
        )
    else:
        embedder = OnnxEmbedder(encoder.path, pool=pool, threads=encoder.threads)
    try:
        return await embedder.embed(prompt)
    finally:
        await embedder.aclose()
        await pool.aclose()


def _show(explanation: "Explanation") -> None:
    decision = explanation.decision
    typer.echo(f"tier {decision.tier}: {decision.outcome.value}, {decision.reason.value}")
    typer.echo(f"gate {explanation.gate}")
    typer.echo(f"\n{'tier':<12} {'score':>7} {'lower bound':>12}   meets {explanation.min_quality:g}")
    for tier in explanation.tiers:
        typer.echo(f"{tier.tier:<12} {tier.score:>7.3f} {tier.lower_bound:>12.3f}   {'yes' if tier.meets else 'no'}")
    typer.echo(f"\n{'domain':<12} {'score':>7} {'cut':>12}   override")
    for domain in explanation.domains:
        override = ("reached" if domain.reached else "not reached") if domain.overrides else "none"
        typer.echo(f"{domain.domain:<12} {domain.score:>7.3f} {domain.cut:>12.3f}   {override}")
    if explanation.changes:
        typer.echo("\nWhat would change it:")
        for change in explanation.changes:
            typer.echo(f"  {change}")
