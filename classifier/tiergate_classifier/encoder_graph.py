"""The ONNX graph of a BERT sentence encoder, written node by node from its weights.

No tracing and no torch: the same weights and the same library versions give the same file. The architecture
is that of Devlin et al. 2019 (BERT, section 3) in the six-layer distillate of Wang et al. 2020 (MiniLM), with
mean pooling over the attention mask and L2 normalisation as in Reimers and Gurevych 2019 (Sentence-BERT,
section 3). Attention, GELU and the residual layer norm are fused operators of onnxruntime (`com.microsoft`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = Mapping[str, NDArray[np.float32]]

_MICROSOFT = "com.microsoft"


@dataclass(frozen=True, slots=True, kw_only=True)
class BertShape:
    """Sizes of a BERT encoder.

    Attributes:
        layers: Number of transformer layers.
        heads: Attention heads of a layer.
        dimensions: Length of the hidden vectors and of the sentence vector.
        epsilon: Epsilon of the layer norms.
    """

    layers: int
    heads: int
    dimensions: int
    epsilon: float


@dataclass(frozen=True, slots=True)
class _Graph:
    """Nodes and weights collected so far."""

    nodes: list[Any] = field(default_factory=list)
    initializers: list[Any] = field(default_factory=list)

    def weight(self, name: str, values: NDArray[Any]) -> str:
        """Add a constant and return its name."""
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, *, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output and return the output's name."""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], name=output, domain=domain, **attributes))
        return output

    def linear(self, name: str, source: str, weights: Weights, key: str) -> str:
        """Add `source @ weight.T` without the bias."""
        matrix = self.weight(f"{name}.weight", weights[f"{key}.weight"].T)
        return self.node("MatMul", [source, matrix], name)


def build_graph(weights: Weights, shape: BertShape) -> Any:
    """Build the fp32 model.

    Inputs are `input_ids` and `attention_mask`, int64 of shape (texts, tokens); the output `embedding` is
    float32 of shape (texts, dimensions), each row of length 1.

    Args:
        weights: Tensors by their names in the Hugging Face checkpoint.
        shape: Sizes of the encoder.

    Returns:
        The onnx ModelProto.
    """
    graph = _Graph()
    hidden = _add_embeddings(graph, weights, shape)
    mask = graph.node("Cast", ["attention_mask"], "mask.int32", to=TensorProto.INT32)
    for layer in range(shape.layers):
        hidden = _add_layer(graph, weights, shape, layer, hidden, mask)
    _add_pooling(graph, hidden)
    body = helper.make_graph(
        graph.nodes,
        "sentence_encoder",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["texts", "tokens"]),
            helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["texts", "tokens"]),
        ],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["texts", shape.dimensions])],
        graph.initializers,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(_MICROSOFT, 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=8, producer_name="tiergate")
    onnx.checker.check_model(model)
    return model


def _add_embeddings(graph: _Graph, weights: Weights, shape: BertShape) -> str:
    """Word, position and segment embeddings, then the layer norm. All tokens are of segment 0."""
    words = graph.weight("words", weights["embeddings.word_embeddings.weight"])
    # The segment vector is the same for every token, so it is added to the positions once and for all.
    segment = weights["embeddings.token_type_embeddings.weight"][0]
    table = graph.weight("positions", weights["embeddings.position_embeddings.weight"] + segment)
    word = graph.node("Gather", [words, "input_ids"], "word")
    size = graph.node("Shape", ["input_ids"], "size", start=1, end=2)
    zero = graph.weight("zero", np.array([0], dtype=np.int64))
    axis = graph.weight("axis", np.array([0], dtype=np.int64))
    position = graph.node("Slice", [table, zero, size, axis], "position")
    total = graph.node("Add", [word, position], "embeddings")
    scale = graph.weight("embeddings.norm.scale", weights["embeddings.LayerNorm.weight"])
    shift = graph.weight("embeddings.norm.shift", weights["embeddings.LayerNorm.bias"])
    return graph.node("LayerNormalization", [total, scale, shift], "hidden", axis=-1, epsilon=shape.epsilon)


def _add_layer(graph: _Graph, weights: Weights, shape: BertShape, layer: int, hidden: str, mask: str) -> str:
    """One transformer layer: attention, residual norm, feed-forward, residual norm."""
    key, name = f"encoder.layer.{layer}", f"layer{layer}"
    parts = [f"{key}.attention.self.{part}" for part in ("query", "key", "value")]
    matrix = np.concatenate([weights[f"{part}.weight"].T for part in parts], axis=1)
    bias = np.concatenate([weights[f"{part}.bias"] for part in parts])
    attention = graph.node(
        "Attention",
        [hidden, graph.weight(f"{name}.qkv", matrix), graph.weight(f"{name}.qkv_bias", bias), mask],
        f"{name}.attention",
        domain=_MICROSOFT,
        num_heads=shape.heads,
    )
    out = f"{key}.attention.output"
    mixed = graph.linear(f"{name}.mixed", attention, weights, f"{out}.dense")
    hidden = _add_residual(graph, weights, shape, (mixed, hidden), (out, f"{name}.middle"))
    wide = graph.linear(f"{name}.wide", hidden, weights, f"{key}.intermediate.dense")
    wide_bias = graph.weight(f"{name}.wide_bias", weights[f"{key}.intermediate.dense.bias"])
    active = graph.node("BiasGelu", [wide, wide_bias], f"{name}.active", domain=_MICROSOFT)
    narrow = graph.linear(f"{name}.narrow", active, weights, f"{key}.output.dense")
    return _add_residual(graph, weights, shape, (narrow, hidden), (f"{key}.output", f"{name}.hidden"))


def _add_residual(
    graph: _Graph, weights: Weights, shape: BertShape, sources: tuple[str, str], names: tuple[str, str]
) -> str:
    """Layer norm of `sources` summed with the bias of the dense layer before it."""
    key, output = names
    scale = graph.weight(f"{output}.scale", weights[f"{key}.LayerNorm.weight"])
    shift = graph.weight(f"{output}.shift", weights[f"{key}.LayerNorm.bias"])
    bias = graph.weight(f"{output}.bias", weights[f"{key}.dense.bias"])
    return graph.node(
        "SkipLayerNormalization",
        [*sources, scale, shift, bias],
        output,
        domain=_MICROSOFT,
        epsilon=shape.epsilon,
    )


def _add_pooling(graph: _Graph, hidden: str) -> None:
    """Mean over the tokens that the mask keeps, then length 1."""
    mask = graph.node("Cast", ["attention_mask"], "mask.float", to=TensorProto.FLOAT)
    last = graph.weight("last", np.array([2], dtype=np.int64))
    column = graph.node("Unsqueeze", [mask, last], "mask.column")
    kept = graph.node("Mul", [hidden, column], "kept")
    middle = graph.weight("middle", np.array([1], dtype=np.int64))
    # The mean and the sum point the same way, and the length is set to 1 next: the division is left out.
    total = graph.node("ReduceSum", [kept, middle], "total", keepdims=0)
    graph.node("LpNormalization", [total], "embedding", axis=-1, p=2)
