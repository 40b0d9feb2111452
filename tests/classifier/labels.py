"""Made-up labelled rows under a hidden rule, and a policy for them."""

from typing import Any

import numpy as np

from tiergate.artifact import Artifact, builtin_artifact_path, load_artifact
from tiergate.policy.features import FEATURES
from tiergate.settings import Policy
from tiergate_classifier.label_rows import HELD_OUT, TRAIN, LabelRow

BASE: Artifact = load_artifact(builtin_artifact_path())
DIMENSIONS = BASE.manifest.encoder.dimensions
COSTS = {"simple": 0.1, "medium": 0.5, "frontier": 1.0}


def policy_of(**sections: Any) -> Policy:
    tiers = [{"name": name, "model_group": f"tier-{name}"} for name in BASE.tiers]
    return Policy.model_validate({"tiers": tiers, **sections})


def label_row(name: str, seed: int = 0, **fields: Any) -> LabelRow:
    random = np.random.default_rng(seed)
    vector = random.normal(size=DIMENSIONS)
    features = dict.fromkeys(FEATURES, 0.5)
    given: dict[str, Any] = {"embedding": (vector / np.linalg.norm(vector)).astype(np.float32), "features": features}
    return LabelRow(id=name, **(given | fields))


def hidden_rule_rows(n: int = 200, seed: int = 0, *, flip: bool = False) -> tuple[LabelRow, ...]:
    """Rows whose cheap answer is wrong exactly when the first dimension is negative (positive with `flip`)."""
    random = np.random.default_rng(seed)
    rows = []
    for at in range(n):
        vector = random.normal(size=DIMENSIONS) * 0.3
        vector[0] = (3.0 if random.random() < 0.5 else -3.0) + 0.3 * random.normal()
        good = float(bool(vector[0] > 0) is not flip)
        rows.append(
            LabelRow(
                id=f"{seed}-{at}",
                embedding=(vector / np.linalg.norm(vector)).astype(np.float32),
                features=dict(zip(FEATURES, random.random(len(FEATURES)).tolist(), strict=True)),
                domain="code" if at % 2 else "legal",
                quality={"simple": good, "medium": good, "frontier": 1.0},
                cost_usd=COSTS,
                split=HELD_OUT if at % 3 == 0 else TRAIN,
            )
        )
    return tuple(rows)
