"""Going through an `onnx_ir` graph: its nodes, its values, what a value is when it is made of constants."""

from collections.abc import Iterator

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import ShapeInferencePass

SAME_ORDER = frozenset({"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"})  # elements keep their places


def label(node: ir.Node) -> str:
    """What to call a node in a sentence."""
    if node.name:
        return node.name
    return f"{node.op_type} making {node.outputs[0].name}" if node.outputs else node.op_type


def inferred(model: ir.Model) -> ir.Model:
    """A copy with the dtypes and shapes ONNX can infer; tensors are shared, so it costs no memory."""
    copy = model.clone()
    ShapeInferencePass(check_type=False, strict_mode=False)(copy)
    return copy


def all_nodes(model: ir.Model) -> Iterator[ir.Node]:
    """Nodes of the graph and of the graphs inside its nodes."""
    return iter(ir.traversal.RecursiveGraphIterator(model.graph))


def all_values(model: ir.Model) -> Iterator[ir.Value]:
    """Initialisers, inputs and node outputs of the graph and of the graphs inside its nodes, each once."""
    for graph in model.graphs():
        made = (output for node in graph for output in node.outputs)
        yield from dict.fromkeys((*graph.initializers.values(), *graph.inputs, *made))


def constant_tensor(value: ir.Value) -> ir.TensorProtocol | None:
    """The tensor of an initialiser or a Constant node. An initialiser a caller may override is not constant."""
    if value.is_initializer():
        return None if value.is_graph_input() else value.const_value
    producer = value.producer()
    if producer is None or producer.domain or producer.op_type != "Constant" or "value" not in producer.attributes:
        return None
    return producer.attributes["value"].as_tensor()


def known(value: ir.Value | None) -> NDArray[np.generic] | None:
    """The numbers of a value made only of constants, flattened, through the operators that build index lists."""
    if value is None:
        return None
    if (tensor := constant_tensor(value)) is not None:
        return tensor.numpy().reshape(-1)
    producer = value.producer()
    if producer is None or producer.domain:
        return None
    if producer.op_type in SAME_ORDER and producer.inputs:
        return known(producer.inputs[0])
    if producer.op_type == "Concat":
        parts = [known(part) for part in producer.inputs]
        sizes = [part for part in parts if part is not None]
        return np.concatenate(sizes) if len(sizes) == len(parts) else None
    return None
