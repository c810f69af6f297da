"""How much arithmetic a graph is: the convolutions and matrix products of an ONNX file, by their shapes."""

import math
from pathlib import Path

import onnx

from benchmarks.common import BenchError


def flops_of(path: Path) -> int:
    """Floating point operations of one run, a multiply-add being two: every Conv, Gemm and MatMul of the main graph.

    What is left out (activations, softmax, the vendor's two operators) is some percent of an R-FCN.

    Raises:
        BenchError: the shapes of such a node cannot be inferred.
    """
    graph = onnx.shape_inference.infer_shapes(onnx.load(path), data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        sides = value.type.tensor_type.shape.dim
        if all(side.HasField("dim_value") for side in sides):
            shapes.setdefault(value.name, tuple(side.dim_value for side in sides))
    total = 0
    for node in graph.node:
        if node.op_type not in ("Conv", "Gemm", "MatMul"):
            continue
        try:
            made, left, right = shapes[node.output[0]], shapes[node.input[0]], shapes[node.input[1]]
        except KeyError as error:
            raise BenchError(f"{path}: the shape of {error} at {node.op_type} {node.name} is unknown") from error
        # each number made is a sum over a Conv's filter (C / groups, k, k), or over the last axis of a product's left side
        across = {attribute.name: attribute.i for attribute in node.attribute}.get("transA", 0)
        summed = math.prod(right[1:]) if node.op_type == "Conv" else left[0] if across else left[-1]
        total += 2 * math.prod(made) * summed
    return total
