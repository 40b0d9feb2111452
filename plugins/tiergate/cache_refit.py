"""Finds the cache's cuts anew in the background, from the labels of this deployment, and puts them in force."""

import logging
import threading
import time
from collections.abc import Callable

from tiergate.adapters.pair_label_file import PairLabelFile
from tiergate.policy.deployment_cuts import DeploymentCuts, decide_deployment_cuts
from tiergate.stages.pair_judge import CutBook
from tiergate.stages.semantic_cache import SemanticCache

_logger = logging.getLogger(__name__)
_LOOK_EVERY_S = 30.0
"""How often it is looked whether a reload put another policy in force, whose cuts are not decided yet."""


class CacheRefit:
    """A thread that decides the cuts at the start, after a reload, and every `semantic_cache.refit_every_s`.

    Args:
        cache: Returns the cache in force.
        labels: What the cache learnt; other workers may write to it too.
        look_every_s: How often it is looked whether a refit is due.
    """

    def __init__(
        self, cache: Callable[[], SemanticCache], labels: PairLabelFile, *, look_every_s: float = _LOOK_EVERY_S
    ) -> None:
        self._cache, self._labels, self._look_every_s = cache, labels, look_every_s
        self._book: CutBook | None = None
        self._refitted_at = float("-inf")
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tiergate-cache-refit", daemon=True)

    def start(self) -> None:
        """Begin; the first refit comes at once."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def refit(self) -> DeploymentCuts | None:
        """Decide the cuts now and put them in force.

        Returns:
            The cuts; None when the policy has no bound or no pair model.
        """
        judge = self._cache().judge
        if judge is None or judge.model is None or judge.max_error is None or judge.cuts is None:
            return None
        cuts = decide_deployment_cuts(self._labels.labels(), judge.model, judge.max_error)
        if cuts.overall != judge.cuts.in_force.overall:
            _logger.warning("semantic_cache cut of this deployment: %s", describe_cuts(cuts))
        judge.cuts.in_force = cuts
        self._book, self._refitted_at = judge.cuts, time.monotonic()
        return cuts

    def _run(self) -> None:
        while True:
            cache = self._cache()
            other = cache.judge is not None and cache.judge.cuts is not self._book
            if other or time.monotonic() - self._refitted_at >= cache.settings.refit_every_s:
                self.refit()
            if self._stopped.wait(min(self._look_every_s, cache.settings.refit_every_s)):
                return


def describe_cuts(cuts: DeploymentCuts) -> str:
    """Return in words what a refit decided."""
    cut = cuts.overall
    if cut is None:
        return f"none, with {cuts.labelled} labels"
    if cut.min_score is None:
        return f"no cut controls max_error {cut.max_error:g} with {cut.labelled} labels; exact matches only"
    return (
        f"log-odds from {cut.min_score:.3f}, {cut.errors} of {cut.hits} labelled hits wrong, upper bound "
        f"{cut.error_bound:.4f} at {cut.confidence:.0%}, {cut.labelled} labels, {len(cuts.scopes)} scopes of their own"
    )
