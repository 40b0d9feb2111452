"""Labels, slices, recalls and anchors, each by itself."""

from typing import Any

import numpy as np
import pytest

from tiergate.decisions import Reason
from tiergate.policy.cache_key import CacheKey
from tiergate.policy.deployment_cuts import PairLabel
from tiergate.ports import Neighbour, StoredAnswer, Vector
from tiergate.settings import SemanticCache as Settings
from tiergate.stages.grey_zone import ANCHOR_SIMILARITY, GreyZone, band_of


def unit(*values: float) -> Vector:
    vector = np.array(values, dtype=np.float32)
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


ASKED, STORED, FAR = unit(1, 0, 0), unit(1, 0.1, 0), unit(0, 0, 1)


class Book:
    """Notes what it is asked to keep."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, Any]] = []

    def add_label(self, label: PairLabel) -> None:
        self.lines.append(("label", label))

    def add_recall(self, entry_id: str, tenant: str, pair: tuple[Vector, Vector] | None) -> None:
        self.lines.append(("recall", (entry_id, tenant, pair)))

    def add_renewal(self, entry_id: str) -> None:
        self.lines.append(("renewal", entry_id))


def zone(*, draw: float = 1.0, book: Book | None = None, **settings: Any) -> GreyZone:
    return GreyZone(Settings(**{"max_error": 0.2, **settings}), draw=lambda: draw, book=book)


def key(tenant: str = "t") -> CacheKey:
    return CacheKey(tenant=tenant, context_key="c", prompt="p", entry_id="asked", conversation=False)


def neighbour(*, similarity: float = 0.97, exact: bool = False, vector: Vector = STORED) -> Neighbour:
    answer = StoredAnswer(
        entry_id="e", tenant="t", context_key="c", prompt="q", vector=vector, body={}, tier="simple", confidence=1.0,
        cost_usd=0.0, stored_at=0.0, expires_at=1.0,
    )  # fmt: skip
    return Neighbour(answer=answer, similarity=similarity, exact=exact)


def label(**changes: Any) -> PairLabel:
    fields: dict[str, Any] = {
        "ts": 1.0, "tenant": "t", "entry_id": "e", "similarity": 0.97, "same": True, "would_hit": True, "drawn": True,
        "features": np.zeros(2, dtype=np.float32), "asked": ASKED, "stored": STORED,
    }  # fmt: skip
    return PairLabel(**{**fields, **changes})


@pytest.mark.parametrize(("similarity", "band"), [(0.2, 0.0), (0.85, 0.85), (0.949, 0.90), (0.95, 0.95), (1.0, 0.98)])
def test_a_band_begins_at_its_lower_end(similarity: float, band: float) -> None:
    assert band_of(similarity) == band


@pytest.mark.parametrize(("share", "draw", "drawn"), [(0.1, 0.05, True), (0.1, 0.1, False), (0.0, 0.0, False)])
def test_the_share_that_is_labelled_is_drawn(share: float, draw: float, *, drawn: bool) -> None:
    one = zone(draw=draw, re_ask_share=share)
    assert one.draws() is drawn
    assert one.find_obstacle(key(), neighbour(), vector=ASKED) is (Reason.RE_ASKED if drawn else None)
    assert one.find_obstacle(key(), neighbour(exact=True), vector=ASKED) is None


def test_wrong_labels_close_a_slice_and_right_ones_open_it() -> None:
    one = zone()
    for _ in range(2):
        one.add_pair(label(same=False))
    assert one.find_obstacle(key(), neighbour(), vector=ASKED) is Reason.SLICE_CLOSED
    assert one.find_obstacle(key(), neighbour(similarity=0.91), vector=ASKED) is None
    assert one.find_obstacle(key("other"), neighbour(), vector=ASKED) is None
    for _ in range(14):
        one.add_pair(label())
    (state,) = one.slices()
    assert (state.closed, state.labels, state.wrong) == (False, 14, 0)
    assert state.error_bound == pytest.approx(1 - 0.05 ** (1 / 14), abs=1e-6)


def test_a_pair_that_would_not_have_been_served_counts_for_no_slice() -> None:
    book = Book()
    one = zone(book=book)
    one.add_pair(label(would_hit=False, same=False))
    assert one.slices() == ()
    assert [kind for kind, _ in book.lines] == ["label"]


def test_another_policy_changes_share_and_bound_and_forgets_nothing() -> None:
    one = zone(draw=0.3)
    one.recall("e")
    one.add_pair(label())
    one.retune(Settings(max_error=0.5, re_ask_share=0.5))
    assert one.draws()
    assert one.find_obstacle(key(), neighbour(), vector=None) is Reason.RECALLED
    assert len(one.slices()) == 1


def test_a_recalled_entry_is_refused_until_it_holds_a_new_answer_and_both_are_kept() -> None:
    book = Book()
    one = zone(book=book)
    one.recall("e", tenant="t", pair=(ASKED, STORED))
    assert one.find_obstacle(key(), neighbour(exact=True), vector=None) is Reason.RECALLED
    one.renew("e")
    one.renew("e")
    assert one.find_obstacle(key(), neighbour(exact=True), vector=None) is None
    assert [kind for kind, _ in book.lines] == ["recall", "renewal"]


def test_what_is_restored_is_not_kept_again() -> None:
    book = Book()
    one = zone(book=book)
    one.restore_recall("e")
    one.restore_recall("f", tenant="t", pair=(ASKED, STORED))
    one.restore_renewal("f")
    assert one.find_obstacle(key(), neighbour(exact=True), vector=None) is Reason.RECALLED
    assert one.find_obstacle(key(), neighbour(vector=FAR), vector=FAR) is Reason.RECALLED
    assert book.lines == []


@pytest.mark.parametrize(
    ("asked", "stored", "refused"),
    [
        (ASKED, STORED, True),
        (STORED, ASKED, True),
        (unit(1, 0.05, 0), STORED, True),
        (ASKED, FAR, False),
        (FAR, STORED, False),
        (unit(1, 0), unit(1, 0), False),
    ],
)
def test_pairs_near_a_wrong_one_are_refused_either_way_round(asked: Vector, stored: Vector, *, refused: bool) -> None:
    one = zone()
    one.add_anchor("t", ASKED, STORED)
    found = one.find_obstacle(key(), neighbour(vector=stored), vector=asked)
    assert found is (Reason.RECALLED if refused else None)
    assert one.find_obstacle(key("other"), neighbour(vector=stored), vector=asked) is None
    assert 0.9 < ANCHOR_SIMILARITY < 1.0
