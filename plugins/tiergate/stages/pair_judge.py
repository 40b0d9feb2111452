"""What is known of a prompt and a stored one beyond their cosine."""

from dataclasses import dataclass, field

from tiergate.policy.deployment_cuts import DeploymentCuts
from tiergate.policy.pair_features import profile_of
from tiergate.policy.pair_model import PairModel, probability
from tiergate.policy.semantic_cache import PairVerdict, language_of
from tiergate.ports import Embedder, Neighbour, Vector


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

    def judge(self, prompt: str, vector: Vector, neighbour: Neighbour, *, conversation: bool) -> PairVerdict:
        """Compare a prompt with its neighbour.

        Args:
            prompt: The text that was looked up.
            vector: Its unit vector, shape (D,).
            neighbour: What was found, with its vector.
            conversation: Whether the texts are conversations. The pair model was calibrated on single turns, so it
                says nothing of them.
        """
        other = neighbour.answer
        if not (self.embedder.covers(prompt) and self.embedder.covers(other.prompt)):
            return PairVerdict(covered=False)
        one, two = profile_of(prompt), profile_of(other.prompt)
        spoken, stored = language_of(one), language_of(two)
        if self.max_error is None or self.model is None or conversation:
            return PairVerdict(language=spoken, neighbour_language=stored)
        own = self.cuts.in_force.find(other.tenant) if self.cuts is not None else None
        cut = own if own is not None else self.model.cut_for(self.max_error)
        score = self.model.score(one, two, vector, other.vector)
        return PairVerdict(
            language=spoken,
            neighbour_language=stored,
            probability=probability(score),
            min_probability=None if cut is None or cut.min_score is None else probability(cut.min_score),
            error_bound=None if cut is None else cut.max_error,
        )
