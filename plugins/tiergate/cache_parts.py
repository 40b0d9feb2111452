"""Builds the semantic cache from policy: its store, its pair model, and what watches both."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tiergate.adapters.absent_store import AbsentStore
from tiergate.adapters.answer_cipher import AnswerCipher
from tiergate.adapters.litellm_flight_board import LiteLLMFlightBoard
from tiergate.adapters.pair_label_file import PairLabelFile, Recall, Renewal
from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.adapters.qdrant_server_store import QdrantServerStore
from tiergate.cache_settings import EdgeStore
from tiergate.errors import ArtifactError
from tiergate.policy.cache_key import answer_version
from tiergate.policy.pair_model import PairModel
from tiergate.ports import AnswerStore, Clock, Embedder, FlightBoard, Invalidation, Selection
from tiergate.settings import Policy
from tiergate.stages.cache_upkeep import CacheUpkeep
from tiergate.stages.grey_zone import GreyZone
from tiergate.stages.pair_judge import CutBook, PairJudge
from tiergate.stages.refilled_store import RefilledStore
from tiergate.stages.semantic_cache import SemanticCache
from tiergate.stages.single_flight import SingleFlights
from tiergate.stages.store_limit import StoreLimit


class WallClock:
    """The time of this machine."""

    def now(self) -> float:
        """Return Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


def build_semantic_cache(
    policy: Policy,
    store: AnswerStore,
    embedder: Embedder,
    clock: Clock,
    *,
    board: FlightBoard | None = None,
    pair_model: PairModel | None = None,
    old: SemanticCache | None = None,
    labels: PairLabelFile | None = None,
) -> SemanticCache:
    """Build the stage.

    Args:
        policy: The whole policy.
        store: Where answers are kept.
        embedder: The shared encoder.
        clock: The time.
        board: Where workers meet; None for one process.
        pair_model: The model behind `max_error`; without one only exact matches are served under a bound.
        old: The stage before a reload, whose flights, labels and recalled entries go on; None at the start.
        labels: Where labels and recalls outlive the process; None keeps them in memory only.
    """
    settings, gate = policy.semantic_cache, policy.confidence_gate
    cache = SemanticCache(
        store=store,
        settings=settings,
        clock=clock,
        version=answer_version(policy),
        trust_from=gate.trust_from if gate.enabled else None,
        embedder=embedder,
        judge=PairJudge(embedder=embedder, model=pair_model, max_error=settings.max_error, cuts=CutBook()),
        flights=SingleFlights(settings.single_flight, clock, board),
        limit=StoreLimit(settings.store_limit, clock),
        grey_zone=GreyZone(settings, book=labels) if old is None else old.grey_zone,
    )
    if old is None:
        if labels is not None and cache.grey_zone is not None:
            restore_labels(cache.grey_zone, labels)
        return cache
    if old.grey_zone is not None:
        old.grey_zone.retune(settings)
    limit = old.limit if settings.store_limit == old.settings.store_limit else cache.limit
    return replace(cache, flights=old.flights, limit=limit, judge=_keep_cuts(cache.judge, old.judge))


def restore_labels(grey_zone: GreyZone, labels: PairLabelFile) -> None:
    """Bring slices, recalled entries and anchors to where an earlier process left them. Blocks."""
    for row in labels.read():
        if isinstance(row, Recall):
            grey_zone.restore_recall(row.entry_id, tenant=row.tenant, pair=row.pair)
        elif isinstance(row, Renewal):
            grey_zone.restore_renewal(row.entry_id)
        elif row.would_hit:
            grey_zone.add_label(row.tenant, row.similarity, same=row.same)


def build_labels(policy: Policy) -> PairLabelFile | None:
    """Build where labels and recalls are kept; None when the cache is switched off."""
    return PairLabelFile(policy.semantic_cache.labels) if policy.semantic_cache.enabled else None


