"""The answer store of a policy, opened for a command."""

import getpass
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from tiergate.adapters.decision_recall import read_recall_notice
from tiergate.adapters.embedder_choice import build_embedder
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.pair_label_file import PairLabelFile
from tiergate.cache_parts import WallClock, build_store
from tiergate.errors import ConfigurationError, DecisionLogError, StoreError
from tiergate.hooks.earlier_turns import parse_conversation
from tiergate.hooks.request_parser import parse_request
from tiergate.hooks.tenant import hash_identity
from tiergate.json_lines import read_json_lines, read_lines
from tiergate.policy.cache_key import CacheKey, answer_version, build_cache_key
from tiergate.policy.semantic_cache import decide_eligibility
from tiergate.ports import AnswerStore, Embedder, Selection, StoredAnswer
from tiergate.settings import Policy, load_policy
from tiergate.stages.cache_upkeep import CacheUpkeep, export_entry, import_entry
from tiergate.stages.grey_zone import GreyZone
from tiergate.telemetry.record import decode_embedding


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheBench:
    """What the commands work on."""

    policy: Policy
    store: AnswerStore
    embedder: Embedder
    clock: WallClock

    @property
    def upkeep(self) -> CacheUpkeep:
        """Upkeep of the store."""
        return CacheUpkeep(store=self.store, clock=self.clock)


@asynccontextmanager
async def open_bench(policy_path: Path) -> AsyncIterator[CacheBench]:
    """Open encoder and store for the duration of the block.

    Raises:
        ConfigurationError: The policy is wrong, or the store cannot be opened; an embedded store is open in one
            process only.
    """
    policy = load_policy(policy_path)
    pool = InferencePool(threads=policy.encoder.threads, max_queue=policy.encoder.max_queue)
    embedder = build_embedder(policy.encoder, pool)
    store = build_store(policy, embedder, policy_path)
    try:
        yield CacheBench(policy=policy, store=store, embedder=embedder, clock=WallClock())
    finally:
        await store.aclose()
        await embedder.aclose()
        await pool.aclose()


def to_selection(
    *,
    tenant: str | None = None,
    entry: str | None = None,
    entries: Sequence[str] | None = None,
    prompt: str | None = None,
    tag: str | None = None,
    stored_before: float | None = None,
) -> Selection:
    """Return the options of a command as a selection."""
    named = (entry,) if entry is not None else tuple(entries) if entries else None
    return Selection(tenant=tenant, entry_ids=named, prompt=prompt, tag=tag, stored_before=stored_before)


def describe_entry(entry: StoredAnswer, *, now: float) -> dict[str, Any]:
    """Return what `inspect` shows of an entry."""
    return {
        "entry_id": entry.entry_id,
        "tenant": entry.tenant,
        "prompt": entry.prompt,
        "tier": entry.tier,
        "confidence": entry.confidence,
        "cost_usd": entry.cost_usd,
        "age_s": now - entry.stored_at,
        "expires_in_s": entry.expires_at - now,
        "tags": list(entry.tags),
        "confirmed_by": list(entry.confirmed_by),
        "body": entry.body,
    }


async def write_entries(bench: CacheBench, selection: Selection, file: TextIO) -> int:
    """Write entries as JSON lines; return how many."""
    count = 0
    async for entry in bench.upkeep.entries(selection):
        file.write(export_entry(entry, encoder_digest=bench.embedder.digest) + "\n")
        count += 1
    return count


async def read_entries(bench: CacheBench, file: Path) -> int:
    """Store entries that `write_entries` wrote; expired ones are left out. Returns how many.

    Raises:
        ConfigurationError: The file cannot be read.
        StoreError: A line is no entry; names it. Earlier lines are stored.
    """
    count = 0
    for number, line in read_lines(file):
        try:
            entry = await import_entry(line, bench.embedder)
        except StoreError as exc:
            raise StoreError(f"{file}: line {number} {exc}") from exc
        if entry.expires_at > bench.clock.now():
            await bench.store.store(entry)
            count += 1
    return count


