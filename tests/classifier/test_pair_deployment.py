"""`calibrate cache` on labels of a deployment: its cut, its own scopes, and a model that a proxy can load."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tiergate.adapters.pair_label_file import PairLabelFile
from tiergate.errors import ConfigurationError
from tiergate.pair_artifact import builtin_pair_model_path, load_pair_model
from tiergate.policy.deployment_cuts import PairLabel, usable
from tiergate.policy.pair_features import FEATURES
from tiergate_classifier.pair_deployment import calibrate_deployment, write_deployment

COSINE, NUMBERS = FEATURES.index("cosine"), FEATURES.index("numbers_changed")
DIMENSIONS = load_pair_model(builtin_pair_model_path()).dimensions


def labels(count: int, **changes: Any) -> list[PairLabel]:
    rng = np.random.default_rng(3)
    made = []
    for number in range(count):
        features = np.zeros(len(FEATURES), dtype=np.float32)
        features[COSINE], features[NUMBERS] = rng.uniform(0.5, 1.0), rng.random() < 0.3
        asked, stored = rng.normal(size=(2, DIMENSIONS)).astype(np.float32) / np.sqrt(DIMENSIONS)
        same = bool(rng.random() < 1 / (1 + np.exp(-60 * (features[COSINE] - 0.7) + 60 * features[NUMBERS])))
        label = PairLabel(
            ts=1.0 + number, tenant="big" if number % 4 else "small", entry_id="e", similarity=float(features[COSINE]),
            same=same, would_hit=False, drawn=True, features=features, asked=asked, stored=stored,
        )  # fmt: skip
        made.append(replace(label, **changes))
    return made


def write(folder: Path, rows: list[PairLabel]) -> Path:
    file = PairLabelFile(folder / "labels.jsonl")
    for row in rows:
        file.add_label(row)
    return file.path


def test_the_cut_of_the_whole_and_of_a_tenant_with_enough_labels(tmp_path: Path) -> None:
    file = write(tmp_path, [*labels(1200), *labels(5, drawn=False)])
    found = calibrate_deployment(file, builtin_pair_model_path(), max_error=0.05, min_scope_labels=800)
    figures = found.figures()
    assert (figures["n"], figures["left_out"], figures["refitted"]) == (1200, 5, True)
    assert figures["cut"]["controls"]
    assert figures["cut"]["error_bound"] <= 0.05
    assert figures["cut"]["hits"] > 300
    assert set(figures["scopes"]) == {"big"}
    assert figures["scopes"]["big"]["n"] == 900


def test_a_proxy_loads_what_was_written_and_counts_only_newer_labels_against_it(tmp_path: Path) -> None:
    rows = labels(700)
    file, base, out = write(tmp_path, rows), builtin_pair_model_path(), tmp_path / "pairs"
    found = calibrate_deployment(file, base, max_error=0.05)
    write_deployment(found, file, base, out)
    loaded = load_pair_model(out)
    assert loaded.cuts[0.05].min_score == pytest.approx(found.found.model.cuts[0.05].min_score)
    assert loaded.fitted_until > 1_700_000_000
    assert usable(rows, loaded) == [], "the fit has seen them"
    assert len(usable([replace(row, ts=loaded.fitted_until + 1) for row in rows], loaded)) == 700
    assert load_pair_model(base).fitted_until == 0
    assert "700 pairs" in (out / "card.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("count", "max_error", "said"), [(299, 0.05, "299 labels"), (400, 1.5, "max-error")])
def test_what_cannot_be_calibrated_says_why(tmp_path: Path, count: int, max_error: float, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        calibrate_deployment(write(tmp_path, labels(count)), builtin_pair_model_path(), max_error=max_error)
