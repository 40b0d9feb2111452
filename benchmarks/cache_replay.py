"""What the cache saves on real arrivals, and how often it is wrong.

    python benchmarks/cache_replay.py --requests 4000

Arrivals and token counts are those of ../shared/data/traces/azure_conv.csv.gz (Azure LLM inference trace 2023,
CC-BY-4.0). The questions are made here: 12 relations, each put in five ways, over 40 things, drawn with Zipf's law, so
what a question means is known and a hit for another question is a wrong one. Questions that differ in the thing alone
are near each other: this is a hard set. All requests belong to 20 tenants, scope key. Every answer counts as trusted.

Rules that are compared: exact repeats only; a static cosine at 0.80 (the threshold that LiteLLM's documentation of
`qdrant-semantic` and `redis-semantic` shows), 0.92 and 0.97; `max_error` with the shipped pair model. LiteLLM's own
caches need a Qdrant server or Redis Stack, which this run has not: "litellm rule" is their rule (nearest by cosine
among the key's entries, one threshold, no look at anything else) on the same store with the same encoder, not their
code.

Latency saved: the trace gives no latencies, so a call is taken to last 400 ms and 15 ms for each generated token; the
time of a look-up is measured. Cost: USD 5 per million tokens in and 15 out.
"""

import argparse
import asyncio
import csv
import gzip
import json
import platform
import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.cache_parts import build_semantic_cache, find_pair_model
from tiergate.decisions import CacheOutcome, GateDecision, GateOutcome, Reason
from tiergate.exchange import Answer, Request
from tiergate.policy.error_bound import upper_error_bound
from tiergate.settings import Policy
from tiergate.stages.prompt_vector import PromptVector
from tiergate.stages.semantic_cache import Candidate, text_of

