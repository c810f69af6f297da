"""Going through an `onnx_ir` graph: its nodes, its values, what a value is when it is made of constants."""

from collections.abc import Iterator

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib.errors import SuiteError

ORDER_KEEPING = frozenset(
    {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
)  # elements keep their places
LARGEST_INFERRED_BYTES = 1000  # an initialiser that decides a shape is smaller than that


class GraphError(SuiteError):
    """The graph contradicts itself."""


def node_name(node: ir.Node) -> str:
    """What to call a node in a sentence."""
    if node.name:
        return node.name
    return f"{node.op_type} making {node.outputs[0].name}" if node.outputs else node.op_type


def infer_types(model: ir.Model) -> dict[str, ir.Value]:
    """Name -> a value that knows the dtype and shape ONNX infers for it, where it can.

    Raises:
        GraphError: ONNX finds two dtypes or shapes for one value.
    """
    copy = model.clone()  # tensors are shared, and the large ones are not shown to ONNX, which would copy them
    for value in tuple(copy.graph.initializers.values()):
        if (
            value.const_value is not None
            and value.const_value.nbytes > LARGEST_INFERRED_BYTES
            and not value.is_graph_input()
        ):
            del copy.graph.initializers[str(value.name)]
            copy.graph.inputs.append(value)
    try:
        proto = onnx.shape_inference.infer_shapes(ir.to_proto(copy), check_type=True, data_prop=True)
    except onnx.shape_inference.InferenceError as error:
        raise GraphError(
            f"the graph should give every value one type and shape, but {error}; export it again"
        ) from error
    return {str(value.name): value for value in all_values(ir.from_proto(proto))}


def all_nodes(model: ir.Model) -> Iterator[ir.Node]:
    """Nodes of the graph and of the graphs inside its nodes."""
    return iter(ir.traversal.RecursiveGraphIterator(model.graph))


def all_values(model: ir.Model) -> Iterator[ir.Value]:
    """Initialisers, inputs and node outputs of the graph and of the graphs inside its nodes, each once."""
    for graph in model.graphs():
        made = (output for node in graph for output in node.outputs)
        yield from dict.fromkeys((*graph.initializers.values(), *graph.inputs, *made))


def stored_tensor(value: ir.Value) -> ir.TensorProtocol | None:
    """The tensor of an initialiser or a Constant node. An initialiser a caller may override is not constant."""
    if value.is_initializer():
        return None if value.is_graph_input() else value.const_value
    producer = value.producer()
    if producer is None or producer.domain or producer.op_type != "Constant" or "value" not in producer.attributes:
        return None
    return producer.attributes["value"].as_tensor()


def constant_numbers(value: ir.Value | None) -> NDArray[np.generic] | None:
    """The numbers of a value made only of constants, flattened, through the operators that build index lists."""
    if value is None:
        return None
    if (tensor := stored_tensor(value)) is not None:
        return tensor.numpy().reshape(-1)
    producer = value.producer()
    if producer is None or producer.domain:
        return None
    if producer.op_type in ORDER_KEEPING and producer.inputs:
        numbers = constant_numbers(producer.inputs[0])
        if numbers is None or producer.op_type != "Cast":
            return numbers
        return numbers.astype(ir.DataType(producer.attributes["to"].as_int()).numpy())
    if is_list_concat(producer):
        parts = [part for part in map(constant_numbers, producer.inputs) if part is not None]
        return np.concatenate(parts) if len(parts) == len(producer.inputs) else None
    return None


def is_list_concat(node: ir.Node) -> bool:
    """True for a Concat that puts its inputs' elements one after the other."""
    return node.op_type == "Concat" and not node.domain and node.attributes["axis"].as_int() == 0
