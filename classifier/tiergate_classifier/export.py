"""Train, calibrate, measure and write the classifier that ships: `make classifier`."""

import argparse
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.artifact import Artifact, write_artifact
from tiergate.artifact_format import Calibration, Metric, Reference, ReferenceLabels
from tiergate.policy.features import FEATURES
from tiergate.settings import IntentRouter
from tiergate_classifier.calibrate import CONFIDENCE, RESAMPLES, Outputs, calibrate, cross_fit
from tiergate_classifier.data import (
    WORKLOAD_DOMAINS,
    WORKLOAD_LICENCE,
    WORKLOAD_NAME,
    WORKLOAD_TIERS,
    Table,
    build_table,
    builtin_workload_path,
    load_workload,
    workload_digest,
)
from tiergate_classifier.difficulty import builtin_difficulty_path, load_difficulty
from tiergate_classifier.domain_flags import (
    FEATURE_GAIN,
    FEATURES_READ,
    MIN_RECALL,
    WIDTH,
    DomainPrompts,
    Flags,
    builtin_calibration_path,
    builtin_domains_path,
    fit_flags,
    load_calibration_prompts,
    load_domain_prompts,
)
from tiergate_classifier.evaluate import MIN_QUALITY, ScoredTable, measure, score_table
from tiergate_classifier.label_metrics import error_metrics, tail_slices
from tiergate_classifier.public_domains import FLAGS, PublicDomains, builtin_public_domains_path, load_public_domains
from tiergate_classifier.risk_control import control_risk, describe_cut
from tiergate_classifier.splits import group_rows, split_rows
from tiergate_classifier.tail_check import TailError, check_tail
from tiergate_classifier.train import fit_heads
from tiergate_classifier.validation import reference_distance

SAFETY_DOMAINS = FLAGS
MIN_SLICE_ROWS = 40
"""The test rows are about 200: domains with fewer rows are one slice together."""
METHOD = (
    "L2 logistic heads on [vector, standardised surface features]; tiers by cumulative binary problems "
    "(Frank and Hall 2001), tied by a normal prior to a difficulty score learnt from public tables of model "
    "outcomes; Platt calibration on cross-fitted scores with a grouped bootstrap lower bound; "
    "domains multinomial with one temperature"
)


def build_classifier(
    workload: Path, out: Path, *, created_at: datetime, max_slice_error: float, override: str | None = None
) -> Artifact:
    """Build the classifier from a workload with the builtin encoder and write it to `out`.

    The same workload, encoder and library versions on the same kind of machine give the same bytes.

    Args:
        workload: Folder of labelled prompts.
        out: Folder to write to; what is there is replaced.
        created_at: Time that the manifest states, UTC.
        max_slice_error: Limit of the worst slice's calibration error on the test rows.
        override: Reason to pass the limit; it lands in the card. None refuses.

    Raises:
        ConfigurationError: The workload is wrong, the encoder cannot be loaded, or `out` cannot be written;
            `TailError`: the worst slice is calibrated badly.
    """
    rows = load_workload(workload)
    embedder = OnnxEmbedder(pool=InferencePool())
    table, groups, splits = build_table(rows, embedder), group_rows(rows), split_rows(rows)
    development, development_groups = table.take(splits.development), groups[list(splits.development)]
    tiers, domains = len(WORKLOAD_TIERS), len(WORKLOAD_DOMAINS)
    difficulty, difficulty_card = load_difficulty(builtin_difficulty_path())
    with threadpool_limits(limits=1):  # sums in another order give other last bits
        head = fit_heads(development, tiers=tiers, domains=domains, difficulty=difficulty)
        outputs = cross_fit(development, development_groups, tiers=tiers, domains=domains, difficulty=difficulty)
        calibration = calibrate(
            development,
            outputs,
            development_groups,
            tiers=WORKLOAD_TIERS,
            domains=WORKLOAD_DOMAINS,
            safety=(),
        )
        more = load_domain_prompts(builtin_domains_path(), embedder)
        public, public_card = load_public_domains(builtin_public_domains_path())
        unseen = load_calibration_prompts(builtin_calibration_path(), embedder)
        flags = fit_flags(development, WORKLOAD_DOMAINS, more, public, unseen, head)
    head = replace(head, flag_weight=flags.weight, flag_bias=flags.bias, flag_extra=flags.extra)
    calibration = _with_cuts(calibration, flags, outputs, development)
    reference = _reference(development, more, public, flags)
    manifest: dict[str, Any] = {
        "created_at": created_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "method": METHOD,
        "tiers": WORKLOAD_TIERS,
        "domains": WORKLOAD_DOMAINS,
        "features": FEATURES,
        "encoder": {"digest": embedder.digest, "dimensions": embedder.dimensions},
        "training_data": (
            {
                "name": WORKLOAD_NAME,
                "digest": workload_digest(workload),
                "licence": WORKLOAD_LICENCE,
                "rows": len(rows),
            },
            *_public_data(difficulty_card["training_data"], public_card["training_data"]),
        ),
        "metrics": (),
    }
    test = table.take(splits.test)
    with tempfile.TemporaryDirectory() as scratch:
        draft = write_artifact(
            Path(scratch) / "draft", manifest=manifest, head=head, calibration=calibration, card="", reference=reference
        )
        scored = score_table(draft, test)
        metrics = (*measure(draft, test, scored), *_tail_metrics(test, scored, reference))
    told = check_tail(metrics, file=out, max_slice_error=max_slice_error, override=override)
    sizes = (len(splits.development), len(splits.test))
    manifest["metrics"] = tuple(metric.model_dump() for metric in metrics)
    card = render_card(manifest, metrics, sizes=sizes, calibration=calibration, false_alarms=flags.false_alarms)
    parts: dict[str, Any] = {"head": head, "calibration": calibration, "reference": reference}
    return write_artifact(out, manifest=manifest, card=card + told, **parts)


