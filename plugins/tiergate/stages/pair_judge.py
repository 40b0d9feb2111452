"""What is known of a prompt and a stored one beyond their cosine."""

from dataclasses import dataclass, field, replace

from tiergate.policy.deployment_cuts import DeploymentCuts
from tiergate.policy.pair_features import profile_of
from tiergate.policy.pair_model import PairModel, probability
from tiergate.policy.semantic_cache import PairVerdict, language_of
from tiergate.ports import Embedder, Neighbour, Vector

COMPARED_FROM = 0.5
"""Cosine below which no pair is compared with the pair model: it is a miss. Most look-ups end here, at no cost."""


@dataclass(slots=True)
class CutBook:
    """Holds the cuts of this deployment; a refit puts new ones in force between two look-ups."""

    in_force: DeploymentCuts = field(default_factory=DeploymentCuts)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairJudge:
    """Compares prompts for one policy.

    Attributes:
        embedder: Tells whether a vector stands for the whole text.
        model: P(the same answer serves both); None without one.
        max_error: The bound; None with a static similarity.
        cuts: The cuts that this deployment's labels gave; where it has none, those of the model are in force.
    """

    embedder: Embedder
    model: PairModel | None = None
    max_error: float | None = None
    cuts: CutBook | None = None

    def judge(
        self, prompt: str, vector: Vector, neighbour: Neighbour, *, conversation: bool, min_similarity: float = 0.0
    ) -> PairVerdict:
        """Compare a prompt with its neighbour.

        Args:
            prompt: The text that was looked up.
            vector: Its unit vector, shape (D,).
            neighbour: What was found, with its vector.
            conversation: Whether the texts are conversations. The pair model was calibrated on single turns, so it
                says nothing of them.
            min_similarity: The static similarity in force. Without a bound, a neighbour below it is a miss whatever
                else is known, and is not compared.
        """
        if neighbour.similarity < (min_similarity if self.max_error is None else COMPARED_FROM):
            return PairVerdict() if conversation else self._verdict(neighbour.answer.tenant)
        other = neighbour.answer
        if not (self.embedder.covers(prompt) and self.embedder.covers(other.prompt)):
            return PairVerdict(covered=False)
        one, two = profile_of(prompt), profile_of(other.prompt)
        spoken, stored = language_of(one), language_of(two)
        if self.max_error is None or self.model is None or conversation:
            return PairVerdict(language=spoken, neighbour_language=stored)
        score = self.model.score(one, two, vector, other.vector)
        return replace(
            self._verdict(other.tenant), language=spoken, neighbour_language=stored, probability=probability(score)
        )

    def _verdict(self, tenant: str) -> PairVerdict:
        """Return the cut in force for a tenant and its bound, without a comparison."""
        if self.model is None or self.max_error is None:
            return PairVerdict()
        own = self.cuts.in_force.find(tenant) if self.cuts is not None else None
        cut = own if own is not None else self.model.cut_for(self.max_error)
        if cut is None:
            return PairVerdict()
        minimum = None if cut.min_score is None else probability(cut.min_score)
        return PairVerdict(min_probability=minimum, error_bound=cut.max_error)
