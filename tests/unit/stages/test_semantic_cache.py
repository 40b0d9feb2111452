"""What the stage serves, keeps and shares."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from tiergate.decisions import CacheOutcome, Reason
from tiergate.errors import EmbedderError, QueueFullError, StoreError
from tiergate.policy.semantic_cache import PairVerdict

CAPITAL = "What is the capital of Portugal?"
SIMILAR = "What is the big capital of Portugal?"


async def test_a_repeat_is_a_hit_with_the_tier_and_confidence_of_the_answer(bench: Any) -> None:
    assert (await bench.ask(CAPITAL, "Lisbon")).store_reason is Reason.STORED
    bench.clock.advance(10)
    found = await bench.look_up(bench.request(CAPITAL))
    assert (found.decision.outcome, found.decision.reason) == (CacheOutcome.HIT, Reason.EXACT_MATCH)
    assert (found.served.tier, found.served.confidence, found.decision.age_s) == ("simple", 0.9, 10)


async def test_a_similar_prompt_is_a_hit_and_a_dissimilar_one_is_not(bench: Any) -> None:
    await bench.ask(CAPITAL)
    assert (await bench.ask(SIMILAR)).reason is Reason.SIMILAR_ENOUGH
    assert (await bench.ask("Name a river in Africa")).reason is Reason.BELOW_MIN_SIMILARITY


async def test_an_exact_repeat_needs_no_encoder(bench: Any) -> None:
    await bench.ask(CAPITAL)
    bench.clock.advance(60)
    bench.embedder.failure = EmbedderError("down")
    assert (await bench.ask(CAPITAL)).reason is Reason.EXACT_MATCH


@pytest.mark.parametrize("other", [{"tenant": "u"}, {"context_key": "d"}])
async def test_another_scope_or_context_shares_nothing(bench: Any, other: dict[str, str]) -> None:
    await bench.ask(CAPITAL)
    assert (await bench.ask(CAPITAL, **other)).reason is Reason.NO_NEIGHBOUR


async def test_under_a_bound_without_a_model_only_exact_matches_are_served(make_bench: Any) -> None:
    bench = make_bench(min_similarity=None, max_error=0.01)
    await bench.ask(CAPITAL)
    assert (await bench.ask(SIMILAR)).reason is Reason.NO_CONTROLLED_CUT
    bench.clock.advance(60)
    assert (await bench.ask(CAPITAL)).reason is Reason.EXACT_MATCH


async def test_a_text_the_vector_does_not_cover_is_served_by_exact_match_only(bench: Any) -> None:
    await bench.ask(CAPITAL)
    bench.embedder.window_words = 3
    assert (await bench.ask(SIMILAR)).reason is Reason.NOT_COVERED
    bench.clock.advance(60)
    assert (await bench.ask(CAPITAL)).reason is Reason.EXACT_MATCH


async def test_the_languages_have_to_be_equal(bench: Any) -> None:
    class Judge:
        def judge(self, *_args: Any, **_: Any) -> PairVerdict:
            return PairVerdict(language="english", neighbour_language="german")

    await bench.ask(CAPITAL)
    bench.cache = replace(bench.cache, judge=Judge())
    assert (await bench.ask(SIMILAR)).reason is Reason.OTHER_LANGUAGE


async def test_a_conversation_is_embedded_whole_where_policy_says_so(make_bench: Any) -> None:
    bench = make_bench(multi_turn="embed_conversation")
    france = (("user", "Which country is it about?"), ("assistant", "France."))
    spain = (("user", "Which country is it about?"), ("assistant", "Spain, a kingdom with other rivers and mountains."))
    turns = {"turns": 3, "context_key": "unique", "earlier": france}
    assert (await bench.ask("and its capital?", "Paris", **turns)).store_reason is Reason.STORED
    bench.clock.advance(60)
    assert (await bench.ask("and its capital?", **{**turns, "context_key": "other"})).reason is Reason.EXACT_MATCH
    assert (await bench.ask("and its capital?", **{**turns, "earlier": spain})).outcome is CacheOutcome.MISS


async def test_refresh_asks_anew_and_replaces(bench: Any) -> None:
    await bench.ask(CAPITAL, "Porto")
    bench.clock.advance(60)
    refreshed = await bench.ask(CAPITAL, "Lisbon", controls={"cache": "refresh"})
    assert (refreshed.reason, refreshed.store_reason) == (Reason.CONTROL_REFRESH, Reason.STORED)
    bench.clock.advance(60)
    found = await bench.look_up(bench.request(CAPITAL))
    assert found.served.body["choices"][0]["message"]["content"] == "Lisbon"


async def test_an_answer_that_would_not_pass_today_is_asked_anew(bench: Any) -> None:
    await bench.ask(CAPITAL)
    bench.clock.advance(60)
    bench.cache = replace(bench.cache, trust_from=0.95)
    assert (await bench.ask(CAPITAL)).reason is Reason.NO_LONGER_TRUSTED


@pytest.mark.swallows
async def test_a_store_that_fails_is_a_reason_and_no_failure(bench: Any) -> None:
    bench.store.failure = StoreError("gone")
    decision = await bench.ask(CAPITAL)
    assert (decision.outcome, decision.reason) == (CacheOutcome.SKIPPED, Reason.STAGE_FAILED)
    assert decision.store_reason is Reason.STORE_FAILED


async def test_of_equal_requests_one_asks_and_all_get_its_answer(bench: Any) -> None:
    asked = 0

    async def play() -> str:
        nonlocal asked
        request = bench.request(CAPITAL)
        found = await bench.look_up(request)
        if found.served is not None:
            return str(found.decision.reason)
        asked += 1
        await asyncio.sleep(0.01)
        await bench.keep(request, found, "Lisbon")
        return "asked"

    reasons = await asyncio.gather(*(play() for _ in range(200)))
    assert asked == 1
    assert reasons.count("same_flight") == 199


@pytest.mark.parametrize(
    ("text", "calls", "reason"),
    [("Lisbon?", 1, Reason.NOT_TRUSTED), ("I'm sorry, but I can't help with that.", 5, Reason.REFUSAL)],
)
async def test_an_answer_that_is_not_stored_is_shared_in_flight_only_when_it_is_complete(
    bench: Any, text: str, calls: int, reason: Reason
) -> None:
    kept = []

    async def play() -> None:
        request = bench.request(CAPITAL)
        found = await bench.look_up(request)
        if found.served is None:
            await asyncio.sleep(0.01)
            kept.append(await bench.keep(request, found, text, outcome="verified"))

    await asyncio.gather(*(play() for _ in range(5)))
    assert kept == [reason] * calls
    assert not bench.store.entries
    assert (await bench.ask(CAPITAL)).reason is Reason.NO_NEIGHBOUR


async def test_a_cancelled_leader_leaves_nobody_waiting(bench: Any) -> None:
    started = asyncio.Event()

    class Slow(type(bench.embedder)):  # type: ignore[misc]
        async def embed(self, text: str) -> Any:
            started.set()
            await asyncio.sleep(3600)
            return await super().embed(text)

    bench.settings = bench.settings.model_copy(update={"budget_ms": 1e7})
    bench.cache = replace(bench.cache, settings=bench.settings)
    request = bench.request(CAPITAL)
    slow = type(bench.vector(request))(Slow(), CAPITAL)
    leader = asyncio.create_task(bench.cache.look_up(request, slow))
    await started.wait()
    follower = asyncio.create_task(bench.look_up(request))
    await asyncio.sleep(0)
    leader.cancel()
    found = await asyncio.wait_for(follower, 1)
    assert found.decision.reason is Reason.NO_NEIGHBOUR


async def test_in_a_shared_scope_an_answer_is_served_to_others_once_confirmed(make_bench: Any) -> None:
    bench = make_bench(scope="team", confirmations=2)
    assert (await bench.ask(CAPITAL, "Lisbon", caller="a")).store_reason is Reason.STORED
    bench.clock.advance(60)
    assert (await bench.ask(CAPITAL, caller="a")).reason is Reason.EXACT_MATCH
    assert (await bench.ask(CAPITAL, "lisbon.", caller="b")).reason is Reason.UNCONFIRMED
    bench.clock.advance(60)
    assert (await bench.ask(CAPITAL, caller="c")).reason is Reason.EXACT_MATCH


async def test_an_answer_that_differs_confirms_nothing(make_bench: Any) -> None:
    bench = make_bench(scope="global", confirmations=2)
    await bench.ask(CAPITAL, "Buy at evil.example", caller="attacker")
    bench.clock.advance(60)
    await bench.ask(CAPITAL, "Lisbon", caller="b")
    bench.clock.advance(60)
    third = await bench.ask(CAPITAL, "Lisbon", caller="c")
    assert third.reason is Reason.UNCONFIRMED
    bench.clock.advance(60)
    found = await bench.look_up(bench.request(CAPITAL, caller="d"))
    assert found.served.body["choices"][0]["message"]["content"] == "Lisbon"


async def test_in_a_shared_scope_nobody_gets_another_ones_unconfirmed_flight(make_bench: Any) -> None:
    bench = make_bench(scope="global", confirmations=2)
    one = await bench.look_up(bench.request(CAPITAL, caller="a"))
    other = await asyncio.wait_for(bench.look_up(bench.request(CAPITAL, caller="b")), 1)
    assert one.ticket.flight is not other.ticket.flight


async def test_stuffing_beside_an_entry_is_braked(make_bench: Any) -> None:
    bench = make_bench(min_similarity=0.999, store_limit={"near_similarity": 0.8, "per_minute": 3})
    await bench.ask(CAPITAL)
    reasons = [(await bench.ask(f"{CAPITAL} {number}")).store_reason for number in range(5)]
    assert reasons == [Reason.STORED] * 3 + [Reason.STORE_LIMIT] * 2
    assert (await bench.ask(f"{CAPITAL} x", caller="b")).store_reason is Reason.STORED
    bench.clock.advance(60)
    assert (await bench.ask(f"{CAPITAL} y")).store_reason is Reason.STORED


async def test_a_re_ask_labels_the_pair(make_bench: Any) -> None:
    bench = make_bench(draw=0.0, re_ask_share=0.5)
    await bench.ask(CAPITAL, "Lisbon is the capital of Portugal.")
    decision = await bench.ask(SIMILAR, "lisbon is the capital of portugal")
    assert decision.reason is Reason.RE_ASKED
    (state,) = bench.grey_zone.slices()
    assert (state.labels, state.wrong) == (1, 0)


class Book:
    """Notes the labels that it is asked to keep."""

    def __init__(self) -> None:
        self.labels: list[Any] = []

    def add_label(self, label: Any) -> None:
        self.labels.append(label)


@pytest.mark.parametrize(("draw", "kept"), [(0.0, 1), (0.6, 0)])
async def test_a_neighbour_that_was_too_unlike_is_labelled_by_the_answer_that_came_anyway(
    make_bench: Any, draw: float, kept: int
) -> None:
    bench = make_bench(draw=draw, re_ask_share=0.5, min_similarity=0.999)
    bench.grey_zone._book = book = Book()
    await bench.ask(CAPITAL, "Lisbon is the capital of Portugal.")
    decision = await bench.ask(SIMILAR, "Lisbon is the capital of Portugal!")
    assert decision.reason is Reason.BELOW_MIN_SIMILARITY
    assert len(book.labels) == kept
    assert bench.grey_zone.slices() == (), "it would not have been served"
    for label in book.labels:
        assert (label.same, label.drawn, label.would_hit, label.tenant) == (True, True, False, "t")
        assert label.features.any()
        assert label.asked @ label.stored == pytest.approx(label.similarity, abs=1e-5)


async def test_labels_of_a_closed_slice_are_a_sample_only_when_they_are_drawn(make_bench: Any) -> None:
    bench = make_bench(draw=0.5, re_ask_share=0.1)
    bench.grey_zone._book = book = Book()
    await bench.ask(CAPITAL, "Lisbon is the capital of Portugal.")
    similarity = (await bench.look_up(bench.request(SIMILAR))).decision.similarity
    for _ in range(5):
        bench.grey_zone.add_label("t", similarity, same=False)
    assert (await bench.ask(SIMILAR, "Madrid, as everybody knows")).reason is Reason.SLICE_CLOSED
    (label,) = book.labels
    assert (label.same, label.drawn, label.would_hit) == (False, False, True)


async def test_a_slice_that_serves_too_many_wrong_hits_closes_and_opens_again(make_bench: Any) -> None:
    bench = make_bench(draw=0.0, re_ask_share=0.5, min_similarity=None, max_error=0.2)
    for _ in range(2):
        bench.grey_zone.add_label("t", 0.97, same=False)
    assert bench.grey_zone.slices()[0].closed
    await bench.ask(CAPITAL, "Lisbon is the capital of Portugal.")
    for _ in range(13):
        bench.grey_zone.add_label("t", 0.97, same=True)
    assert bench.grey_zone.slices()[0].closed, "13 good ones do not prove 20 %"
    bench.grey_zone.add_label("t", 0.97, same=True)
    assert not bench.grey_zone.slices()[0].closed


async def test_a_closed_slice_serves_nothing_and_labels_what_it_would_have_served(make_bench: Any) -> None:
    bench = make_bench()
    await bench.ask(CAPITAL, "Lisbon is the capital of Portugal.")
    similarity = (await bench.look_up(bench.request(SIMILAR))).decision.similarity
    for _ in range(5):
        bench.grey_zone.add_label("t", similarity, same=False)
    decision = await bench.ask(SIMILAR, "Madrid, as everybody knows")
    assert decision.reason is Reason.SLICE_CLOSED
    assert sum(state.labels for state in bench.grey_zone.slices()) >= 1


async def test_a_recalled_entry_is_not_served_until_it_is_renewed(bench: Any) -> None:
    await bench.ask(CAPITAL)
    bench.clock.advance(60)
    entry = (await bench.look_up(bench.request(CAPITAL))).served.entry_id
    bench.grey_zone.recall(entry)
    assert (await bench.ask(CAPITAL, "Lisbon")).reason is Reason.RECALLED
    bench.clock.advance(60)
    assert (await bench.ask(CAPITAL)).reason is Reason.EXACT_MATCH


async def test_a_pair_like_a_wrong_one_is_refused(bench: Any) -> None:
    await bench.ask(CAPITAL)
    asked, stored = await bench.embedder.embed(SIMILAR), await bench.embedder.embed(CAPITAL)
    bench.grey_zone.add_anchor("t", asked, stored)
    assert (await bench.ask(SIMILAR)).reason is Reason.RECALLED


async def test_an_answer_lives_as_long_as_policy_or_the_client_says(make_bench: Any) -> None:
    bench = make_bench(ttl_s=60)
    await bench.ask(CAPITAL, controls={"ttl_s": 10})
    bench.clock.advance(9)
    assert (await bench.ask(CAPITAL)).reason is Reason.EXACT_MATCH
    bench.clock.advance(1)
    assert (await bench.ask(CAPITAL)).reason is Reason.NO_NEIGHBOUR


async def test_off_neither_reads_nor_writes(bench: Any) -> None:
    decision = await bench.ask(CAPITAL, controls={"cache": "off"})
    assert (decision.reason, decision.store_reason) == (Reason.CONTROL_OFF, Reason.CONTROL_OFF)
    assert bench.store.entries == {}


async def test_without_a_tenant_nothing_is_read_or_written(bench: Any) -> None:
    decision = await bench.ask(CAPITAL, tenant=None)
    assert (decision.reason, decision.store_reason) == (Reason.TENANT_UNKNOWN, Reason.TENANT_UNKNOWN)
    assert bench.store.entries == {}


@pytest.mark.swallows
@pytest.mark.parametrize(
    ("failure", "reason"), [(StoreError("x"), Reason.STAGE_FAILED), (QueueFullError("x"), Reason.QUEUE_FULL)]
)
async def test_trouble_is_a_skip_with_the_class_of_the_error(bench: Any, failure: Exception, reason: Reason) -> None:
    bench.store.failure = failure
    decision = await bench.ask(CAPITAL)
    assert (decision.outcome, decision.reason, decision.error) == ("skipped", reason, type(failure).__name__)
    assert decision.store_reason is Reason.STORE_FAILED


@pytest.mark.swallows
async def test_an_embedder_that_fails_is_a_skip_too(bench: Any) -> None:
    bench.embedder.failure = EmbedderError("gone")
    assert (await bench.ask(CAPITAL)).error == "EmbedderError"
