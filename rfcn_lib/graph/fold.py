"""Compute beforehand what a graph computes of constants and of fixed shapes, as ATC does when it compiles.

The published script exports with `do_constant_folding=False`: its graph reads the shapes of its own values at run time,
although every shape is fixed. No number of an output changes.
"""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray
from onnx_ir.passes.common import RemoveUnusedNodesPass

from rfcn_lib.graph.values import infer_types, run_part, shape_of, stored_tensor

DRAWN = frozenset({  # never twice the same
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
})  # fmt: skip

LARGEST_FOLDED = 16_000_000  # numbers in one constant: an Expand of a constant may be larger than all weights


def fold(model: ir.Model) -> Counter[str]:
    """Replace every node that always gives the same numbers by a constant, in place; returns operator -> nodes removed.

    Identity is not counted: an exporter writes it where two layers share a constant.
    Shape counts as such a node where its input has a fixed shape. Vendor's operators stay.

    Raises:
        GraphError: ONNX finds two types or shapes for one value, or a node cannot run.
    """
    removed: Counter[str] = Counter()
    while True:
        values = infer_types(model)
        nodes = _always_the_same(model, values)
        if not nodes:
            if removed:
                RemoveUnusedNodesPass()(model)
            return removed
        _replace(model, nodes, values)
        removed.update(node.op_type for node in nodes if node.op_type != "Identity")


def _always_the_same(model: ir.Model, values: Mapping[str, ir.Value]) -> list[ir.Node]:
    """In the graph's order, without the Constant nodes."""
    found, fixed = list[ir.Node](), set[ir.Value]()
    for node in model.graph:
        if node.domain or node.op_type in DRAWN or node.op_type == "Constant" or not node.outputs:
            continue
        if not onnx.defs.has(node.op_type, model.opset_imports.get("", 1), ""):
            continue
        if any(
            attribute.type in (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
            for attribute in node.attributes.values()
        ):
            continue
        inputs = [value for value in node.inputs if value is not None]
        if node.op_type in ("Shape", "Size"):
            known = bool(inputs) and _fixed_shape(values.get(str(inputs[0].name))) is not None
        else:
            known = bool(inputs) and all(value in fixed or stored_tensor(value) is not None for value in inputs)
        sizes = [_fixed_shape(values.get(str(output.name))) for output in node.outputs]
        if known and all(size is None or np.prod(size, dtype=np.float64) <= LARGEST_FOLDED for size in sizes):
            found.append(node)
            fixed.update(node.outputs)
    return found


def _replace(model: ir.Model, nodes: list[ir.Node], values: Mapping[str, ir.Value]) -> None:
    """Run the nodes once, and give their readers the numbers."""
    folded = set(nodes)
    wanted = [
        output
        for node in nodes
        for output in node.outputs
        if output.is_graph_output() or any(use.node not in folded for use in output.uses())
    ]
    numbers = _run(model, nodes, wanted, values)
    for value in wanted:
        tensor = ir.tensor(numbers[str(value.name)], name=value.name)
        copy = ir.Value(name=value.name, type=ir.TensorType(tensor.dtype), shape=ir.Shape(tensor.shape.numpy()))
        constant = ir.Node(
            "", "Constant", [], [ir.AttrTensor("value", tensor)], outputs=[copy], name=f"{value.name}_folded"
        )
        model.graph.insert_before(next(iter(model.graph)), constant)
        for use in tuple(value.uses()):
            if use.node not in folded:
                use.node.replace_input_with(use.idx, copy)
        for index, output in enumerate(model.graph.outputs):
            if output is value:
                model.graph.outputs[index] = copy
    model.graph.remove(nodes, safe=True)


def _run(
    model: ir.Model, nodes: list[ir.Node], wanted: list[ir.Value], values: Mapping[str, ir.Value]
) -> dict[str, NDArray[np.generic]]:
    """The numbers of `wanted`, by name, as ONNX Runtime computes them."""
    ready, constants = list[onnx.NodeProto](), dict[str, NDArray[np.generic]]()
    for node in nodes:
        first = node.inputs[0]
        if node.op_type in ("Shape", "Size") and first is not None:
            sides = np.array(_fixed_shape(values[str(first.name)]), np.int64)
            constants[str(node.outputs[0].name)] = sides if node.op_type == "Shape" else sides.prod(keepdims=False)
            continue
        ready.append(ir.serde.serialize_node(node))
        for value in node.inputs:
            if value is not None and (tensor := stored_tensor(value)) is not None:
                constants[str(value.name)] = tensor.numpy()
    if not ready:
        return constants
    outputs = [name for value in wanted if (name := str(value.name)) not in constants]
    part = onnx.helper.make_graph(
        ready,
        "what the graph computes of constants",
        [],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [onnx.numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    return {**constants, **dict(zip(outputs, run_part(part, model, {}), strict=True))}


def _fixed_shape(value: ir.Value | None) -> tuple[int, ...] | None:
    if value is None or value.shape is None:
        return None
    sides = tuple(side for side in shape_of(value) if isinstance(side, int))
    return sides if len(sides) == len(value.shape) else None
