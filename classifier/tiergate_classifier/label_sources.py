"""Where prompts to label come from: the decision log, or a JSONL file."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tiergate.adapters.decision_database import read_decisions
from tiergate.adapters.decision_search import Cursor
from tiergate.adapters.embedded_classifier import EmbeddedClassifier
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ConfigurationError
from tiergate.json_lines import read_json_lines
from tiergate.policy.features import FEATURES, features_of
from tiergate.telemetry.record import decode_embedding
from tiergate_classifier.label_rows import LabelRow
from tiergate_classifier.selection import Candidate

PAGE = 500
POOR_FEEDBACK = 0.5
"""Below this a user's score contradicts the decision."""


def iterate_decisions(url: str, *, since: float = 0.0) -> Iterator[dict[str, Any]]:
    """Yield the rows of a decision log, oldest first, from a Unix time in seconds on.

    Raises:
        DecisionLogError: The log does not exist or cannot be read.
    """
    after: Cursor | None = Cursor(ts=since, decision_id="") if since else None
    while page := read_decisions(url, limit=PAGE, after=after):
        yield from page
        after = Cursor(ts=page[-1]["ts"], decision_id=page[-1]["decision_id"])


def candidates_of_log(url: str, classifier: EmbeddedClassifier) -> tuple[list[Candidate], int]:
    """Return the logged prompts that can be replayed, one for each text, and how many could not be.

    A row needs its prompt and embedding: `decision_log.store_prompts: true` keeps the text.

    Raises:
        DecisionLogError: The log does not exist or cannot be read.
    """
    found: dict[str, Candidate] = {}
    unusable = 0
    for row in iterate_decisions(url):
        prompt, embedding = row.get("prompt"), row.get("embedding")
        if not prompt or not embedding:
            unusable += row["cache"]["outcome"] != "hit"
            continue
        features = row.get("features") or features_of(prompt)
        label = LabelRow(
            id=row["decision_id"],
            embedding=decode_embedding(embedding),
            features={name: float(features.get(name, 0.0)) for name in FEATURES},
            prompt=prompt,
            domain=row["route"].get("domain"),
        )
        found[prompt] = _scored(label, classifier, disagreement=_disagrees(row), stake_usd=row.get("baseline_cost_usd"))
    return list(found.values()), unusable


def candidates_of_file(path: Path, classifier: EmbeddedClassifier, embedder: OnnxEmbedder) -> list[Candidate]:
    """Return the prompts of a JSONL file: `id` and `prompt`, optional `domain`, `reference`, `rule`.

    Raises:
        ConfigurationError: The file cannot be read, a line is no such row, or an id comes twice.
        EmbedderError: The encoder failed.
    """
    rows: dict[str, Mapping[str, Any]] = {}
    for number, row in read_json_lines(path):
        try:
            key, prompt = str(row["id"]), row["prompt"]
        except (KeyError, TypeError) as exc:
            raise ConfigurationError(path, f"line {number}", f"has no id and prompt ({exc})", "add them") from exc
        if key in rows or not isinstance(prompt, str) or not prompt.strip():
            raise ConfigurationError(path, f"line {number}", "has an id that comes twice, or no text", "correct it")
        rows[key] = row
    return [
        _scored(
            LabelRow(
                id=key,
                embedding=vector,
                features=features_of(row["prompt"]),
                prompt=row["prompt"],
                domain=row.get("domain"),
                reference=row.get("reference"),
                rule=row.get("rule"),
            ),
            classifier,
        )
        for (key, row), vector in zip(
            rows.items(), _embed(embedder, [row["prompt"] for row in rows.values()]), strict=True
        )
    ]


def _embed(embedder: OnnxEmbedder, prompts: Sequence[str]) -> Any:
    return embedder.embed_batch(list(prompts)) if prompts else []


def _scored(
    row: LabelRow, classifier: EmbeddedClassifier, *, disagreement: bool = False, stake_usd: float | None = None
) -> Candidate:
    """Score a row as the proxy would now; the strongest tier's bound says nothing."""
    said = classifier.score(row.embedding, row.features)
    bound = max((said.lower_bounds[tier] for tier in classifier.tiers[:-1]), default=None)
    if row.domain is None and said.domains:
        row = replace(row, domain=max(said.domains, key=lambda name: said.domains[name]))
    return Candidate(row=row, bound=bound, disagreement=disagreement, stake_usd=stake_usd)


def _disagrees(row: Mapping[str, Any]) -> bool:
    """Tell whether shadow, gate or feedback contradict the routing decision."""
    route, gate, feedback = row["route"], row["gate"], row.get("feedback") or {}
    shadow = route.get("shadow_tier")
    score = feedback.get("score")
    return (
        (shadow is not None and shadow != route.get("tier"))
        or gate.get("outcome") == "escalated"
        or (score is not None and score < POOR_FEEDBACK)
    )
