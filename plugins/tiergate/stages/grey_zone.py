"""What is learnt from would-be hits: re-asks that label pairs, slices that close by themselves, wrong hits recalled.

A share of the hits by meaning goes to the model anyway. Whether its answer says the same as the stored one labels the
pair, so the share of wrong hits is watched on a random sample of what is really served, per tenant and band of
similarity. A band that is shown to serve more wrong hits than policy allows closes: from then on every would-be hit of
it is a re-ask, and it opens again once the labels since then prove the bound.

The same share of the look-ups whose neighbour was too unlike to serve is labelled by the answer that the model gives
anyway. Together they are a random sample of all pairs the cache decides on, and that is what a cut is calibrated on.
"""

import logging
import random
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tiergate.decisions import Reason
from tiergate.policy.cache_key import CacheKey
from tiergate.policy.deployment_cuts import PairLabel
from tiergate.policy.error_bound import binomial_tail, upper_error_bound
from tiergate.ports import Neighbour, Vector
from tiergate.settings import SemanticCache as Settings

logger = logging.getLogger("tiergate.grey_zone")

CONFIDENCE = 0.95
ANCHOR_SIMILARITY = 0.95
"""How near both prompts of a pair have to be to those of a wrong hit to be refused with it."""

_BANDS = (0.85, 0.90, 0.95, 0.98)
_LABELS_KEPT = 2_000
_MAX_SLICES = 10_000
_MAX_ANCHORS = 10_000
_ABSENT = object()
_DEFAULT_MAX_ERROR = 0.05
"""The bound that is watched where policy gives a static similarity and no bound."""


@dataclass(slots=True)
class _Slice:
    labels: deque[bool] = field(default_factory=lambda: deque(maxlen=_LABELS_KEPT))
    closed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceState:
    """What the labels of a slice say.

    Attributes:
        tenant: Hashed tenant.
        band: Lower end of the band of similarity.
        labels: Labelled would-be hits.
        wrong: Wrong ones among them.
        error_bound: Upper bound of the share of wrong hits at 95 % confidence; 1 without labels.
        closed: Whether the slice serves nothing.
    """

    tenant: str
    band: float
    labels: int
    wrong: int
    error_bound: float
    closed: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Anchor:
    asked: Vector
    stored: Vector


class LabelBook(Protocol):
    """Keeps what is learnt beyond the life of the process."""

    def add_label(self, label: PairLabel) -> None:
        """Keep a label."""
        ...

    def add_recall(self, entry_id: str, tenant: str, pair: tuple[Vector, Vector] | None) -> None:
        """Keep a recall; `pair` is the prompt that was answered wrongly and the stored one."""
        ...

    def add_renewal(self, entry_id: str) -> None:
        """Take note that a recalled entry holds a new answer."""
        ...


def _draw() -> float:
    return random.random()  # noqa: S311  draws a sample, no secret


