import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tiergate.adapters.encoder_folder import builtin_encoder
from tiergate.adapters.inference_pool import InferencePool
from tiergate.adapters.onnx_embedder import OnnxEmbedder
from tiergate.errors import ArtifactError, EmbedderError


@pytest.fixture
async def pool() -> AsyncIterator[InferencePool]:
    made = InferencePool()
    yield made
    await made.aclose()


@pytest.fixture
def embedder(pool: InferencePool) -> OnnxEmbedder:
    return OnnxEmbedder(pool=pool)


async def test_a_paraphrase_is_nearer_than_another_question(embedder: OnnxEmbedder) -> None:
    first, paraphrase, other = [
        await embedder.embed(text)
        for text in (
            "How do I reset my password?",
            "how can I change my password",
            "What is the capital of France?",
        )
    ]
    assert first @ paraphrase > 0.75
    assert first @ other < 0.3


async def test_vectors_are_float32_of_length_one(embedder: OnnxEmbedder) -> None:
    vector = await embedder.embed("Hello")
    assert (vector.dtype, vector.shape) == (np.float32, (embedder.dimensions,))
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


async def test_a_batch_gives_the_same_vectors_as_one_by_one(embedder: OnnxEmbedder) -> None:
    texts = ["short", "a much longer text about " + "many things " * 30, ""]
    batch = embedder.embed_batch(texts)
    assert batch.shape == (3, 384)
    for text, row in zip(texts, batch, strict=True):
        assert np.array_equal(await embedder.embed(text), row)
    assert embedder.embed_batch([]).shape == (0, 384)


async def test_of_a_long_text_both_ends_count_and_the_middle_does_not(embedder: OnnxEmbedder) -> None:
    head, tail = "cats " * 80, "boats " * 80
    whole = await embedder.embed(head + "stones " * 50 + tail)
    assert np.array_equal(whole, await embedder.embed(head + "trains " * 500 + tail))
    assert not np.array_equal(whole, await embedder.embed("dogs " * 80 + "stones " * 50 + tail))
    assert not np.array_equal(whole, await embedder.embed(head + "stones " * 50 + "cars " * 80))


@pytest.mark.parametrize(("words", "fits"), [(126, True), (127, False), (100_000, False)])
def test_covers_tells_whether_a_text_fits_the_window(embedder: OnnxEmbedder, words: int, *, fits: bool) -> None:
    assert embedder.covers("a " * words) is fits


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec=None), max_size=400))
def test_any_text_has_a_unit_vector(embedder: OnnxEmbedder, text: str) -> None:
    (vector,) = embedder.embed_batch([text])
    assert np.linalg.norm(vector) == pytest.approx(1.0, abs=1e-5)


def test_a_lone_surrogate_is_embedded(embedder: OnnxEmbedder) -> None:
    assert embedder.embed_batch(["\ud800 hello"]).shape == (1, 384)


async def test_a_missing_folder_stops_load_and_fails_embed(pool: InferencePool, tmp_path: Path) -> None:
    embedder = OnnxEmbedder(tmp_path / "none", pool=pool)
    with pytest.raises(ArtifactError, match=r"manifest\.json"):
        embedder.load()
    with pytest.raises(EmbedderError, match=r"manifest\.json"):
        await embedder.embed("Hello")


@pytest.mark.parametrize("name", ["model.onnx", "tokenizer.json"])
def test_a_file_that_is_no_model_stops_load(pool: InferencePool, tmp_path: Path, name: str) -> None:
    folder = Path(shutil.copytree(builtin_encoder(), tmp_path / "encoder"))
    (folder / name).write_text("{}")
    manifest = json.loads((folder / "manifest.json").read_text())
    del manifest["files"]
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError) as caught:
        OnnxEmbedder(folder, pool=pool).load()
    assert caught.value.file == str(folder / name)


async def test_a_manifest_that_does_not_fit_the_model_fails(pool: InferencePool, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(builtin_encoder(), tmp_path / "encoder"))
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "dimensions": 300}))
    with pytest.raises(EmbedderError, match="300"):
        await OnnxEmbedder(folder, pool=pool).embed("Hello")


async def test_a_deleted_folder_does_not_stop_a_loaded_encoder(pool: InferencePool, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(builtin_encoder(), tmp_path / "encoder"))
    embedder = OnnxEmbedder(folder, pool=pool)
    before = await embedder.embed("Hello")
    shutil.rmtree(folder)
    assert np.array_equal(await embedder.embed("Hello"), before)
