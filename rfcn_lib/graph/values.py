"""Walk through an `onnx_ir` graph: its nodes, its values with their types, and the numbers of constant values."""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime
from numpy.typing import NDArray

from rfcn_lib.errors import SuiteError

ORDER_KEEPING = frozenset(
    {"Cast", "Flatten", "Identity", "Reshape", "Squeeze", "Unsqueeze"}
)  # they keep the elements in order
LARGEST_INFERRED_BYTES = 1000  # shape inference needs the numbers of small initialisers only


class GraphError(SuiteError):
    """ONNX finds a contradiction in the graph."""


def node_name(node: ir.Node) -> str:
    """The node's name for a message: its own name, or for example `Reshape making x_3`."""
    if node.name:
        return node.name
    return f"{node.op_type} making {node.outputs[0].name}" if node.outputs else node.op_type


def infer_types(model: ir.Model) -> dict[str, ir.Value]:
    """Name of a value -> a value with the dtype and shape that ONNX infers. `model` does not change.

    If ONNX cannot infer a dtype or shape, it is None.

    Raises:
        GraphError: ONNX finds two dtypes or shapes for one value, or a node stands before the node that it reads.
    """
    try:
        copy = model.clone()  # shares the tensors; large ones become inputs, because ONNX would copy their bytes
    except RuntimeError as error:  # 13,000 characters of a clone that finds a value before its node
        cause = str(error.__cause__ or error).splitlines()[0][:200]
        raise GraphError(
            f"the graph's nodes should be in the order of computation, but {cause}; export it again"
        ) from error
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


def run_part(
    part: onnx.GraphProto, model: ir.Model, feed: Mapping[str, NDArray[np.generic]]
) -> list[NDArray[np.generic]]:
    """The outputs of a part of `model`, as ONNX Runtime computes them on the CPU.

    Raises:
        GraphError: ONNX Runtime does not take the part.
    """
    imports = [onnx.helper.make_opsetid(domain, version) for domain, version in model.opset_imports.items()]
    proto = onnx.helper.make_model(part, opset_imports=imports, ir_version=model.ir_version)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors: of a part, not every constant is read
    try:
        session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
        found: list[NDArray[np.generic]] = session.run(None, dict(feed))
    except Exception as error:  # its exception types are private to the C++ module
        raise GraphError(f"ONNX Runtime cannot run {part.name} ({str(error)[:300]}); export the graph again") from error
    return found


def all_nodes(model: ir.Model) -> Iterator[ir.Node]:
    """All nodes, also those of the graphs inside a node (branches and loops)."""
    return iter(ir.traversal.RecursiveGraphIterator(model.graph))


def all_values(model: ir.Model) -> Iterator[ir.Value]:
    """All initialisers, inputs and node outputs, each once, also those of the graphs inside a node."""
    for graph in model.graphs():
        outputs = (output for node in graph for output in node.outputs)
        yield from dict.fromkeys((*graph.initializers.values(), *graph.inputs, *outputs))


def shape_of(value: ir.Value) -> tuple[int | str | None, ...]:
    """The sides of a value. A symbolic side is its name, an unknown side is None; () also where no shape is declared."""
    sides = () if value.shape is None else value.shape
    return tuple(side if isinstance(side, int) else side.value for side in sides)


class Names:
    """The names of a graph's values, read once, and those given since."""

    def __init__(self, model: ir.Model) -> None:
        self._taken = {str(value.name) for value in all_values(model)}

    def fresh(self, name: str) -> str:
        """The name, with as many `_` after it as it takes to be the name of no other value."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name


def fresh_name(model: ir.Model, name: str) -> str:
    """One fresh name. Who needs hundreds of them keeps a `Names`."""
    return Names(model).fresh(name)


def stored_tensor(value: ir.Value) -> ir.TensorProtocol | None:
    """The tensor that the file stores for an initialiser or a Constant node; None for another value.

    None also for an initialiser that is a graph input, because a caller may replace it.
    """
    if value.is_initializer():
        return None if value.is_graph_input() else value.const_value
    producer = value.producer()
    if producer is None or producer.domain or producer.op_type != "Constant" or "value" not in producer.attributes:
        return None
    return producer.attributes["value"].as_tensor()


def constant_numbers(value: ir.Value | None) -> NDArray[np.generic] | None:
    """The numbers of a constant value as a 1-D array; None if the value is not constant, or None.

    Follows the operators that build index lists: ORDER_KEEPING, and Concat along axis 0.
    """
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
    """True for a Concat along axis 0: it puts the elements of its inputs one after the other."""
    return node.op_type == "Concat" and not node.domain and node.attributes["axis"].as_int() == 0