def _tail_metrics(table: Table, scored: ScoredTable, reference: Reference) -> tuple[Metric, ...]:
    """Return the calibration error over all rows and by slice: domain, length, distance to the training vectors."""
    values = {
        "length": table.features[:, FEATURES.index("log_characters")].astype(np.float64),
        "distance": reference_distance(table.vectors, reference.vectors),
    }
    good = table.tier[:, np.newaxis] <= np.arange(len(WORKLOAD_TIERS))
    slices = tail_slices([row.domain for row in table.rows], values, min_slice_rows=MIN_SLICE_ROWS)
    return error_metrics(scored.scores, good, slices)


def _with_cuts(calibration: Calibration, flags: Flags, outputs: Outputs, table: Table) -> Calibration:
    """Add the domain cuts, and per tier the cut that risk control finds on rows scored by heads of other folds."""
    cuts = {}
    for place, tier in enumerate(WORKLOAD_TIERS[:-1]):
        curve = calibration.tiers[tier]
        bounds = np.interp(outputs.tier_log_odds[:, place], curve.knots, curve.lower_bound)
        cuts[tier] = control_risk(bounds, table.tier <= place, min_quality=MIN_QUALITY, confidence=CONFIDENCE)
    domains = calibration.domains.model_copy(
        update={
            "min_scores": dict(flags.cuts),
            "flags": FLAGS,
            "flag_width": WIDTH,
            "flag_features": FEATURES_READ,
            "flag_gain": FEATURE_GAIN,
        }
    )
    return calibration.model_copy(update={"domains": domains, "cuts": cuts})


def _reference(table: Table, more: DomainPrompts, public: PublicDomains, flags: Flags) -> Reference:
    """Return the training prompts as neighbours; those that only carry a domain have no tier, public ones no text."""
    prompts = [(place, more.domains[place]) for place in flags.prompts.tolist()]
    claimed = [[name for name, claim in zip(FLAGS, row, strict=True) if claim == 1] for row in public.claims]
    outside = [(public.groups[place], (claimed[place] or ["other"])[0], place) for place in flags.public.tolist()]
    return Reference(
        labels=ReferenceLabels(
            ids=(
                *(row.id for row in table.rows),
                *(f"{name}-only-{place}" for place, name in prompts),
                *(f"{group}-{place}" for group, _, place in outside),
            ),
            tiers=(*(row.tier for row in table.rows), *([""] * (len(prompts) + len(outside)))),
            domains=(
                *(row.domain for row in table.rows),
                *(name for _, name in prompts),
                *(name for _, name, _ in outside),
            ),
        ),
        vectors=np.concatenate(
            [
                table.vectors.astype(np.float16),
                more.vectors[flags.prompts].astype(np.float16),
                public.vectors[flags.public],
            ]
        ),
    )


