"""Headroom: how near each tensor of a graph comes to the largest fp16 number, and how much of it is too small for fp16.

The rehearsed graph measures its tensors itself (`measuring`), each just before it is rounded to fp16, so no picture is run twice.
Tensors that hold numbers of other tensors only (outputs of Relu, Concat and such) are not measured again.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib.graph.legal import read_graph
from rfcn_lib.graph.rehearsal.measuring import LARGEST, MEASURED, NORMAL_FROM, ZERO_UP_TO
from rfcn_lib.graph.values import GraphError, infer_types, node_name, stored_tensor


@dataclass(frozen=True, slots=True)
class Headroom:
    """One float32 tensor of the main graph, over all pictures that were run.

    node, operator  what makes it; for a weight, the first node that reads it; for the graph's input, "" and "input"
    place           number of that node in the graph's order; -1 for the input
    weight          whether it is constant: an initialiser or the output of a Constant node
    largest         magnitude; infinite if it overflows float32 or a weight is NaN
    picture         id of the picture with that number; "" for a weight
    numbers         how many were counted: of a weight once, else of all pictures together
    subnormal       how many are subnormal in fp16, not zero
    underflowed     how many are zero in fp16, but not in float32
    """

    node: str
    operator: str
    tensor: str
    place: int
    weight: bool
    largest: float
    picture: str
    numbers: int
    subnormal: int
    underflowed: int

    @property
    def share(self) -> float:
        """The largest magnitude as a share of 65504; above 1 it overflows."""
        return self.largest / LARGEST

    @property
    def subnormal_share(self) -> float:
        """Of the numbers, the share that is subnormal in fp16."""
        return self.subnormal / max(self.numbers, 1)

    @property
    def underflowed_share(self) -> float:
        """Of the numbers, the share that becomes zero in fp16."""
        return self.underflowed / max(self.numbers, 1)


def tensors_of(graph: Path) -> tuple[tuple[Headroom, ...], tuple[Headroom, ...]]:
    """(the weights of a graph file, measured; the tensors that it computes, without numbers), each in the order of the graph.

    Args:
        graph: all arithmetic in float32, the vendor's operators defined by functions in the file: the twin.

    Raises:
        GraphError: the graph cannot be read, or has a tensor whose type ONNX cannot infer.
    """
    weights, computed = _rows(read_graph(graph), graph)
    return tuple(weights), tuple(computed)


def of_picture(computed: Iterable[Headroom], id: str, numbers: Mapping[str, Sequence[float]]) -> tuple[Headroom, ...]:
    """The rows of those tensors that were measured, with the numbers of one picture.

    numbers  name of an output of `measuring.add_measuring` -> its six numbers. A NaN that the graph computes is no largest
             magnitude: the audit of the outputs finds it
    """
    found = ((row, numbers.get(MEASURED + row.tensor)) for row in computed)
    return tuple(_with_numbers(row, id, *six) for row, six in found if six is not None)


def together(runs: Iterable[Sequence[Headroom]]) -> tuple[Headroom, ...]:
    """The rows of several pictures, or of several graphs with the same tensors, as one: in the order of the graph."""
    found: dict[str, Headroom] = {}
    for row in (row for rows in runs for row in rows):
        before = found.get(row.tensor)
        found[row.tensor] = row if before is None else _merged(before, row)
    return tuple(sorted(found.values(), key=_in_graph))


def worst_first(rows: Iterable[Headroom]) -> tuple[Headroom, ...]:
    """The rows, the largest share of 65504 first; equal ones in the order of the graph."""
    return tuple(sorted(rows, key=lambda row: (-row.largest, *_in_graph(row))))


def overflowing(rows: Iterable[Headroom]) -> tuple[Headroom, ...]:
    """The rows above 65504 in the order of the graph: the first is the culprit, the others may follow from it."""
    return tuple(sorted((row for row in rows if row.largest > LARGEST), key=_in_graph))


def _in_graph(row: Headroom) -> tuple[int, bool, str]:
    return row.place, not row.weight, row.tensor


def _merged(before: Headroom, row: Headroom) -> Headroom:
    if row.weight:
        return before
    worse = row if row.largest > before.largest else before
    return replace(
        worse,
        numbers=before.numbers + row.numbers,
        subnormal=before.subnormal + row.subnormal,
        underflowed=before.underflowed + row.underflowed,
    )


def _with_numbers(
    row: Headroom,
    id: str,
    largest: float,
    least: float,
    below_normal: float,
    rounded_to_zero: float,
    zero: float,
    numbers: float,
) -> Headroom:
    return replace(
        row,
        largest=max((abs(end) for end in (largest, least) if not math.isnan(end)), default=0.0),
        picture=id,
        numbers=int(numbers),
        subnormal=int(below_normal - rounded_to_zero),
        underflowed=int(rounded_to_zero - zero),
    )


def _rows(model: ir.Model, graph: Path) -> tuple[list[Headroom], list[Headroom]]:
    """(weights, measured already; the tensors that the graph computes, without their numbers)."""
    types = infer_types(model)
    inputs = [str(value.name) for value in model.graph.inputs if value.dtype == ir.DataType.FLOAT]
    computed = [Headroom("", "input", name, -1, False, 0.0, "", 0, 0, 0) for name in inputs]
    weights = []
    read: set[ir.Value] = set()
    for place, node in enumerate(model.graph):
        made = Headroom(node_name(node), node.op_type, "", place, False, 0.0, "", 0, 0, 0)
        fresh = [v for v in node.inputs if v is not None and v.is_initializer() and v not in read]
        read.update(fresh)
        for value in (*fresh, *(output for output in node.outputs if output.name)):
            name = str(value.name)
            if (tensor := stored_tensor(value)) is not None:
                if tensor.dtype == ir.DataType.FLOAT:
                    weights.append(_of_weight(replace(made, tensor=name, weight=True), tensor.numpy()))
                continue
            kind = types[name].dtype if name in types else None
            if kind is None:
                raise GraphError(
                    f"{graph}: ONNX cannot infer the type of {name}, which {made.operator} {made.node} makes; is this the "
                    "twin, with the definitions of the vendor's operators?"
                )
            if kind == ir.DataType.FLOAT:
                computed.append(replace(made, tensor=name))
    return weights, computed


def _of_weight(row: Headroom, numbers: NDArray[np.generic]) -> Headroom:
    magnitude = np.abs(numbers.astype(np.float32, copy=False))
    zero, to_zero = (int((magnitude <= limit).sum()) for limit in (0, ZERO_UP_TO))
    below = int((magnitude < NORMAL_FROM).sum())
    largest = float(magnitude.max(initial=0))
    return replace(
        row,
        largest=np.inf if np.isnan(largest) else largest,
        numbers=numbers.size,
        subnormal=below - to_zero,
        underflowed=to_zero - zero,
    )