RESULTS = Path(__file__).parent / "results" / "cache_replay.json"
TRUSTED = GateDecision(outcome=GateOutcome.TRUSTED, reason=Reason.CONFIDENCE_HIGH, confidence=1.0, final_confidence=1.0)
THINGS = (
    *("Peru", "Chile", "Ghana", "Kenya", "Egypt", "Norway", "Sweden", "Finland"),
    *("Portugal", "Spain", "France", "Italy", "Greece", "Turkey", "Poland", "Austria"),
    *("Hungary", "Romania", "Bulgaria", "Ireland", "Iceland", "Canada", "Mexico", "Cuba"),
    *("Brazil", "Argentina", "Bolivia", "Ecuador", "Colombia", "Morocco", "Nigeria", "Ethiopia"),
    *("India", "Nepal", "Thailand", "Vietnam", "Japan", "Mongolia", "Australia", "Samoa"),
)
RELATIONS = (
    ("What is the capital of {}?", "Which city is the capital of {}?", "{} capital city", "Name the capital of {}.",
     "Could you tell me what the capital of {} is?"),
    ("What language do people speak in {}?", "Which language is spoken in {}?", "language spoken in {}",
     "What is the official language of {}?", "Please tell me which language they speak in {}."),
    ("What is the currency of {}?", "Which currency is used in {}?", "{} currency", "What money do they use in {}?",
     "Could you tell me the currency of {}?"),
    ("How many people live in {}?", "What is the population of {}?", "{} population",
     "How large is the population of {}?", "Tell me how many inhabitants {} has."),
    ("What is the highest mountain in {}?", "Which mountain is the highest of {}?", "highest mountain of {}",
     "Name the tallest mountain in {}.", "Could you name the highest peak of {}?"),
    ("What is the longest river in {}?", "Which river is the longest of {}?", "longest river of {}",
     "Name the longest river in {}.", "Could you name the longest river of {}?"),
    ("What food is {} famous for?", "Which dishes are typical of {}?", "typical dishes of {}",
     "What do people eat in {}?", "Tell me about the traditional food of {}."),
    ("Do I need a visa for {}?", "Is a visa required to enter {}?", "visa requirements {}",
     "Can I travel to {} without a visa?", "Please tell me whether {} asks for a visa."),
    ("When did {} become independent?", "In which year did {} gain independence?", "independence year of {}",
     "What year did {} become an independent country?", "Tell me when {} gained its independence."),
    ("What is the national anthem of {}?", "Which song is the anthem of {}?", "national anthem {}",
     "What is the anthem of {} called?", "Could you tell me the name of the national anthem of {}?"),
    ("Which countries border {}?", "What are the neighbours of {}?", "countries bordering {}",
     "List the countries that share a border with {}.", "Tell me which countries are next to {}."),
    ("On which side of the road do they drive in {}?", "Do people drive on the left or on the right in {}?",
     "{} driving side", "Which side of the road is used in {}?", "Tell me on which side people drive in {}."),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """One request of the replay."""

    at_s: float
    tenant: str
    question: int
    prompt: str
    tokens_in: int
    tokens_out: int


@dataclass(slots=True)
class TraceClock:
    """The time of the trace."""

    time_s: float = 0.0

    def now(self) -> float:
        """Return the time of the request that is played."""
        return self.time_s

    def monotonic(self) -> float:
        """Return the same."""
        return self.time_s


def read_trace(path: Path, count: int, seed: int) -> list[Asked]:
    """Return the first `count` arrivals of the trace with questions drawn for them."""
    random_ = random.Random(seed)  # noqa: S311  draws questions
    questions = [(relation, thing) for relation in range(len(RELATIONS)) for thing in THINGS]
    random_.shuffle(questions)
    weights = [1 / (rank + 1) for rank in range(len(questions))]
    asked = []
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if len(asked) == count:
                break
            number = random_.choices(range(len(questions)), weights)[0]
            relation, thing = questions[number]
            form = random_.choices(RELATIONS[relation], (5, 3, 2, 1, 1))[0]
            at = datetime.fromisoformat(row["TIMESTAMP"][:26]).timestamp()
            tenant = f"tenant-{random_.randrange(20)}"
            tokens = int(row["ContextTokens"]), int(row["GeneratedTokens"])
            asked.append(Asked(at, tenant, number, form.format(thing), *tokens))
    return asked


async def replay(
    asked: Sequence[Asked], rule: dict[str, Any], embedder: OnnxEmbedder, *, judge: bool
) -> dict[str, Any]:
    """Play all requests under one rule, one after the other, on a store of its own."""
    tiers = [{"name": name, "model_group": name} for name in ("small", "large")]
    policy = Policy.model_validate({"tiers": tiers, "semantic_cache": {"budget_ms": 600_000, **rule}})
    clock, seconds, reasons = TraceClock(), [], Counter[str]()
    wrong = hits = 0
    saved_usd = spent_usd = saved_s = spent_s = 0.0
    with tempfile.TemporaryDirectory(prefix="tiergate-replay-") as folder:
        store = QdrantEdgeStore(Path(folder) / "cache", embedder.dimensions, embedder.digest)
        store.open()
        stage = build_semantic_cache(policy, store, embedder, clock, pair_model=find_pair_model(policy, embedder))
        stage = replace(stage, flights=None, limit=None, judge=stage.judge if judge else None)
        for each in asked:
            clock.time_s = each.at_s
            request = Request(
                call_id="r", endpoint="chat_completions", entry_model="auto", tenant=each.tenant, prompt=each.prompt
            )
            vector = PromptVector(embedder, each.prompt)
            began = time.perf_counter()
            found = await stage.look_up(request, vector)
            seconds.append(time.perf_counter() - began)
            reasons[str(found.decision.reason)] += 1
            cost_usd, lasts_s = (5 * each.tokens_in + 15 * each.tokens_out) / 1e6, 0.4 + 0.015 * each.tokens_out
            spent_usd, spent_s = spent_usd + cost_usd, spent_s + lasts_s
            if found.decision.outcome is CacheOutcome.HIT and found.served is not None:
                hits += 1
                wrong += text_of(found.served.body) != str(each.question)
                saved_usd, saved_s = saved_usd + cost_usd, saved_s + lasts_s - seconds[-1]
                continue
            text = str(each.question)
            body = {"choices": [{"message": {"content": text}}]}
            candidate = Candidate(
                answer=Answer(text=text, finish_reason="stop"), body=body, tier="large", cost_usd=cost_usd
            )
            await stage.keep(request, vector, candidate, cache=found.decision, gate=TRUSTED, ticket=found.ticket)
        await store.aclose()
    p50, p99 = np.percentile(seconds, [50, 99]) * 1000
    return {
        "hit_ratio": round(hits / len(asked), 4),
        "wrong_hits": wrong,
        "wrong_share_of_hits": round(wrong / hits, 4) if hits else None,
        "wrong_share_bound_95": round(upper_error_bound(wrong, hits, 0.95), 4) if hits else None,
        "cost_saved": round(saved_usd / spent_usd, 4),
        "latency_saved": round(saved_s / spent_s, 4),
        "look_up_p50_ms": round(p50, 2),
        "look_up_p99_ms": round(p99, 2),
        "reasons": dict(reasons.most_common()),
    }


RULES: tuple[tuple[str, dict[str, Any], bool], ...] = (
    ("exact only", {"min_similarity": 1.0}, True),
    ("litellm rule, 0.80", {"min_similarity": 0.80}, False),
    ("static 0.92", {"min_similarity": 0.92}, True),
    ("static 0.97", {"min_similarity": 0.97}, True),
    ("max_error 0.05", {"max_error": 0.05}, True),
    ("max_error 0.01", {"max_error": 0.01}, True),
)


async def main() -> None:
    """Replay every rule, print a table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=4_000)
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    asked = read_trace(options.shared / "traces" / "azure_conv.csv.gz", options.requests, seed=20)
    pool = InferencePool(threads=1, max_queue=64)
    embedder = OnnxEmbedder(pool=pool)
    embedder.load()
    rows = {}
    for name, rule, judge in RULES:
        rows[name] = row = await replay(asked, rule, embedder, judge=judge)
        print(f"{name:20} hits {row['hit_ratio']:.3f}  wrong {row['wrong_hits']:5}  cost saved {row['cost_saved']:.3f}")
    await pool.aclose()
    result = {
        "requests": len(asked),
        "distinct_questions": len({each.question for each in asked}),
        "distinct_prompts_per_tenant": len({(each.tenant, each.prompt) for each in asked}),
        "machine": platform.platform(),
        "encoder": embedder.digest,
        "rules": rows,
    }
    options.out.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
