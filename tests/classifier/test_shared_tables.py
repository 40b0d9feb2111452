import gzip
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("sklearn", reason="needs the extra [train]")

from tiergate_classifier.shared_tables import (
    LLM_ROUTER,
    MMLU_PRO,
    ZERO_EVAL,
    LeakError,
    assert_trainable,
    is_held_out,
    load_question_sets,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tables = {
        MMLU_PRO: "question_id,category,src,question,options,answer,correct|m\n"
        '1,law,ori_mmlu-law,Q1?,"[""a"", ""b"", ""c"", ""d"", ""e""]",B,1\n'
        '2,physics,stemez-physics,Q2?,"[""a"", ""b"", ""c"", ""d"", ""e""]",E,0\n',
        ZERO_EVAL: "task,id,prompt,gold,correct|m,correct|never\ngsm,g1,P1,1,1,\ncrux,c1,P2,1,0,\n",
        LLM_ROUTER: "id,task,prompt,correct|m\nt1,trivia_qa,P3,0.5\n",
    }
    for name, text in tables.items():
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))
    return tmp_path


@pytest.mark.parametrize(
    ("file", "source", "held_out"),
    [
        (MMLU_PRO, "ori_mmlu-law", True),
        (MMLU_PRO, "stemez-physics", False),
        (ZERO_EVAL, "gsm", True),
        (ZERO_EVAL, "math-l5", False),
        (LLM_ROUTER, "math", False),
    ],
)
def test_mmlu_and_gsm8k_may_only_be_tested_on(
    file: str,
    source: str,
    held_out: bool,  # noqa: FBT001 - a parameter of the table above
) -> None:
    assert is_held_out(file, source) is held_out


def test_training_on_a_held_out_set_is_refused(folder: Path) -> None:
    sets = load_question_sets(folder)

    with pytest.raises(LeakError, match="ori_mmlu"):
        assert_trainable(sets)
    assert_trainable([one for one in sets if not one.held_out])


def test_the_options_shown_are_four_and_hold_the_right_one(folder: Path) -> None:
    (stem,) = [one for one in load_question_sets(folder) if one.name == "stemez"]

    question, *options = stem.prompts[0].splitlines()
    assert question == "Q2?"
    assert [line[:3] for line in options] == ["A. ", "B. ", "C. ", "D. "]
    assert "e" in {line[3:] for line in options}


def test_models_that_were_not_run_are_left_out(folder: Path) -> None:
    (crux,) = [one for one in load_question_sets(folder) if one.name == "crux"]

    assert crux.models == ("m",)
    np.testing.assert_array_equal(crux.difficulty(), [1.0])
