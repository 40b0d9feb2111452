"""Public prompts that show what the safety domains are not, and some that show what they are.

A kernel machine knows nothing of what lies far from its training rows. The project's own prompts leave most of what
people ask an assistant far away, so ordinary requests came near the cut. The vectors computed from public prompts fill
that room. The prompts stay outside the project; what is computed from them (vector, surface features, which domains
they belong to) lies in `public_domains/`, written by `make public-domains`.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ConfigurationError
from tiergate.policy.features import FEATURES
from tiergate_classifier.difficulty import encode
from tiergate_classifier.pair_sources import intent_rows
from tiergate_classifier.shared_tables import (
    LICENCES,
    LLM_ROUTER,
    MMLU_PRO,
    ZERO_EVAL,
    assert_trainable,
    file_digest,
    load_question_sets,
)

FLAGS: Final = ("finance", "legal", "medical", "code")
"""Domains with a yes-or-no head, see `domain_flags`."""

VECTORS: Final = "public_domains.safetensors"
CARD: Final = "public_domains.json"
ROWS_PER_GROUP: Final[Mapping[str, int]] = {"clinc150": 20, "banking77": 5, MMLU_PRO: 80, ZERO_EVAL: 80, LLM_ROUTER: 80}
"""A group is an intent, a category of MMLU-Pro, or a task of the other tables."""

UNSURE: Final = -1
"""Claim of a row of which nobody says whether it belongs to the domain; it is left out of that domain's fit."""

