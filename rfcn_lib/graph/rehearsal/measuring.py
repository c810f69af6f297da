"""Put nodes into a graph that measure its tensors while it runs: largest number, least number, how many are too small for fp16.

The rules of IEEE 754 binary16, with rounding to the nearest, ties to even:
largest finite number  65504 (up to 65520 is still rounded to it; counted as too large here)
smallest normal number 2**-14; numbers from 2**-14 - 2**-25 on are rounded to it
smallest number        2**-24; up to half of it, 2**-25, a number is rounded to zero
"""

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
import onnx_ir as ir

from rfcn_lib.graph.values import all_values

LARGEST: Final = 65504.0
NORMAL_FROM: Final = 2.0**-14 - 2.0**-25
ZERO_UP_TO: Final = 2.0**-25
BELOW: Final = np.array(  # magnitudes below these are counted: not normal, rounded to zero, zero
    [
        NORMAL_FROM,
        np.nextafter(np.float32(ZERO_UP_TO), np.float32(1)),
        np.nextafter(np.float32(0), np.float32(1)),
    ],
    np.float32,
)
MEASURED: Final = "headroom of "  # begins the names of the outputs
COUNTED: Final = 2**18  # numbers of one tensor; of a larger one, rows at equal distances
AXES_ARE_INPUTS_FROM: Final = 13  # opset, of ReduceSum and Unsqueeze; of ReduceMax and ReduceMin see below
ALL_AXES_ARE_INPUTS_FROM: Final = 18
SLICE_HAS_STEPS_FROM: Final = 10


def add_measuring(model: ir.Model, tensors: Mapping[str, ir.Value], shapes: Mapping[str, ir.Value]) -> None:
    """Give the graph one more output for each tensor, `headroom of <name>`: six numbers, float32 (6,).

    The numbers: largest; least; of the numbers counted, how many are below normal, how many are rounded to zero, how many are
    zero; how many were counted. Largest and least are of all numbers. Counted are all numbers of a tensor that has at most 2**18
    of them; of a larger one every k-th row, with the least k that leaves so few. Whatever is 0 before is 0 after fp16.

    tensors  name that the output is called after -> float32 value
    shapes   name -> a value with the shape that ONNX infers; a tensor without one is counted whole
    """
    constants = _constants(model)
    opset = model.opset_imports.get("", 1)
    for number, (name, value) in enumerate(tensors.items()):
        known = shapes.get(str(value.name), value).shape
        sides = None if known is None else [side if isinstance(side, int) else None for side in known]
        nodes, output = _measuring_nodes(value, _every(sides), constants, f"{constants['prefix'].name}_{number}", opset)
        producer = value.producer()
        if producer is None:
            model.graph.insert_before(next(iter(model.graph)), nodes)
        else:
            model.graph.insert_after(producer, nodes)
        output.name = MEASURED + name
        output.type, output.shape = ir.TensorType(ir.DataType.FLOAT), ir.Shape((6,))
        model.graph.outputs.append(output)


def _every(sides: list[int | None] | None) -> int:
    """Every how many rows are counted: 1 for all. A row is what lies at one place of the last axis but one."""
    if sides is None or len(sides) < 2 or None in sides:
        return 1
    size, rows = math.prod(side or 0 for side in sides), sides[-2] or 1
    return min(rows, max(1, math.ceil(size / COUNTED)))


def _constants(model: ir.Model) -> dict[str, ir.Value]:
    """The initialisers that all measuring nodes read; `prefix` begins the names of everything that is added."""
    every = {str(value.name) for value in all_values(model)}
    prefix = "headroom"
    while any(name.startswith(prefix) for name in every):
        prefix += "_"
    numbers = {
        "below": BELOW[:, None],
        "flat": np.array([1, -1]),
        "first_row": np.array([0]),
        "past_rows": np.array([np.iinfo(np.int64).max]),
        "row_axis": np.array([-2]),
        "axis_0": np.array([0]),
        "axis_1": np.array([1]),
    }
    found = {"prefix": ir.Value(name=prefix)}
    for name, array in numbers.items():
        own = f"{prefix}_{name}"
        found[name] = ir.Value(name=own, const_value=ir.tensor(array, name=own))
        model.graph.initializers[own] = found[name]
    return found


def _measuring_nodes(
    value: ir.Value, every: int, constants: dict[str, ir.Value], prefix: str, opset: int
) -> tuple[list[ir.Node], ir.Value]:
    """(nodes, the six numbers) for a tensor of any shape."""
    nodes: list[ir.Node] = []

    def add(operator: str, *inputs: ir.Value, axis: int | None = None, since: int = 0, **given: int) -> ir.Value:
        attributes: list[ir.Attr] = [ir.AttrInt64(name, number) for name, number in given.items()]
        if axis is not None and opset >= since:
            inputs = (*inputs, constants[f"axis_{axis}"])
        elif axis is not None:
            attributes.append(ir.AttrInt64s("axes", [axis]))
        output = ir.Value(name=f"{prefix}_{len(nodes)}")
        nodes.append(ir.Node("", operator, inputs, attributes, outputs=[output], name=str(output.name)))
        return output

    flat = add("Reshape", value, constants["flat"])
    ends = [
        add(operator, flat, axis=1, since=ALL_AXES_ARE_INPUTS_FROM, keepdims=0)
        for operator in ("ReduceMax", "ReduceMin")
    ]
    counted = flat
    if every > 1 and opset >= SLICE_HAS_STEPS_FROM:
        step = ir.Value(name=f"{prefix}_step")
        number = ir.AttrTensor("value", ir.tensor(np.array([every])))
        nodes.append(ir.Node("", "Constant", [], [number], outputs=[step], name=str(step.name)))
        rows = [constants[name] for name in ("first_row", "past_rows", "row_axis")]
        counted = add("Reshape", add("Slice", value, *rows, step), constants["flat"])
    below = add("Less", add("Abs", counted), constants["below"])  # (1, N) and (3, 1) -> (3, N)
    ones = add("Cast", below, to=ir.DataType.FLOAT)
    counts = add("ReduceSum", ones, axis=1, since=AXES_ARE_INPUTS_FROM, keepdims=0)  # exact below 2**24
    size = add("Cast", add("Size", counted), to=ir.DataType.FLOAT)
    size_1d = add("Unsqueeze", size, axis=0, since=AXES_ARE_INPUTS_FROM)
    joined, parts = ir.Value(name=f"{prefix}_all"), [*ends, counts, size_1d]
    nodes.append(ir.Node("", "Concat", parts, [ir.AttrInt64("axis", 0)], outputs=[joined], name=str(joined.name)))
    return nodes, joined
