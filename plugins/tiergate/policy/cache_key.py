"""What a request's answer depends on, as one key: all of it has to be equal, and the text is matched by meaning."""

import hashlib
import json
from dataclasses import dataclass

from tiergate.exchange import Request
from tiergate.settings import Policy, SemanticCache

SHARED_SCOPES = frozenset({"team", "global"})
"""Scopes in which an answer of one caller can be served to another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKey:
    """Where a request's answer is kept and looked up.

    Attributes:
        tenant: Hashed identity that answers are shared with.
        context_key: Digest of all else that changes the answer.
        prompt: The text that is embedded and matched by meaning.
        entry_id: Identifier of the entry that exactly this request has, 32 hexadecimal digits.
        conversation: Whether `prompt` holds the earlier turns too.
    """

    tenant: str
    context_key: str
    prompt: str
    entry_id: str
    conversation: bool


def build_cache_key(request: Request, settings: SemanticCache, *, version: str) -> CacheKey:
    """Build the key of a request whose tenant is known.

    With `multi_turn: off` the earlier turns are part of the context: only the same conversation can share. With
    `embed_conversation` they are part of the text.

    Args:
        request: The request.
        settings: The cache's policy.
        version: `answer_version` of the policy; empty leaves the context as it is.
    """
    tenant = request.tenant or ""
    conversation = settings.multi_turn == "embed_conversation" and bool(request.earlier)
    prompt = request.prompt
    context = request.context_key
    if conversation:
        prompt = "\n".join((*(f"{role}: {text}" for role, text in request.earlier), f"user: {request.prompt}"))
        context = f"conversation {request.system_key}"
    context_key = digest(version, context) if version else context
    return CacheKey(
        tenant=tenant,
        context_key=context_key,
        prompt=prompt,
        entry_id=digest(tenant, context_key, prompt),
        conversation=conversation,
    )


def build_flight_key(key: CacheKey, request: Request, settings: SemanticCache) -> str:
    """Return who may wait for whom: in a shared scope each caller only for itself, since nothing is confirmed yet."""
    return digest(key.entry_id, request.caller or "") if settings.scope in SHARED_SCOPES else key.entry_id


def answer_version(policy: Policy) -> str:
    """Digest what in policy changes the answers themselves: the tiers' models and parameters, and `cache_version`."""
    tiers = [tier.model_dump(mode="json") for tier in policy.tiers]
    return digest(policy.semantic_cache.cache_version, json.dumps(tiers, sort_keys=True))


def digest(*parts: str) -> str:
    """Return 32 hexadecimal digits that stand for the parts; ("a", "bc") and ("ab", "c") differ."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
