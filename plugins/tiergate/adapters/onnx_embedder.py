"""Sentence vectors from a local ONNX model, on the CPU, without torch."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors
from tokenizers import Tokenizer

from tiergate.adapters.encoder_folder import (
    MODEL_FILE,
    TOKENIZER_FILE,
    EncoderFolder,
    builtin_encoder,
    load_encoder_folder,
)
from tiergate.adapters.inference_pool import InferencePool
from tiergate.errors import ArtifactError, EmbedderError
from tiergate.ports import Vector

_ONNX_ERRORS: tuple[type[Exception], ...] = (
    onnx_errors.EPFail,
    onnx_errors.EngineError,
    onnx_errors.Fail,
    onnx_errors.InvalidArgument,
    onnx_errors.InvalidGraph,
    onnx_errors.InvalidProtobuf,
    onnx_errors.ModelLoaded,
    onnx_errors.NoModel,
    onnx_errors.NoSuchFile,
    onnx_errors.NotImplemented,
    onnx_errors.RuntimeException,
    ValueError,
)
_EMBED_ERRORS: tuple[type[Exception], ...] = (ArtifactError, *_ONNX_ERRORS)

_CHARACTERS_PER_TOKEN = 32
"""How much text at either end is tokenized per token of the window; bounds the work for a very long text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    """A folder that is ready to embed."""

    folder: EncoderFolder
    session: Any
    inputs: frozenset[str]
    tokenizer: Any
    prefix: tuple[int, ...]
    suffix: tuple[int, ...]


