"""No answer crosses a scope: random requests of 50 tenants, forged identities included, on a real store."""

import random
from collections import Counter
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tiergate.adapters.qdrant_edge_store import QdrantEdgeStore
from tiergate.decisions import GateDecision, GateOutcome, Reason
from tiergate.exchange import Answer
from tiergate.hooks.earlier_turns import parse_conversation
from tiergate.hooks.request_parser import parse_request
from tiergate.hooks.tenant import identify_caller, identify_tenant
from tiergate.settings import Policy
from tiergate.settings import SemanticCache as Settings
from tiergate.stages.pair_judge import PairJudge
from tiergate.stages.prompt_vector import PromptVector
from tiergate.stages.semantic_cache import Candidate, SemanticCache, text_of
from tiergate.stages.single_flight import SingleFlights
from tiergate.testing import FakeClock, FakeEmbedder

POLICY = Policy.model_validate({"tiers": [{"name": name, "model_group": name} for name in ("a", "b")]})
TENANTS, REQUESTS = 50, 2_500
SCOPES = ("key", "team", "user", "end_user", "global")
TRUSTED = GateDecision(outcome=GateOutcome.TRUSTED, reason=Reason.CONFIDENCE_HIGH, final_confidence=0.9)
WORDS = ("capital", "river", "king", "song", "law", "recipe")


def identity(number: int) -> Any:
    """Tenant `number`: five in a team, two keys of a user; some have no team, user or key."""
    return SimpleNamespace(
        token=f"hash-{number}" if number % 17 else None,
        api_key=None,
        team_id=f"team-{number // 5}" if number % 11 else None,
        user_id=f"user-{number // 2}" if number % 13 else None,
        end_user_id=f"end-{number % 7}" if number % 3 else None,
    )


def forged(random_: random.Random) -> dict[str, Any]:
    """What a client may write to pass for another."""
    victim = random_.randrange(TENANTS)
    names = {
        "user_api_key": f"hash-{victim}",
        "user_api_key_hash": f"hash-{victim}",
        "user_api_key_team_id": f"team-{victim // 5}",
        "user_api_key_user_id": f"user-{victim // 2}",
        "tenant": f"hash-{victim}",
        "caller": f"hash-{victim}",
    }
    kinds: tuple[dict[str, Any], ...] = (
        {},
        {"metadata": names},
        {"litellm_metadata": names},
        {"user": f"user-{victim // 2}"},
        {"metadata": {"tags": ["a", "b"], **names}, "user": f"end-{victim % 7}"},
    )
    return random_.choice(kinds)


def owner(scope: str, who: Any) -> Any:
    """Return who may share an answer, worked out anew; None: nobody."""
    parts = {
        "key": (who.token,), "team": (who.team_id,), "user": (who.user_id,), "end_user": (who.token, who.end_user_id),
        "global": ("global",),
    }[scope]  # fmt: skip
    return parts if all(parts) else None


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scope", SCOPES)
async def test_10_000_random_requests_leak_nothing(scope: str, tmp_path: Path) -> None:
    random_ = random.Random(f"isolation {scope}")
    settings = Settings(scope=scope, min_similarity=0.7, budget_ms=60_000, confirmations=2)  # type: ignore[arg-type]
    embedder, clock = FakeEmbedder(), FakeClock()
    store = QdrantEdgeStore(tmp_path / "cache", embedder.dimensions, "i" * 64)
    store.open()
    cache = SemanticCache(
        store=store, settings=settings, clock=clock, version="v", embedder=embedder,
        judge=PairJudge(embedder=embedder), flights=SingleFlights(settings.single_flight, clock),
    )  # fmt: skip
    outcomes: Counter[str] = Counter()
    written: dict[str, set[Any]] = {}
    try:
        for number in range(REQUESTS):
            clock.advance(10)
            who = identity(random_.randrange(TENANTS))
            prompt = f"What is the {random_.choice(WORDS)} of place {random_.choice('abc')}?"
            system = random_.choice(("Be brief.", "Be polite."))
            body = {
                "model": "auto",
                "messages": [{"role": "system", "content": system}, {"role": "user", "content": prompt}],
                **forged(random_),
            }  # fmt: skip
            data = {**body, "litellm_call_id": str(number), "proxy_server_request": {"body": body}}
            request = parse_request(data, "acompletion", identify_tenant(who, settings), policy=POLICY)
            request = replace(request, caller=identify_caller(who, settings), **parse_conversation(data))
            vector = PromptVector(embedder, prompt)
            found = await cache.look_up(request, vector)
            outcomes[found.decision.outcome] += 1
            mine = owner(scope, who)
            if found.served is not None:
                text = text_of(found.served.body)
                assert mine is not None, "served to a caller that cannot be established"
                assert text.startswith(f"{mine} {system} "), f"{mine} got {text}"
                if scope in {"team", "global"}:
                    person = who.team_id or who.user_id or who.token if scope == "global" else who.user_id or who.token
                    assert person in written[text] or len(written[text]) >= 2, "served before it was confirmed"
                continue
            text = f"{mine} {system} answer to {prompt}"
            person = who.team_id or who.user_id or who.token if scope == "global" else who.user_id or who.token
            written.setdefault(text, set()).add(person)
            answer = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
            candidate = Candidate(answer=Answer(text=text, finish_reason="stop"), body=answer, tier="s", cost_usd=0.0)
            kept = await cache.keep(request, vector, candidate, cache=found.decision, gate=TRUSTED, ticket=found.ticket)
            known = request.tenant is not None and (request.caller is not None or scope not in {"team", "global"})
            assert (kept is Reason.STORED) == known
    finally:
        await store.aclose()
    assert outcomes["hit"] > REQUESTS / 10, outcomes
    assert outcomes["miss"] > 0