_SEED: Final = 20_261_124
_INTENT_FILES: Final = {
    "clinc150": (("clinc150_full.json.gz",), "CC-BY-3.0"),
    "banking77": (("banking77_train.csv", "banking77_test.csv"), "CC-BY-4.0"),
}
_MONEY_INTENTS: Final = frozenset(
    [
        "transfer",
        "transactions",
        "balance",
        "freeze_account",
        "pay_bill",
        "bill_balance",
        "bill_due",
        "interest_rate",
        "routing",
        "min_payment",
        "pin_change",
        "report_fraud",
        "account_blocked",
        "spending_history",
        "credit_score",
        "report_lost_card",
        "credit_limit",
        "rewards_balance",
        "new_card",
        "application_status",
        "card_declined",
        "international_fees",
        "apr",
        "redeem_rewards",
        "credit_limit_change",
        "damaged_card",
        "replacement_card_duration",
        "improve_credit_score",
        "expiration_date",
        "taxes",
        "w2",
        "income",
        "payday",
        "rollover_401k",
        "direct_deposit",
        "exchange_rate",
    ]
)
_UNSURE_INTENTS: Final = frozenset(
    ["insurance", "insurance_change", "international_visa", "tip", "travel_notification", "car_rental", "order_checks"]
)
_CLAIMS: Final[Mapping[str, Mapping[str, str]]] = {
    MMLU_PRO: {
        "law": "legal finance?",
        "business": "finance?",
        "economics": "finance?",
        "health": "medical finance? legal?",
        "biology": "medical?",
        "psychology": "medical?",
        "history": "legal?",
        "philosophy": "legal?",
        "computer science": "code?",
        "other": "finance? legal? medical?",
    },
    ZERO_EVAL: {"crux": "code"},
    LLM_ROUTER: {
        "mbpp": "code",
        "human_eval": "code",
        "natural_qa": "finance? legal? medical?",
        "trivia_qa": "finance? legal? medical?",
        "commonsense_qa": "finance? legal?",
        "openbook_qa": "medical?",
        "arc_challenge": "medical?",
    },
}
"""What a group belongs to, `?` where its rows differ; to nothing else."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PublicDomains:
    """What was computed from n public prompts.

    Attributes:
        domains: Names of the claims, L of them.
        groups: "source/group", length n.
        claims: 1 belongs to the domain, 0 does not, `UNSURE`; int8, shape (n, L).
        vectors: float16, shape (n, D).
        features: In the order of `FEATURES`, float16, shape (n, F).
    """

    domains: tuple[str, ...]
    groups: tuple[str, ...]
    claims: NDArray[np.int8]
    vectors: NDArray[np.float16]
    features: NDArray[np.float16]

    def take(self, places: NDArray[np.int64]) -> "PublicDomains":
        """Return some of the rows."""
        return PublicDomains(
            domains=self.domains,
            groups=tuple(self.groups[place] for place in places),
            claims=self.claims[places],
            vectors=self.vectors[places],
            features=self.features[places],
        )


def claims_of(source: str, group: str, domains: Sequence[str]) -> tuple[int, ...]:
    """Return the claim of each domain on a group of a source."""
    if source == "banking77":
        said = "finance legal?"
    elif source == "clinc150":
        said = "finance" if group in _MONEY_INTENTS else ""
        said = "finance? legal?" if group in _UNSURE_INTENTS else said
        said = "finance legal?" if group == "report_fraud" else said
    else:
        said = _CLAIMS[source].get(group, "")
    words = said.split()
    return tuple(1 if name in words else UNSURE if f"{name}?" in words else 0 for name in domains)


def read_groups(shared: Path) -> dict[tuple[str, str], list[str]]:
    """Read the public prompts by (source, group), without those that may only be tested on.

    An MMLU-Pro category holds its questions twice: bare, and with options listed.

    Args:
        shared: Folder with `router/` and `intents/`.

    Raises:
        ConfigurationError: A file cannot be read.
    """
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for source in _INTENT_FILES:
        for text, intent in intent_rows(shared, source):
            groups[source, intent].append(text)
    for options in (False, True):
        sets = [one for one in load_question_sets(shared / "router", options=options) if not one.held_out]
        assert_trainable(sets)
        for one in sets:
            if options and one.file != MMLU_PRO:
                continue
            for prompt, category in zip(one.prompts, one.categories, strict=True):
                groups[one.file, category if one.file == MMLU_PRO else one.name].append(prompt)
    return {key: list(dict.fromkeys(groups[key])) for key in sorted(groups)}


def compute_public_domains(shared: Path, domains: Sequence[str], embedder: OnnxEmbedder) -> PublicDomains:
    """Draw `ROWS_PER_GROUP` prompts of each group and encode them.

    Raises:
        ConfigurationError: A file cannot be read.
        EmbedderError: The encoder failed.
    """
    prompts, groups, claims = [], [], []
    rng = np.random.default_rng(_SEED)
    for (source, group), texts in read_groups(shared).items():
        drawn = rng.permutation(len(texts))[: ROWS_PER_GROUP[source]].tolist()
        prompts += [texts[place] for place in drawn]
        groups += [f"{source.partition('.')[0]}/{group}"] * len(drawn)
        claims += [claims_of(source, group, domains)] * len(drawn)
    vectors, features = encode(prompts, embedder)
    return PublicDomains(
        domains=tuple(domains),
        groups=tuple(groups),
        claims=np.array(claims, dtype=np.int8),
        vectors=vectors.astype(np.float16),
        features=features.astype(np.float16),
    )


def builtin_public_domains_path() -> Path:
    """Return the folder of what ships."""
    return Path(str(files("tiergate_classifier"))) / "public_domains"


def write_public_domains(folder: Path, public: PublicDomains, card: Mapping[str, Any]) -> None:
    """Write the rows and what they were computed from."""
    folder.mkdir(parents=True, exist_ok=True)
    names = sorted(set(public.groups))
    tensors = {
        "vectors": public.vectors,
        "features": public.features,
        "claims": public.claims,
        "groups": np.array([names.index(group) for group in public.groups], dtype=np.int16),
    }
    (folder / VECTORS).write_bytes(save_tensors(tensors))
    told = {**card, "features": list(FEATURES), "domains": list(public.domains), "groups": names}
    (folder / CARD).write_text(json.dumps(told, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load_public_domains(folder: Path) -> tuple[PublicDomains, dict[str, Any]]:
    """Read the rows and their card.

    Raises:
        ConfigurationError: A file is missing, or the rows hold other features than this version computes.
    """
    try:
        tensors = load_tensors((folder / VECTORS).read_bytes())
        card: dict[str, Any] = json.loads((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise ConfigurationError(folder, "", f"cannot be read ({exc})", "rebuild it: make public-domains") from exc
    if card.get("features") != list(FEATURES):
        raise ConfigurationError(folder / CARD, "features", "are not those of this version", "run make public-domains")
    names = tensors.pop("groups").tolist()
    return PublicDomains(
        domains=tuple(card["domains"]), groups=tuple(card["groups"][place] for place in names), **tensors
    ), card


def describe_sources(shared: Path, public: PublicDomains) -> list[dict[str, Any]]:
    """Return name, digest, licence and number of rows of each file, as a manifest states training data."""
    told = []
    for source, (names, licence) in _INTENT_FILES.items():
        rows = sum(group.startswith(f"{source}/") for group in public.groups)
        told += [
            {"name": name, "digest": file_digest(shared / "intents" / name), "licence": licence, "rows": rows}
            for name in names
        ]
    for name, licence in LICENCES.items():
        rows = sum(group.startswith(f"{name.partition('.')[0]}/") for group in public.groups)
        told.append({"name": name, "digest": file_digest(shared / "router" / name), "licence": licence, "rows": rows})
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the public rows of the safety domains from the shared data."""
    parser = argparse.ArgumentParser(prog="python -m tiergate_classifier.public_domains", description=main.__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with `router` and `intents`")
    parser.add_argument("--out", type=Path, default=builtin_public_domains_path(), help="folder to write to")
    options = parser.parse_args(arguments)
    embedder = OnnxEmbedder(pool=InferencePool())
    public = compute_public_domains(options.data, FLAGS, embedder)
    card = {"encoder": embedder.digest, "training_data": describe_sources(options.data, public)}
    write_public_domains(options.out, public, card)


if __name__ == "__main__":
    main()
