import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra [train]")

from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ConfigurationError
from tiergate.policy.features import FEATURES
from tiergate_classifier.public_domains import (
    CARD,
    FLAGS,
    UNSURE,
    builtin_public_domains_path,
    claims_of,
    compute_public_domains,
    describe_sources,
    load_public_domains,
    read_groups,
    write_public_domains,
)
from tiergate_classifier.shared_tables import LLM_ROUTER, MMLU_PRO, ZERO_EVAL


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    """The public files in small: two rows of MMLU-Pro and two of ZeroEval may only be tested on."""
    router, intents = tmp_path / "router", tmp_path / "intents"
    router.mkdir()
    intents.mkdir()
    options = json.dumps(["yes", "no", "perhaps", "never"])
    tables = {
        MMLU_PRO: [
            {"question_id": str(n), "category": category, "src": src, "question": f"{src} {n}?", "options": options}
            for n, (category, src) in enumerate(
                [("law", "stemez-law"), ("law", "stemez-law"), ("law", "ori_mmlu-law"), ("physics", "ori_mmlu-physics")]
            )
        ],
        ZERO_EVAL: [
            {"task": task, "id": str(n), "prompt": f"{task} {n}"} for n, task in enumerate(["gsm", "gsm", "crux"])
        ],
        LLM_ROUTER: [{"task": "mbpp", "id": "1", "prompt": "write a function"}],
    }
    for name, rows in tables.items():
        with gzip.open(router / name, "wt", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, [*rows[0], "answer", "correct|a"])
            writer.writeheader()
            writer.writerows({**row, "answer": "A", "correct|a": "1"} for row in rows)
    parts = {"train": [["what do i owe", "balance"]], "val": [["flip a coin", "flip_coin"]], "test": []}
    (intents / "clinc150_full.json.gz").write_bytes(gzip.compress(json.dumps(parts).encode()))
    for part in ("train", "test"):
        (intents / f"banking77_{part}.csv").write_text(
            f"text,category\nmy {part} card,card_arrival\n", encoding="utf-8"
        )
    return tmp_path


def test_rows_that_may_only_be_tested_on_are_left_out(shared: Path) -> None:
    texts = [text for group in read_groups(shared).values() for text in group]

    assert not any("ori_mmlu" in text or text.startswith("gsm") for text in texts)
    assert {"flip a coin", "crux 2", "write a function", "my test card"} <= set(texts)


@pytest.mark.parametrize(
    ("source", "group", "claims"),
    [
        ("banking77", "card_arrival", (1, UNSURE, 0, 0)),
        ("clinc150", "balance", (1, 0, 0, 0)),
        ("clinc150", "flip_coin", (0, 0, 0, 0)),
        ("clinc150", "insurance", (UNSURE, UNSURE, 0, 0)),
        ("clinc150", "report_fraud", (1, UNSURE, 0, 0)),
        (MMLU_PRO, "law", (UNSURE, 1, 0, 0)),
        (MMLU_PRO, "physics", (0, 0, 0, 0)),
        (ZERO_EVAL, "crux", (0, 0, 0, 1)),
    ],
)
def test_a_group_says_what_it_belongs_to(source: str, group: str, claims: tuple[int, ...]) -> None:
    assert claims_of(source, group, FLAGS) == claims


def test_what_is_written_is_read_back(shared: Path, tmp_path: Path) -> None:
    public = compute_public_domains(shared, FLAGS, OnnxEmbedder(pool=InferencePool()))
    write_public_domains(tmp_path / "out", public, {"training_data": describe_sources(shared, public)})

    again, card = load_public_domains(tmp_path / "out")

    assert again.groups == public.groups
    np.testing.assert_array_equal(again.claims, public.claims)
    np.testing.assert_array_equal(again.vectors, public.vectors)
    rows = {one["name"]: one["rows"] for one in card["training_data"]}
    assert rows["clinc150_full.json.gz"] == 2
    assert rows[ZERO_EVAL] == 1
    half = again.take(np.array([0]))
    assert half.groups == again.groups[:1]
    assert half.vectors.shape[0] == half.features.shape[0] == half.claims.shape[0] == 1


def test_rows_of_other_features_or_missing_ones_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="make public-domains"):
        load_public_domains(tmp_path)
    public, card = load_public_domains(builtin_public_domains_path())
    write_public_domains(tmp_path, public, card)
    (tmp_path / CARD).write_text(json.dumps({**card, "features": list(FEATURES)[1:]}), encoding="utf-8")

    with pytest.raises(ConfigurationError, match="features"):
        load_public_domains(tmp_path)


def test_what_ships_was_computed_by_the_encoder_that_ships() -> None:
    _, card = load_public_domains(builtin_public_domains_path())

    assert card["encoder"] == OnnxEmbedder(pool=InferencePool()).digest