def _keep_cuts(judge: PairJudge | None, old: PairJudge | None) -> PairJudge | None:
    """Return the judge of a reloaded policy, with the cuts in force where its bound and model are still the same."""
    if judge is None or old is None or old.max_error != judge.max_error:
        return judge
    digests = [None if one.model is None else one.model.digest for one in (judge, old)]
    return replace(judge, cuts=old.cuts) if digests[0] == digests[1] else judge


@dataclass(frozen=True, slots=True)
class StoreInvalidator:
    """Removes stored answers for the HTTP endpoints, with an audit line (port `AnswerInvalidator`)."""

    upkeep: CacheUpkeep
    clock: Clock

    async def invalidate(self, invalidation: Invalidation) -> int:
        """Remove answers; one that is named by its identifier is recalled, so that it is never served again.

        Raises:
            StoreError: The store failed.
        """
        if invalidation.entry_id is not None:
            return await self.upkeep.recall(invalidation.entry_id, actor="http", asked=invalidation.asked)
        older = invalidation.older_than_s
        selection = Selection(
            tenant=invalidation.tenant,
            prompt=invalidation.prompt,
            stored_before=None if older is None else self.clock.now() - older,
        )
        return (await self.upkeep.invalidate(selection, actor="http")).entries


def build_invalidator(cache: SemanticCache) -> StoreInvalidator | None:
    """Build who removes stored answers; None when the cache is switched off."""
    if not cache.settings.enabled:
        return None
    upkeep = CacheUpkeep(store=cache.store, clock=cache.clock, flights=cache.flights, grey_zone=cache.grey_zone)
    return StoreInvalidator(upkeep, cache.clock)


def build_store(policy: Policy, embedder: Embedder, policy_path: Path, clock: Clock | None = None) -> AnswerStore:
    """Open the answer store that policy names; after a change of the encoder it is filled in the background.

    Raises:
        ConfigurationError: The store cannot be opened.
    """
    settings = policy.semantic_cache
    if not settings.enabled:
        return AbsentStore()
    clock = clock or WallClock()
    cipher = build_cipher(policy, policy_path)
    store: QdrantEdgeStore | QdrantServerStore
    if isinstance(settings.store, EdgeStore):
        store = QdrantEdgeStore(
            settings.store.path,
            embedder.dimensions,
            embedder.digest,
            cipher=cipher,
            max_entries=settings.store.max_entries,
        )
    else:
        store = QdrantServerStore(settings.store, embedder.dimensions, embedder.digest, cipher=cipher)
    store.open()
    old = store.open_previous() if isinstance(store, QdrantEdgeStore) else None
    return store if old is None else RefilledStore(store, old, embedder, clock)


def build_cipher(policy: Policy, policy_path: Path) -> AnswerCipher | None:
    """Build what encrypts answers and prompts; None when policy gives no keys.

    Raises:
        PolicyError: A key is no key.
    """
    keys = policy.semantic_cache.encryption_keys
    return None if keys is None else AnswerCipher.from_keys(keys, policy_file=policy_path)


def build_board(redis: Callable[[], Any], cipher: AnswerCipher | None) -> FlightBoard:
    """Build where workers meet: LiteLLM's own Redis, when it has one."""
    return LiteLLMFlightBoard(redis, cipher=cipher)


def find_pair_model(policy: Policy, embedder: Embedder) -> PairModel | None:
    """Load the pair model that policy names.

    Returns:
        The model; None without `max_error`, and when the built-in one was trained on another encoder.

    Raises:
        ArtifactError: The folder that policy names is missing, torn or of another encoder.
    """
    if policy.semantic_cache.max_error is None:
        return None
    from tiergate.pair_artifact import builtin_pair_model_path, load_pair_model  # noqa: PLC0415

    named = policy.semantic_cache.pair_model
    if named != "builtin":
        return load_pair_model(Path(named), encoder_digest=embedder.digest)
    try:
        return load_pair_model(builtin_pair_model_path(), encoder_digest=embedder.digest)
    except ArtifactError:
        return None