class GreyZone:
    """Labels, slices and anchors of one process.

    Args:
        settings: Share of re-asks, and the bound.
        draw: Gives numbers in [0, 1).
        book: Keeps labels and recalls beyond this process; None keeps them in memory only.
    """

    def __init__(self, settings: Settings, *, draw: Callable[[], float] = _draw, book: LabelBook | None = None) -> None:
        self._share, self._draw, self._book = settings.re_ask_share, draw, book
        self._max_error = settings.max_error or _DEFAULT_MAX_ERROR
        self._slices: OrderedDict[tuple[str, float], _Slice] = OrderedDict()
        self._recalled: OrderedDict[str, object] = OrderedDict()
        self._anchors: dict[str, deque[_Anchor]] = {}

    def retune(self, settings: Settings) -> None:
        """Take the share and the bound of another policy; labels, anchors and recalled entries stay."""
        self._share = settings.re_ask_share
        self._max_error = settings.max_error or _DEFAULT_MAX_ERROR

    def find_obstacle(self, key: CacheKey, neighbour: Neighbour, *, vector: Vector | None) -> Reason | None:
        """Return why a would-be hit is not served, or None.

        Args:
            key: What was looked up.
            neighbour: What would be served.
            vector: The prompt's unit vector; None for an exact match, which is only refused when it was recalled.
        """
        if neighbour.answer.entry_id in self._recalled:
            return Reason.RECALLED
        if vector is None or neighbour.exact:
            return None
        if any(_near(anchor, vector, neighbour.answer.vector) for anchor in self._anchors.get(key.tenant, ())):
            return Reason.RECALLED
        state = self._slices.get((key.tenant, band_of(neighbour.similarity)))
        if state is not None and state.closed:
            return Reason.SLICE_CLOSED
        return Reason.RE_ASKED if self.draws() else None

    def draws(self) -> bool:
        """Tell whether this look-up is one of the share that is labelled."""
        return self._share > 0 and self._draw() < self._share

    def add_pair(self, label: PairLabel) -> None:
        """Take a labelled pair and keep it; that of a would-be hit counts for its slice."""
        if self._book is not None:
            self._book.add_label(label)
        if label.would_hit:
            self.add_label(label.tenant, label.similarity, same=label.same)

    def add_label(self, tenant: str, similarity: float, *, same: bool) -> None:
        """Take the label of a re-asked pair; close or open its slice."""
        place = (tenant, band_of(similarity))
        state = self._slices.setdefault(place, _Slice())
        self._slices.move_to_end(place)
        if len(self._slices) > _MAX_SLICES:
            self._slices.popitem(last=False)
        state.labels.append(same)
        wrong, labels = state.labels.count(False), len(state.labels)
        if not state.closed and wrong and _more_wrong_than(self._max_error, wrong, labels):
            state.closed = True
            state.labels.clear()
            logger.warning(
                "semantic_cache slice closed: tenant %s, similarity from %.2f: %d of %d re-asked hits were wrong, "
                "more than max_error %.3g",
                tenant, place[1], wrong, labels, self._max_error,
            )  # fmt: skip
        elif state.closed and upper_error_bound(wrong, labels, CONFIDENCE) <= self._max_error:
            state.closed = False
            logger.warning("semantic_cache slice open again: tenant %s, similarity from %.2f", tenant, place[1])

    def recall(self, entry_id: str, *, tenant: str = "", pair: tuple[Vector, Vector] | None = None) -> None:
        """Never serve an entry again, also after a restart.

        Args:
            entry_id: The entry.
            tenant: Its hashed tenant; empty when not known.
            pair: Unit vectors of the prompt that was answered wrongly and of the stored one: pairs like it are refused.
        """
        if self._book is not None:
            self._book.add_recall(entry_id, tenant, pair)
        self.restore_recall(entry_id, tenant=tenant, pair=pair)

    def restore_recall(self, entry_id: str, *, tenant: str = "", pair: tuple[Vector, Vector] | None = None) -> None:
        """Take a recall that was kept before; see `recall`."""
        self._recalled[entry_id] = None
        if len(self._recalled) > _MAX_ANCHORS:
            self._recalled.popitem(last=False)
        if pair is not None:
            self.add_anchor(tenant, *pair)

    def renew(self, entry_id: str) -> None:
        """Take a recall back: the entry holds a new answer."""
        if self._recalled.pop(entry_id, _ABSENT) is not _ABSENT and self._book is not None:
            self._book.add_renewal(entry_id)

    def restore_renewal(self, entry_id: str) -> None:
        """Take a renewal that was kept before."""
        self._recalled.pop(entry_id, None)

    def add_anchor(self, tenant: str, asked: Vector, stored: Vector) -> None:
        """Refuse pairs like this one from now on: its hit was wrong.

        Args:
            tenant: Hashed tenant.
            asked: Unit vector of the prompt that was answered wrongly.
            stored: Unit vector of the prompt whose answer it got.
        """
        self._anchors.setdefault(tenant, deque(maxlen=_MAX_ANCHORS)).append(_Anchor(asked, stored))

    def slices(self) -> tuple[SliceState, ...]:
        """Return what the labels of every slice say."""
        return tuple(
            SliceState(
                tenant=tenant,
                band=band,
                labels=len(state.labels),
                wrong=state.labels.count(False),
                error_bound=upper_error_bound(state.labels.count(False), len(state.labels), CONFIDENCE),
                closed=state.closed,
            )
            for (tenant, band), state in self._slices.items()
        )


def band_of(similarity: float) -> float:
    """Return the lower end of the band of a cosine; 0 below the lowest band."""
    return max((low for low in _BANDS if similarity >= low), default=0.0)


def _more_wrong_than(max_error: float, wrong: int, labels: int) -> bool:
    """Whether so many wrong ones are shown not to be chance: P(at least `wrong`) at `max_error` is below 5 %."""
    return 1.0 - binomial_tail(wrong - 1, labels, max_error) < 1.0 - CONFIDENCE


def _near(anchor: _Anchor, asked: Vector, stored: Vector) -> bool:
    if not anchor.asked.shape == asked.shape == stored.shape == anchor.stored.shape:
        return False
    return any(
        float(one @ asked) >= ANCHOR_SIMILARITY and float(other @ stored) >= ANCHOR_SIMILARITY
        for one, other in ((anchor.asked, anchor.stored), (anchor.stored, anchor.asked))
    )
