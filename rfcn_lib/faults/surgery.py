"""Tools to change a graph of `onnx_ir` in place, and the parts of an R-FCN in it, found by operators and not by names."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib import spec
from rfcn_lib.faults.fault import FaultError
from rfcn_lib.graph.values import fresh_name, stored_tensor

Attribute = int | float | str | Sequence[int]
Readers = Sequence[tuple[ir.Node, int]]


# -- changes ---------------------------------------------------------------------------------------------------------------


def numbers_of(value: ir.Value | None) -> NDArray[Any]:
    """A writable copy of a constant's numbers. Raises FaultError where the value is computed."""
    tensor = None if value is None else stored_tensor(value)
    if tensor is None:
        raise FaultError(
            f"{value.name if value else 'a missing input'} should be a constant of the graph, but is computed"
        )
    return np.array(tensor.numpy())


def set_numbers(value: ir.Value, numbers: NDArray[Any]) -> None:
    """Give a constant other numbers of the same type."""
    tensor, producer = stored_tensor(value), value.producer()
    if tensor is None:
        raise FaultError(f"{value.name} should be a constant of the graph, but is computed")
    fresh = ir.tensor(np.ascontiguousarray(numbers, tensor.dtype.numpy()), name=tensor.name)
    if producer is None:
        value.const_value = fresh
    else:
        producer.attributes["value"] = ir.AttrTensor("value", fresh)


def constant(model: ir.Model, numbers: NDArray[np.generic] | float | Sequence[float]) -> ir.Value:
    """A new initialiser; plain numbers become float32."""
    array = numbers if isinstance(numbers, np.ndarray) else np.asarray(numbers, np.float32)
    name = fresh_name(model, "fault_constant")
    tensor = ir.tensor(array, name=name)
    value = ir.Value(name=name, const_value=tensor, type=ir.TensorType(tensor.dtype), shape=ir.Shape(array.shape))
    model.graph.register_initializer(value)
    return value


def apply(
    model: ir.Model,
    operator: str,
    *inputs: ir.Value | NDArray[np.generic] | float,
    outputs: int = 1,
    **attributes: Attribute,
) -> tuple[ir.Value, ...]:
    """New nodes' outputs: a node of the operator after the last node that it reads. Numbers become constants."""
    values = [one if isinstance(one, ir.Value) else constant(model, one) for one in inputs]
    names = [fresh_name(model, f"fault_{operator}_{len(model.graph)}_{number}") for number in range(outputs)]
    made = [ir.Value(name=name) for name in names]
    node = ir.Node(
        "", operator, values, list(ir.convenience.convert_attributes(attributes)), outputs=made, name=names[0]
    )
    producers = {one.producer() for one in values} - {None}
    last = max((at for at, one in enumerate(model.graph) if one in producers), default=-1)
    if last < 0:
        model.graph.insert_before(model.graph[0], node)
    else:
        model.graph.insert_after(model.graph[last], node)
    return tuple(made)


def step(
    model: ir.Model, operator: str, *inputs: ir.Value | NDArray[np.generic] | float, **attributes: Attribute
) -> ir.Value:
    """As `apply`, of a node with one output."""
    return apply(model, operator, *inputs, outputs=1, **attributes)[0]


def readers_of(value: ir.Value) -> Readers:
    """(node, index of its input) of all that read the value now."""
    return tuple((use.node, use.idx) for use in value.uses())


def between(
    model: ir.Model, value: ir.Value, operator: str, *more: NDArray[np.generic] | float, **attributes: Attribute
) -> None:
    """Put a node of the operator between a value and all that read it; the value is its first input."""
    readers = readers_of(value)
    redirect(model, readers, value, step(model, operator, value, *more, **attributes))


def redirect(model: ir.Model, readers: Readers, old: ir.Value, new: ir.Value) -> None:
    """The readers read `new`; where `old` is an output of the graph, `new` becomes that output, with its name and type."""
    for node, index in readers:
        node.replace_input_with(index, new)
    for index, output in enumerate(model.graph.outputs):
        if output is old:
            name = str(old.name)
            old.name = fresh_name(model, f"{name}_before_the_fault")
            new.name, new.type, new.shape = name, old.type, old.shape
            model.graph.outputs[index] = new