async def warm_entries(bench: CacheBench, file: Path) -> int:
    """Store answers that were written beforehand; return how many.

    A line: `request` (the chat completion as a client would send it), `answer` (text), `tenant` (what the scope names:
    the key's hash as LiteLLM stores it, the team's or user's id; nothing for scope global), optional `tier`, `tags`.

    Raises:
        ConfigurationError: The file cannot be read, or a line is not JSON.
        StoreError: A line cannot be used; names it. Earlier lines are stored.
    """
    count = 0
    for number, row in read_json_lines(file):
        try:
            await _warm(bench, row)
        except (ValueError, KeyError, TypeError, StoreError) as exc:
            raise StoreError(f"{file}: line {number} cannot be used: {exc!r}") from exc
        count += 1
    return count


async def _warm(bench: CacheBench, row: Mapping[str, Any]) -> None:
    policy, now = bench.policy, bench.clock.now()
    settings, key = policy.semantic_cache, warm_key(bench.policy, row)
    tier = str(row.get("tier") or policy.baseline)
    message = {"role": "assistant", "content": str(row["answer"])}
    body = {
        "object": "chat.completion",
        "model": row["request"]["model"],
        "choices": [{"index": 0, "finish_reason": "stop", "message": message}],
        "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
    }
    # What its operator wrote is trusted, and confirmed for everyone in the scope.
    confirmed = tuple(f"warm {number}" for number in range(settings.confirmations))
    await bench.store.store(
        StoredAnswer(
            entry_id=key.entry_id, tenant=key.tenant, context_key=key.context_key, prompt=key.prompt,
            vector=await bench.embedder.embed(key.prompt), body=body, tier=tier, confidence=1.0, cost_usd=0.0,
            stored_at=now, expires_at=now + settings.ttl_s, tags=tuple(row.get("tags") or ()), confirmed_by=confirmed,
        )
    )  # fmt: skip


def warm_key(policy: Policy, row: Mapping[str, Any]) -> CacheKey:
    """Return where the answer of a line of `warm` belongs.

    Raises:
        StoreError: A request like this never meets the cache.
    """
    settings = policy.semantic_cache
    tenant = hash_identity(settings.scope, "" if settings.scope == "global" else str(row["tenant"]))
    data = {**row["request"], "proxy_server_request": {"body": dict(row["request"])}}
    request = parse_request(data, "acompletion", tenant, policy=policy)
    request = replace(request, caller="warm", **parse_conversation(data))
    reason = decide_eligibility(request, settings)
    if reason is not None:
        raise StoreError(f"a request like this is never looked up ({reason})")
    return build_cache_key(request, settings, version=answer_version(policy))


def read_notice(policy_path: Path, name: str) -> tuple[str, Mapping[str, Any] | None, list[dict[str, Any]]]:
    """Return an entry, the decision that named it, and who was served from it, by the decision log of a policy.

    Raises:
        ConfigurationError: The policy is wrong, the log cannot be read, or `name` is a decision without a hit.
    """
    url = load_policy(policy_path).decision_log.url
    try:
        return read_recall_notice(url, name)
    except (DecisionLogError, ValueError) as exc:
        fix = "name an entry, or a decision whose answer came from the cache"
        raise ConfigurationError(policy_path, "decision_log.url", str(exc), fix) from exc


async def recall_entry(bench: CacheBench, entry_id: str, decision: Mapping[str, Any] | None) -> int:
    """Remove an entry and write down that it is never served again; returns how many entries were removed.

    Args:
        bench: The store.
        entry_id: The entry.
        decision: The hit that was wrong, whose vector makes pairs like it refused; None when only the entry is known.

    Raises:
        StoreError: The store failed.
    """
    embedding = (decision or {}).get("embedding")
    grey_zone = GreyZone(bench.policy.semantic_cache, book=PairLabelFile(bench.policy.semantic_cache.labels))
    upkeep = replace(bench.upkeep, grey_zone=grey_zone)
    asked = decode_embedding(embedding) if embedding else None
    return await upkeep.recall(entry_id, actor=f"cli {getpass.getuser()}", asked=asked)
