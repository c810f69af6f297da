"""The measuring copy: a graph whose only outputs are five numbers for each tensor, among them how many are too small for fp16.

The rules of IEEE 754 binary16, with rounding to the nearest, ties to even:
largest finite number  65504 (up to 65520 is still rounded to it; counted as too large here)
smallest normal number 2**-14; numbers from 2**-14 - 2**-25 on are rounded to it
smallest number        2**-24; up to half of it, 2**-25, a number is rounded to zero
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import onnx_ir as ir
import onnxruntime

from rfcn_lib.graph.values import GraphError, all_values
from rfcn_lib.processors import usable_processors

LARGEST: Final = 65504.0
NORMAL_FROM: Final = 2.0**-14 - 2.0**-25
ZERO_UP_TO: Final = 2.0**-25
BELOW: Final = {  # what is counted: magnitudes below these; Less is the comparison that every opset has for float32
    "below_normal": np.float32(NORMAL_FROM),
    "rounded_to_zero": np.nextafter(np.float32(ZERO_UP_TO), np.float32(1)),
    "zero": np.nextafter(np.float32(0), np.float32(1)),
}
AXES_ARE_INPUTS_FROM: Final = 13  # opset, of Unsqueeze and ReduceSum; before it they are attributes


def measuring_copy(model: ir.Model, tensors: Sequence[str]) -> ir.Model:
    """`model` itself, with the numbers of `_measuring_nodes` for each of the named tensors as its only outputs."""
    every = {str(value.name): value for value in all_values(model)}
    prefix = "headroom"
    while any(name.startswith(prefix) for name in every):
        prefix += "_"
    constants = {}
    for name, numbers in {**BELOW, "first": np.array([0]), "last": np.array([-1])}.items():
        own = f"{prefix}_{name}"
        constants[name] = ir.Value(name=own, const_value=ir.tensor(numbers, name=own))
        model.graph.initializers[own] = constants[name]
    axes_are_inputs = model.opset_imports.get("", 1) >= AXES_ARE_INPUTS_FROM
    model.graph.outputs.clear()
    for number, name in enumerate(tensors):
        value = every[name]
        nodes, outputs = _measuring_nodes(value, f"{prefix}_{number}", constants, axes_are_inputs)
        producer = value.producer()
        if producer is None:
            model.graph.insert_before(next(iter(model.graph)), nodes)
        else:
            model.graph.insert_after(producer, nodes)
        model.graph.outputs.extend(outputs)
    return model


def _measuring_nodes(
    value: ir.Value, prefix: str, constants: dict[str, ir.Value], axes_are_inputs: bool
) -> tuple[list[ir.Node], list[ir.Value]]:
    """(nodes, their scalars) for a tensor of any shape.

    The scalars: largest magnitude; how many are below normal, rounded to zero, zero; how many there are.
    """
    nodes: list[ir.Node] = []

    def add(operator: str, *inputs: ir.Value, axis: str = "", **attributes: int) -> ir.Value:
        given = [ir.AttrInt64(name, number) for name, number in attributes.items()]
        if axis and axes_are_inputs:
            inputs = (*inputs, constants[axis])
        elif axis:
            given.append(ir.AttrInt64s("axes", [0 if axis == "first" else -1]))
        output = ir.Value(name=f"{prefix}_{len(nodes)}")
        nodes.append(ir.Node("", operator, inputs, given, outputs=[output], name=str(output.name)))
        return output

    def count(which: ir.Value) -> ir.Value:
        """Exact: a float32 counts one row, which has fewer than 2**24 numbers, and a double all rows."""
        ones = add("Unsqueeze", add("Cast", which, to=ir.DataType.FLOAT), axis="first")  # a scalar becomes a row
        by_row = add("Cast", add("ReduceSum", ones, axis="last", keepdims=0), to=ir.DataType.DOUBLE)
        return add("ReduceSum", by_row, keepdims=0)

    magnitude = add("Abs", value)
    counts = [count(add("Less", magnitude, constants[name])) for name in BELOW]
    found = [add("ReduceMax", magnitude, keepdims=0), *counts, add("Size", value)]
    for output, kind in zip(found, (ir.DataType.FLOAT, *[ir.DataType.DOUBLE] * 3, ir.DataType.INT64), strict=True):
        output.type, output.shape = ir.TensorType(kind), ir.Shape(())
    return nodes, found


def session_of(model: ir.Model, graph: Path, threads: int) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session of the measuring copy of the file `graph`. Raises GraphError if ONNX Runtime does not take it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # fatal only: errors are raised
    options.intra_op_num_threads = threads or usable_processors()
    options.enable_mem_pattern = False
    # The next two keep a tensor no longer than its numbers are taken: in the order of the graph, and without the NCHWc layout,
    # whose nodes come late in that order. ResNet-101 at 1344 x 1344: 1.9 GB, without either of them 7.5 GB, and slower.
    options.execution_order = onnxruntime.ExecutionOrder.PRIORITY_BASED
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    try:
        return onnxruntime.InferenceSession(
            ir.to_proto(model).SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its exception types are private to the C++ module
        raise GraphError(f"ONNX Runtime cannot load the measuring copy of {graph}: {str(error)[:500]}") from error