def _public_data(difficulty: Sequence[dict[str, Any]], domains: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the public files that either was computed from, each with the larger number of rows."""
    told = {one["name"]: one for one in domains}
    for one in difficulty:
        told[one["name"]] = {**one, "rows": max(one["rows"], told.get(one["name"], one)["rows"])}
    return [told[name] for name in sorted(told)]


def render_card(
    manifest: dict[str, Any],
    metrics: Sequence[Metric],
    *,
    sizes: tuple[int, int],
    calibration: Calibration,
    false_alarms: Mapping[str, float],
) -> str:
    """Return card.md; `sizes` are the rows of development and test."""
    data, *tables = manifest["training_data"]
    table_lines = "".join(
        f"\n  - {one['name']}, {one['rows']} rows, licence {one['licence']}, digest `{one['digest']}`" for one in tables
    )
    figures = "\n".join(
        f"| {metric.name} | {metric.value:.3f} | {metric.n} | {metric.low:.3f} to {metric.high:.3f} |"
        for metric in metrics
    )
    cut_list = ", ".join(
        f"{name} {cut:.4f} (false alarms {false_alarms[name]:.0%})"
        for name, cut in calibration.domains.min_scores.items()
    )
    kept = ", ".join(f"{share:.0%} ({name})" for name, share in MIN_RECALL.items())
    controlled = "\n".join(describe_cut(tier, cut) for tier, cut in calibration.cuts.items())
    development, test = sizes
    return f"""# Intent classifier that ships

Says of a prompt, for each tier, the calibrated probability that the tier's answer is good enough, with a
lower confidence bound, and the probability of each domain. It makes the first day useful; a team's own
traffic trains a better one.

- **Tiers**: {", ".join(manifest["tiers"])}. The last is the baseline: good enough by definition, score 1.
- **Domains**: {", ".join(manifest["domains"])}.
- **Input**: the vector of the builtin encoder (`{manifest["encoder"]["digest"]}`) and
  {len(manifest["features"])} surface features.
- **Data**: {data["name"]}, {data["rows"]} prompts written for this project, licence {data["licence"]},
  digest `{data["digest"]}`. Split by groups of near-duplicates: {development} rows for
  heads and calibration, {test} for the figures below. The heads of the domains also learn from prompts that only carry
  a domain (workload/domains) and from vectors of public prompts; their cuts come from workload/calibration. The
  difficulty score that the tier heads are tied to was computed from public tables of which model answered which
  question right. Rows from MMLU's and GSM8K's test sets were left out everywhere:{table_lines}
- **Method**: {manifest["method"]}.

## Figures on the test rows

95 % Wilson intervals. `clears` and `routed` use min_quality {MIN_QUALITY} on the lower bound; names are
explained in `tiergate_classifier.evaluate.measure`. `calibration_error` is the worst tier's, with a bootstrap
interval. The heads and calibration that ship are the ones measured: no refit on all rows.

| figure | value | n | interval |
|---|---|---|---|
{figures}

## What the lower bound means

One-sided {CONFIDENCE:.0%}, per score: of {RESAMPLES} refits of the calibration curve on resampled groups of
development rows (scored by heads of other folds), {CONFIDENCE:.0%} lie above it. It covers the luck of the
sample, not traffic unlike it, nor a curve that is no sigmoid; `good_when_routed` is the check.

## What risk control found

{controlled}

Learn-then-test with exact binomial tests on development rows, scored by heads of other folds. A tier for which no cut
was found is not used: the request goes to a stronger one.

## What the domain cuts mean

From this P(domain) on a prompt may belong to the domain: {cut_list}. Each is the highest cut that kept
{kept} of prompts that its head had not seen: for finance and legal, of each set in
workload/calibration, by different hands and in other styles than the training prompts, many of the others there near
misses on purpose; for the rest training rows, not trivial ones, scored by heads that have seen neither them nor their
style. The false alarms are the share of the other rows there that reach the cut.
`domain_flag_recall` and `domain_flag_false_alarms` say what it does on the test rows.

## Limits

- Labels are given by a rule (workload/README.md), not by grading answers: how well "simple" answers are
  really answered by a cheap model depends on that model.
- Training and test prompts have the same authors, so figures on other people's prompts will be lower.
- English, with a few prompts in other languages; the encoder is an English one.

## Rebuild

    make classifier
"""


def _created_at() -> datetime:
    """SOURCE_DATE_EPOCH where it is set (reproducible-builds.org), else now."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    return datetime.fromtimestamp(int(epoch), tz=UTC) if epoch else datetime.now(tz=UTC)


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the classifier from the command line; SOURCE_DATE_EPOCH fixes its creation time."""
    parser = argparse.ArgumentParser(prog="python -m tiergate_classifier.export", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--workload", type=Path, help="folder of labelled prompts; default: the one that ships")
    limit = IntentRouter().max_slice_error
    parser.add_argument(
        "--max-slice-error", type=float, default=limit, help=f"limit of the worst slice; default {limit}"
    )
    parser.add_argument("--override", help="reason to pass the limit; lands in the card")
    options = parser.parse_args(arguments)
    workload = options.workload or builtin_workload_path()
    try:
        artifact = build_classifier(
            workload,
            options.out,
            created_at=_created_at(),
            max_slice_error=options.max_slice_error,
            override=options.override,
        )
    except TailError as exc:
        parser.exit(1, f"{exc}\n")
    print(artifact.card)  # noqa: T201 - a command line tool reports on stdout


if __name__ == "__main__":
    main()