def integers(*numbers: int) -> NDArray[np.int64]:
    """A list for Reshape, Slice and the like."""
    return np.asarray(numbers, np.int64)


# -- parts of an R-FCN -----------------------------------------------------------------------------------------------------


def nodes_of(model: ir.Model, operator: str) -> list[ir.Node]:
    """All nodes of an operator, in the graph's order."""
    return [node for node in model.graph if node.op_type == operator]


def only(model: ir.Model, operator: str) -> ir.Node:
    """The one node of an operator. Raises FaultError where there are none or several."""
    found = nodes_of(model, operator)
    if len(found) != 1:
        raise FaultError(f"the graph has {len(found)} {operator} nodes, but the fault needs one")
    return found[0]


def read(node: ir.Node, index: int = 0) -> ir.Value:
    """An input of a node. Raises FaultError where it has none."""
    value = node.inputs[index] if index < len(node.inputs) else None
    if value is None:
        raise FaultError(f"{node.op_type} {node.name} has no input {index}")
    return value


def upstream(value: ir.Value, *operators: str) -> ir.Node:
    """The nearest node of one of the operators, followed back along first inputs. Raises FaultError where there is none."""
    node = value.producer()
    while node is not None:
        if node.op_type in operators:
            return node
        first = node.inputs[0] if node.inputs else None
        node = first.producer() if first is not None else None
    raise FaultError(f"no {' or '.join(operators)} lies before {value.name}")


def convolutions(model: ir.Model) -> list[ir.Node]:
    """All Conv nodes, in the graph's order."""
    return nodes_of(model, "Conv")


def heads(model: ir.Model) -> tuple[ir.Node, ir.Node]:
    """The pooling of the class scores, and that of the box deltas."""
    found = sorted(nodes_of(model, spec.POOL_OPERATOR), key=lambda node: node.attributes["output_dim"].as_int())
    if len(found) != 2:
        raise FaultError(f"the graph has {len(found)} {spec.POOL_OPERATOR} nodes, but should have two")
    return found[0], found[1]


def backbone(model: ir.Model) -> list[ir.Node]:
    """The Conv nodes that are neither of the RPN nor make position-sensitive maps, in the graph's order."""
    body = set(_before(read(upstream(read(heads(model)[0]), "Conv"))))
    return [node for node in convolutions(model) if node in body]


def _before(value: ir.Value) -> Iterator[ir.Node]:
    """All nodes that the value is computed from."""
    waiting, visited = [value], set[ir.Node]()
    while waiting:
        node = waiting.pop().producer()
        if node is None or node in visited:
            continue
        visited.add(node)
        yield node
        waiting += [one for one in node.inputs if one is not None]


def rpn_convolutions(model: ir.Model) -> tuple[ir.Node, ir.Node]:
    """The RPN's last two convolutions: of scores (2 * A planes) and of deltas (4 * A planes)."""
    scores = upstream(read(only(model, "TopK")), "Conv")
    body = set(backbone(model))
    found = [node for node in _before(read(only(model, spec.NMS_OPERATOR))) if node.op_type == "Conv"]
    last = [node for node in found if node not in body and node is not scores]
    width = len(numbers_of(read(scores, 1)))
    deltas = [node for node in last if len(numbers_of(read(node, 1))) == 2 * width]
    if len(deltas) != 1:
        raise FaultError("the graph has no single convolution of the RPN's deltas beside that of its scores")
    return scores, deltas[0]


def candidates(model: ir.Model) -> ir.Value:
    """(N, 4): the boxes before the best are gathered."""
    return read(upstream(read(only(model, spec.NMS_OPERATOR)), "Gather"))


def decoded(model: ir.Model) -> ir.Node:
    """The Concat of upper left and lower right corners, (N, 2) each, before any clip."""
    node = upstream(candidates(model), "Concat")
    if len(node.inputs) != 2:
        raise FaultError(f"{node.name} should join two pairs of corners, but has {len(node.inputs)} inputs")
    return node


def residual_sums(model: ir.Model) -> list[ir.Node]:
    """The Add nodes of the residual blocks: both inputs are computed by the body."""
    body = set(_before(read(upstream(read(heads(model)[0]), "Conv"))))
    return [
        node
        for node in nodes_of(model, "Add")
        if node in body and all(one is not None and stored_tensor(one) is None for one in node.inputs)
    ]
