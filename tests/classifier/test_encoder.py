"""The encoder build, on a small random model: `make .venv/.encoder` installs what it needs."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="requirements/encoder.txt is not installed")

import onnxruntime
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel

from tiergate.adapters.encoder_folder import load_encoder_folder
from tiergate.errors import ArtifactError
from tiergate_classifier.encoder import build_encoder, fidelity_sentences
from tiergate_classifier.encoder_graph import BertShape, build_graph

LAYERS, HEADS, SIZE, WIDE, WORDS, POSITIONS = 2, 4, 32, 64, 50, 128
Weights = dict[str, NDArray[np.float32]]


@pytest.fixture
def weights() -> Weights:
    random = np.random.default_rng(0)

    def draw(*shape: int) -> NDArray[np.float32]:
        return random.normal(scale=0.3, size=shape).astype(np.float32)

    made = {
        "embeddings.word_embeddings.weight": draw(WORDS, SIZE),
        "embeddings.position_embeddings.weight": draw(POSITIONS, SIZE),
        "embeddings.token_type_embeddings.weight": draw(2, SIZE),
    }
    norms = ["embeddings.LayerNorm"]
    dense: dict[str, tuple[int, int]] = {}
    for layer in range(LAYERS):
        key = f"encoder.layer.{layer}"
        dense |= {f"{key}.attention.self.{part}": (SIZE, SIZE) for part in ("query", "key", "value")}
        dense[f"{key}.attention.output.dense"] = (SIZE, SIZE)
        dense[f"{key}.intermediate.dense"] = (WIDE, SIZE)
        dense[f"{key}.output.dense"] = (SIZE, WIDE)
        norms += [f"{key}.attention.output.LayerNorm", f"{key}.output.LayerNorm"]
    for name, shape in dense.items():
        made |= {f"{name}.weight": draw(*shape), f"{name}.bias": draw(shape[0])}
    for name in norms:
        made |= {f"{name}.weight": 1.0 + draw(SIZE), f"{name}.bias": draw(SIZE)}
    return made


def reference(weights: Weights, ids: list[int]) -> NDArray[np.float64]:
    """BERT (Devlin et al. 2019) and mean pooling, in plain numpy."""

    def linear(name: str, source: NDArray[np.float64]) -> NDArray[np.float64]:
        return source @ weights[f"{name}.weight"].T.astype(float) + weights[f"{name}.bias"]

    def norm(name: str, source: NDArray[np.float64]) -> NDArray[np.float64]:
        centred = source - source.mean(axis=-1, keepdims=True)
        scaled = centred / np.sqrt(centred.var(axis=-1, keepdims=True) + 1e-12)
        return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def gelu(value: NDArray[np.float64]) -> NDArray[np.float64]:
        return value * 0.5 * (1.0 + np.vectorize(math.erf)(value / np.sqrt(2.0)))

    table = weights["embeddings.word_embeddings.weight"].astype(float)
    positions = weights["embeddings.position_embeddings.weight"][: len(ids)]
    hidden = norm(
        "embeddings.LayerNorm", table[ids] + positions + weights["embeddings.token_type_embeddings.weight"][0]
    )
    for layer in range(LAYERS):
        key = f"encoder.layer.{layer}"
        query, keys, value = (
            linear(f"{key}.attention.self.{part}", hidden).reshape(len(ids), HEADS, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )
        scores = np.exp(query @ keys.transpose(0, 2, 1) / np.sqrt(SIZE / HEADS))
        mixed = (scores / scores.sum(axis=-1, keepdims=True) @ value).transpose(1, 0, 2).reshape(len(ids), SIZE)
        out = f"{key}.attention.output"
        hidden = norm(f"{out}.LayerNorm", linear(f"{out}.dense", mixed) + hidden)
        wide = gelu(linear(f"{key}.intermediate.dense", hidden))
        hidden = norm(f"{key}.output.LayerNorm", linear(f"{key}.output.dense", wide) + hidden)
    mean = hidden.mean(axis=0)
    unit: NDArray[np.float64] = mean / np.linalg.norm(mean)
    return unit


def test_the_graph_is_bert_with_mean_pooling(weights: Weights) -> None:
    shape = BertShape(layers=LAYERS, heads=HEADS, dimensions=SIZE, epsilon=1e-12)
    model = build_graph(weights, shape).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    ids = np.array([[3, 1, 4, 1, 5, 9], [2, 7, 1, 0, 0, 0]], dtype=np.int64)
    mask = np.array([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]], dtype=np.int64)
    rows = session.run(None, {"input_ids": ids, "attention_mask": mask})[0]
    assert rows[0] == pytest.approx(reference(weights, [3, 1, 4, 1, 5, 9]), abs=1e-5)
    assert rows[1] == pytest.approx(reference(weights, [2, 7, 1]), abs=1e-5)


@pytest.fixture
def source(weights: Weights, tmp_path: Path) -> Path:
    folder = tmp_path / "fp32"
    folder.mkdir()
    save_file(weights, folder / "model.safetensors")
    config = {
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "hidden_size": SIZE,
        "layer_norm_eps": 1e-12,
    }
    (folder / "config.json").write_text(json.dumps(config))
    words = {"[UNK]": 0, **{letter: number for number, letter in enumerate("abcdefghij", start=1)}}
    tokenizer = Tokenizer(WordLevel(words, unk_token="[UNK]"))
    tokenizer.enable_truncation(5)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def test_the_build_writes_a_folder_that_loads_and_the_same_bytes_again(source: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    fidelity = build_encoder(source, first)
    build_encoder(source, second)
    for name in ("model.onnx", "tokenizer.json", "manifest.json", "card.md"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    folder = load_encoder_folder(first)
    assert (folder.dimensions, folder.pooling) == (SIZE, "graph")
    assert fidelity.n == len(fidelity_sentences())
    assert 0.95 < fidelity.cosine_p01 <= fidelity.cosine_mean <= 1.0
    assert json.loads((first / "tokenizer.json").read_text())["truncation"] is None


def test_missing_weights_are_named(source: Path, tmp_path: Path) -> None:
    (source / "model.safetensors").unlink()
    with pytest.raises(ArtifactError, match=r"model\.safetensors"):
        build_encoder(source, tmp_path / "out")
