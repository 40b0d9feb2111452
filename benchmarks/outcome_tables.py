"""Outcome tables from ../shared/data: model pairs for the gate and cascade benchmarks, read at run time."""

import gzip
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from tiergate_classifier.outcomes import Outcomes

SHARED = Path("../shared/data")
SEED = 11
MCQ_PAIRS = (("gpt-3.5-turbo", "gpt-4-turbo"), ("Llama3-8b", "Llama3-70b"), ("Yi-6b", "Yi-34b"), ("Mistral", "Mixtral"))
MCQ_SETS = ("mmlu", "hellaswag", "winogrande", "arc")
TEXT_PAIRS = (
    ("Phi-3-mini-4k-instruct", "gemini-1.5-pro-002"),
    ("Meta-Llama-3_1-8B-Instruct", "Meta-Llama-3_1-70B-Instruct"),
    ("Mixtral-8x7B-Instruct-v0.1", "Meta-Llama-3_1-70B-Instruct"),
    ("gemini-1.5-flash-002", "gemini-1.5-pro-002"),
)


def versions() -> dict[str, str]:
    """Return the versions that figures depend on."""
    return {name: version(name) for name in ("numpy", "scipy", "scikit-learn", "onnxruntime", "polars")}


def multiple_choice(dataset: str, models: Sequence[str]) -> Outcomes:
    """Return the rows of a set that all models answered, with answer probabilities; the prompts are not in the data."""
    frame = pl.read_csv(SHARED / "gate/bplaut_msp_14models.csv.gz", infer_schema_length=25_000)
    frame = frame.filter(pl.col("dataset") == dataset)
    good, sure = (
        np.column_stack([frame[f"{name}|{one}"].cast(pl.Float64, strict=False).to_numpy() for one in models])
        for name in ("correct", "msp")
    )
    rows = np.flatnonzero((np.isfinite(good) & np.isfinite(sure) & (good >= 0)).all(axis=1))
    return _table(
        f"bplaut/{dataset}",
        [str(one) for one in frame["idx"].to_numpy()[rows]],
        ["(not in the data)"] * len(rows),
        models,
        good[rows],
        confidence=sure[rows],
    )


def free_form(models: Sequence[str], rows: int) -> Outcomes:
    """Return MMLU-Pro questions with the models' answer texts and no confidence."""
    frame = pl.read_csv(SHARED / "router/mmlu_pro_29models.csv.gz", infer_schema_length=25_000)
    picked = np.random.default_rng(SEED).permutation(len(frame))[:rows]
    with gzip.open(SHARED / "router/mmlu_pro_texts.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = {row["question_id"]: row for row in map(json.loads, file)}
    kept: list[dict[str, Any]] = [
        row
        for row in frame[picked.tolist()].iter_rows(named=True)
        if all(row[f"correct|{one}"] is not None and texts[row["question_id"]].get(one) for one in models)
    ]
    good = np.array([[float(row[f"correct|{one}"]) for one in models] for row in kept])
    answers = {one: tuple(texts[row["question_id"]][one] for row in kept) for one in models}
    prompts = [
        "\n".join([row["question"], *(f"({chr(65 + at)}) {one}" for at, one in enumerate(json.loads(row["options"])))])
        for row in kept
    ]
    ids = [str(row["question_id"]) for row in kept]
    return _table("mmlu_pro_texts", ids, prompts, models, good, answers=answers)


def _table(
    name: str,
    ids: Sequence[str],
    prompts: Sequence[str],
    models: Sequence[str],
    good: np.ndarray[Any, Any],
    *,
    confidence: np.ndarray[Any, Any] | None = None,
    answers: dict[str, tuple[str | None, ...]] | None = None,
) -> Outcomes:
    numbers = {("correct", model): good[:, place] for place, model in enumerate(models)}
    if confidence is not None:
        numbers |= {("confidence", model): confidence[:, place] for place, model in enumerate(models)}
    absent = (None,) * len(ids)
    return Outcomes(
        file=name,
        tiers=tuple(models),
        ids=tuple(ids),
        prompts=tuple(prompts),
        domains=absent,
        sessions=absent,
        answers=answers or {},
        numbers=numbers,
    )


def split(table: Outcomes, calibration: int, seed: int) -> tuple[Outcomes, Outcomes]:
    """Return calibration rows and at most 4 000 left-out rows."""
    order = np.random.default_rng(seed).permutation(len(table))
    return table.take(order[:calibration]), table.take(order[calibration : calibration + 4000])


def without_confidence(table: Outcomes, share: float, seed: int) -> Outcomes:
    """Return the table with the confidences of a share of its rows taken away."""
    gone = np.random.default_rng(seed).random(len(table)) < share
    numbers = {
        key: np.where(gone, np.nan, column) if key[0] == "confidence" else column
        for key, column in table.numbers.items()
    }
    return Outcomes(
        file=table.file,
        tiers=table.tiers,
        ids=table.ids,
        prompts=table.prompts,
        domains=table.domains,
        sessions=table.sessions,
        answers=table.answers,
        numbers=numbers,
    )
