"""`tiergate label`: let every tier answer chosen prompts through the running proxy, and grade the answers."""

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tiergate.cli.address import read_address
from tiergate.cli.exits import Exit, bad_input, print_json, stop

if TYPE_CHECKING:
    from tiergate.artifact import Artifact
    from tiergate.settings import Policy
    from tiergate_classifier.label import LabelPlan, LabelSettings
    from tiergate_classifier.label_rows import LabelRow
    from tiergate_classifier.selection import Candidate

KEY_VARIABLE = "LITELLM_MASTER_KEY"


def label(  # noqa: PLR0913  options of a command line
    policy_file: Annotated[Path, typer.Option("--policy", help="policy.yaml.")],
    out: Annotated[Path, typer.Option("--out", help="Label file to write, JSONL.")],
    *,
    decisions: Annotated[str | None, typer.Option("--decisions", help="URL of the decision log to draw from.")] = None,
    prompts: Annotated[
        Path | None, typer.Option("--prompts", help="JSONL with id and prompt, optional domain, reference, rule.")
    ] = None,
    size: Annotated[int, typer.Option("--size", min=1, help="How many prompts.")] = 200,
    base_url: Annotated[str, typer.Option("--base-url", help="The running proxy.")] = "http://127.0.0.1:4000",
    key: Annotated[str | None, typer.Option("--key", help=f"Its key; {KEY_VARIABLE} by default.")] = None,
    max_cost: Annotated[float, typer.Option("--max-cost", min=0, help="Never spend more, in USD.")] = 1.0,
    judge: Annotated[
        str | None, typer.Option("--judge", help="Model group that grades what has no reference or rule.")
    ] = None,
    votes: Annotated[int, typer.Option("--votes", min=1, help="Judgements of each answer, each in both orders.")] = 1,
    human: Annotated[
        Path | None, typer.Option("--human", help="Write ungraded answers to this CSV for people.")
    ] = None,
    grades: Annotated[
        Path | None, typer.Option("--grades", help="Only read a filled CSV back into the label file.")
    ] = None,
    concurrency: Annotated[int, typer.Option("--concurrency", min=1, help="Calls at the same time.")] = 4,
    max_tokens: Annotated[int, typer.Option("--max-tokens", min=1, help="Limit of an answer.")] = 1024,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the choice of prompts.")] = 0,
    no_text: Annotated[
        bool, typer.Option("--no-text", help="Keep vectors and grades, no prompts and answers.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the cost and ask nobody.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Label prompts. Interrupted or at its cost cap (exit 1), the same command goes on where it stopped."""
    with bad_input():
        from tiergate.settings import load_policy  # noqa: PLC0415
        from tiergate_classifier.label import LabelSettings  # noqa: PLC0415  numpy

        settings = LabelSettings(
            out=out, grading="human" if human else "auto", judge_group=judge, votes=votes, keep_text=not no_text
        )
        if grades is not None:
            _read_grades(settings, grades)
            return
        if (decisions is None) == (prompts is None) and not settings.selection.exists():
            stop("name one of --decisions and --prompts.")
        secret = key or os.environ.get(KEY_VARIABLE) or stop(f"give --key or set {KEY_VARIABLE}.")
        address, policy = read_address(base_url), load_policy(policy_file)
        rows = _rows(policy, settings, decisions, prompts, size, seed)
        if not rows:
            stop("there is nothing to label. Fix: set decision_log.store_prompts, or give --prompts.")
        code = asyncio.run(
            _run(
                policy,
                settings,
                rows,
                (address, secret, max_cost, concurrency, max_tokens),
                dry_run=dry_run,
                as_json=as_json,
            )
        )
        if human is not None and code is Exit.OK and not dry_run:
            from tiergate_classifier.grading import write_grading_csv  # noqa: PLC0415
            from tiergate_classifier.label_rows import load_labels  # noqa: PLC0415

            typer.echo(f"{write_grading_csv(human, load_labels(out))} answers to grade in {human}", err=True)
    raise typer.Exit(code)


def _rows(
    policy: "Policy", settings: "LabelSettings", decisions: str | None, prompts: Path | None, size: int, seed: int
) -> "tuple[LabelRow, ...]":
    from tiergate.artifact import load_artifact  # noqa: PLC0415
    from tiergate.pack_check import artifact_path  # noqa: PLC0415
    from tiergate_classifier.label import choose_rows  # noqa: PLC0415

    artifact = load_artifact(artifact_path(policy))
    candidates: list[Candidate] = []
    if not settings.selection.exists():
        candidates = _candidates(policy, artifact, decisions, prompts)
    min_quality, trained = policy.intent_router.min_quality, artifact.reference
    reference = None if trained is None else trained.vectors
    return choose_rows(candidates, size, settings, min_quality=min_quality, seed=seed, reference=reference)


def _candidates(
    policy: "Policy", artifact: "Artifact", decisions: str | None, prompts: Path | None
) -> "list[Candidate]":
    from tiergate.adapters.embedded_classifier import EmbeddedClassifier  # noqa: PLC0415
    from tiergate.adapters.inference_pool import InferencePool  # noqa: PLC0415
    from tiergate.adapters.onnx_embedder import OnnxEmbedder  # noqa: PLC0415  onnxruntime
    from tiergate_classifier.label_sources import candidates_of_file, candidates_of_log  # noqa: PLC0415

    classifier = EmbeddedClassifier(artifact)
    if prompts is not None:
        embedder = OnnxEmbedder(policy.encoder.path, pool=InferencePool())
        return candidates_of_file(prompts, classifier, embedder)
    found, unusable = candidates_of_log(decisions or "", classifier)
    if unusable:
        typer.echo(f"{unusable} decisions have no prompt or no vector and cannot be replayed", err=True)
    return found


async def _run(
    policy: "Policy",
    settings: "LabelSettings",
    rows: "tuple[LabelRow, ...]",
    proxy: tuple[str, str, float, int, int],
    *,
    dry_run: bool,
    as_json: bool,
) -> Exit:
    from rich.progress import Progress  # noqa: PLC0415

    from tiergate_classifier.label import label_rows, plan_label  # noqa: PLC0415
    from tiergate_classifier.tier_replay import CostCapReachedError, Journal, ProxyClient  # noqa: PLC0415

    base_url, secret, max_cost, concurrency, max_tokens = proxy
    async with ProxyClient(
        base_url,
        secret,
        Journal(settings.journal),
        max_cost_usd=max_cost,
        concurrency=concurrency,
        max_tokens=max_tokens,
    ) as client:
        prices = await client.prices()
        plan = plan_label(rows, policy, prices, settings)
        if not as_json:
            _show_plan(plan, max_cost)
        if dry_run:
            if as_json:
                print_json(_plan_row(plan))
            return Exit.OK
        try:
            from rich.console import Console  # noqa: PLC0415

            with Progress(console=Console(stderr=True), disable=as_json) as progress:
                task = progress.add_task("labelling", total=len(rows))
                done = await label_rows(plan, policy, client, prices, settings, lambda: progress.advance(task))
        except CostCapReachedError as exc:
            typer.echo(f"tiergate: {exc}. What is answered is kept; raise --max-cost and run again.", err=True)
            return Exit.CHECK_FAILED
        graded = sum(all(tier in row.quality for tier in policy.tier_names) for row in done)
        result = {"labelled": len(done), "graded": graded, "spent_usd": client.journal.spent_usd}
    if as_json:
        print_json(_plan_row(plan) | result)
    else:
        typer.echo(f"{graded} of {len(done)} prompts graded, {result['spent_usd']:.6f} USD spent: {settings.out}")
    return Exit.OK


def _show_plan(plan: "LabelPlan", max_cost: float) -> None:
    typer.echo(
        f"{len(plan.rows)} prompts, {plan.calls} calls to make: about {plan.estimated_usd:.6f} USD "
        f"({plan.spent_usd:.6f} USD spent before, cap {max_cost} USD)"
    )
    for group in plan.unpriced:
        typer.echo(f"no price is known for {group}: it counts as free", err=True)


def _plan_row(plan: "LabelPlan") -> dict[str, object]:
    return {
        "prompts": len(plan.rows),
        "calls": plan.calls,
        "estimated_usd": plan.estimated_usd,
        "spent_before_usd": plan.spent_usd,
        "unpriced": list(plan.unpriced),
        "chosen_for": {
            name: sum(row.chosen_for == name for row in plan.rows) for name in sorted({r.chosen_for for r in plan.rows})
        },
    }


def _read_grades(settings: "LabelSettings", grades: Path) -> None:
    from tiergate_classifier.grading import read_grading_csv  # noqa: PLC0415
    from tiergate_classifier.label_rows import load_labels, write_labels  # noqa: PLC0415

    rows = read_grading_csv(grades, load_labels(settings.out))
    write_labels(settings.out, rows)
    typer.echo(f"{sum(row.graded_by == 'human' for row in rows)} rows graded by people: {settings.out}")