class OnnxEmbedder:
    """Embeds text with an ONNX model (port `Embedder`).

    The window: the builtin encoder embeds 128 tokens, [CLS] and [SEP] included. Of a text with more tokens it
    embeds the first half of the window and the last half, since the question usually stands at either end.
    Two long texts that differ only in between have the same vector; `covers` tells whether a text fits whole.
    At most 32 characters per token of the window are read at either end.

    The model is loaded on first use, or by `load()`, which start-up calls so that a bad folder stops it.

    Args:
        folder: Folder with model.onnx, tokenizer.json and manifest.json; None for the builtin encoder.
        pool: Threads that inference runs on.
        threads: Threads that one inference uses.
    """

    def __init__(self, folder: Path | None = None, *, pool: InferencePool, threads: int = 1) -> None:
        self._folder = folder
        self._pool = pool
        self._threads = threads
        self._loading = threading.Lock()
        self._loaded: _Loaded | None = None

    def load(self) -> None:
        """Load the model now; does nothing when it is loaded.

        Raises:
            ArtifactError: A file of the folder is missing or torn, or the model is not a sentence encoder.
        """
        self._ready()

    @property
    def dimensions(self) -> int:
        """Length of the vectors. Loads the model when it is not loaded (ArtifactError, see `load`)."""
        return self._ready().folder.dimensions

    @property
    def digest(self) -> str:
        """SHA-256 over model file and tokenizer. Loads the model when it is not loaded (see `load`)."""
        return self._ready().folder.digest

    @property
    def window_tokens(self) -> int:
        """How many tokens of a text are embedded, special tokens included. Loads the model (see `load`)."""
        return self._ready().folder.window_tokens

    async def embed(self, text: str) -> Vector:
        """Return a float32 vector of shape (dimensions,) and length 1, computed on the pool.

        Raises:
            QueueFullError: The inference queue is full.
            EmbedderError: The model could not be loaded or failed.
        """
        return await self._pool.run(self._embed_now, text)

    def embed_batch(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 unit vectors of shape (len(texts), dimensions); blocks, for offline use.

        The texts are embedded one by one: int8 activations are scaled by the largest value in the batch, so
        in a batch a text's vector would depend on its neighbours. This way it is the same as `embed` gives.

        Raises:
            EmbedderError: The model could not be loaded or failed.
        """
        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        return np.stack([self._embed_now(text) for text in texts])

    def covers(self, text: str) -> bool:
        """Whether the whole text fits into the window. Blocks for the time of tokenizing.

        Raises:
            ArtifactError: The model could not be loaded.
        """
        loaded = self._ready()
        room = _room(loaded)
        if len(text) < room and text.isascii():  # no tokenizer makes more than one token of an ASCII character
            return True
        fits = len(text) <= 2 * room * _CHARACTERS_PER_TOKEN
        return fits and len(_tokens(loaded, text)) <= room

    async def aclose(self) -> None:
        """Let go of the model. The pool belongs to who made it."""
        with self._loading:
            self._loaded = None

    def _ready(self) -> _Loaded:
        loaded = self._loaded
        if loaded is not None:
            return loaded
        with self._loading:
            if self._loaded is None:
                self._loaded = _load(self._folder or builtin_encoder(), self._threads)
            return self._loaded

    def _embed_now(self, text: str) -> Vector:
        try:
            loaded = self._ready()
            ids = np.array([_window(loaded, text)], dtype=np.int64)
            feeds = {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "token_type_ids": np.zeros_like(ids),
            }
            output = loaded.session.run(None, {name: feeds[name] for name in loaded.inputs})[0]
        except _EMBED_ERRORS as exc:
            raise EmbedderError(f"the encoder failed: {exc}") from exc
        return _unit(_pool_tokens(output, loaded.folder))


def _load(path: Path, threads: int) -> _Loaded:
    folder = load_encoder_folder(path)
    tokenizer = _load_tokenizer(path / TOKENIZER_FILE)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    # Threads that wait must not burn the CPU that the proxy needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path / MODEL_FILE, options, providers=["CPUExecutionProvider"])
    except _ONNX_ERRORS as exc:
        fix = "copy the folder again as a whole"
        raise ArtifactError(path / MODEL_FILE, "", f"cannot be loaded ({exc})", fix) from exc
    inputs = frozenset(entry.name for entry in session.get_inputs())
    known = {"input_ids", "attention_mask", "token_type_ids"}
    if "input_ids" not in inputs or not inputs <= known:
        problem = f"has the inputs {sorted(inputs)}"
        fix = f"export a sentence encoder whose inputs are among {sorted(known)}"
        raise ArtifactError(path / MODEL_FILE, "inputs", problem, fix)
    marks = tokenizer.encode("a")
    before = marks.special_tokens_mask.index(0)
    after = marks.special_tokens_mask[::-1].index(0)
    return _Loaded(
        folder=folder,
        session=session,
        inputs=inputs,
        tokenizer=tokenizer,
        prefix=tuple(marks.ids[:before]),
        suffix=tuple(marks.ids[len(marks.ids) - after :]),
    )


def _load_tokenizer(file: Path) -> Any:
    try:
        tokenizer = Tokenizer.from_str(file.read_text(encoding="utf-8"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
    except Exception as exc:  # the Rust library raises a bare Exception for every bad file
        fix = "copy the folder again as a whole"
        raise ArtifactError(file, "", f"cannot be loaded ({exc})", fix) from exc
    return tokenizer


def _room(loaded: _Loaded) -> int:
    """Tokens of the window that are left for the text."""
    return loaded.folder.window_tokens - len(loaded.prefix) - len(loaded.suffix)


def _tokens(loaded: _Loaded, text: str) -> list[int]:
    # A lone surrogate, which JSON can carry, is no Unicode text: it becomes a question mark.
    clean = text.encode("utf-8", "replace").decode("utf-8")
    ids: list[int] = loaded.tokenizer.encode(clean, add_special_tokens=False).ids
    return ids


def _window(loaded: _Loaded, text: str) -> list[int]:
    """Token ids to embed: the whole text, or its first and last tokens."""
    room = _room(loaded)
    reach = room * _CHARACTERS_PER_TOKEN
    tail_room = room // 2
    head_room = room - tail_room
    if len(text) > 2 * reach:
        middle = _tokens(loaded, text[:reach])[:head_room] + _tokens(loaded, text[-reach:])[-tail_room:]
    else:
        middle = _tokens(loaded, text)
        if len(middle) > room:
            middle = middle[:head_room] + middle[-tail_room:]
    return [*loaded.prefix, *middle, *loaded.suffix]


def _pool_tokens(output: NDArray[np.float32], folder: EncoderFolder) -> NDArray[np.float32]:
    """One vector from the graph's output, shape (1, dimensions) or (1, tokens, dimensions)."""
    row = output[0]
    expected = 1 if folder.pooling == "graph" else 2
    if row.ndim != expected or row.shape[-1] != folder.dimensions:
        raise EmbedderError(
            f"the encoder in {folder.path} gave shape {output.shape}; its manifest says pooling "
            f"{folder.pooling!r} and {folder.dimensions} dimensions"
        )
    if folder.pooling == "mean":
        mean: NDArray[np.float32] = row.mean(axis=0)
        return mean
    vector: NDArray[np.float32] = row[0] if folder.pooling == "cls" else row
    return vector


def _unit(vector: NDArray[np.float32]) -> Vector:
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0.0:
        raise EmbedderError("the encoder gave a vector without a length")
    unit: Vector = (vector / length).astype(np.float32)
    return unit
