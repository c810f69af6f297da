"""Headroom: how near each tensor of a graph comes to the largest fp16 number, and how much of it is too small for fp16.

The graph runs in float32, in a copy that has no outputs but five numbers for each tensor. ONNX Runtime frees a tensor as soon as
its numbers are taken, so the copy needs hardly more memory than the graph itself.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib import spec
from rfcn_lib.graph.legal import read_graph
from rfcn_lib.graph.rehearsal.measuring_copy import LARGEST, NORMAL_FROM, ZERO_UP_TO, measuring_copy, session_of
from rfcn_lib.graph.values import GraphError, infer_types, node_name, stored_tensor
from rfcn_lib.records import Floats


@dataclass(frozen=True, slots=True)
class Headroom:
    """One float32 tensor of the main graph, over all pictures that were run.

    node, operator  what makes it; for a weight, the first node that reads it; for the graph's input, "" and "input"
    place           number of that node in the graph's order; -1 for the input
    weight          whether it is constant: an initialiser or the output of a Constant node
    largest         magnitude; infinite if it overflows float32 or a weight is NaN
    picture         id of the picture with that number; "" for a weight
    numbers         how many there are: of a weight once, else of all pictures together
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


MeasurePicture = Callable[[str, Floats], tuple[Headroom, ...]]  # id, im_data -> a row for each tensor


def load(graph: Path, threads: int = 0) -> MeasurePicture:
    """Load a graph file's measuring copy once; the function returned runs one picture. The file does not change.

    Args:
        graph: all arithmetic in float32, the vendor's operators defined by functions in the file: the twin.
        threads: of ONNX Runtime; 0: one for each processor that this process may use.

    Returns:
        (id, im_data (1, 3, H, W) float32) -> rows in the order of the graph, a weight before the output of its node. A NaN that
        the graph computes is no largest magnitude: the audit of the outputs finds it.

    Raises:
        GraphError: the graph cannot be read, or has a tensor whose type ONNX cannot infer, or ONNX Runtime does not take it;
            from the function returned: ONNX Runtime does not take the picture.
    """
    model = read_graph(graph)
    weights, computed = _rows(model, graph)
    measured = measuring_copy(model, [row.tensor for row in computed])
    session = session_of(measured, graph, threads)
    names = [output.name for output in session.get_outputs()]

    def measure(id: str, im_data: Floats) -> tuple[Headroom, ...]:
        try:
            outputs = session.run(names, {spec.INPUT: im_data})
        except Exception as error:  # its exception types are private to the C++ module
            raise GraphError(
                f"ONNX Runtime cannot run {graph} on picture {id}, im_data {im_data.dtype} {im_data.shape}: {str(error)[:300]}; "
                "does the file run as it is?"
            ) from error
        found = np.array(outputs, np.float64).reshape(len(computed), -1)
        rows = [_with_numbers(row, id, *numbers) for row, numbers in zip(computed, found.tolist(), strict=True)]
        return tuple(sorted((*weights, *rows), key=_in_graph))

    return measure


def measure(graph: Path, pictures: Iterable[tuple[str, Floats]], threads: int = 0) -> tuple[Headroom, ...]:
    """The headroom of a graph file over pictures, worst first. Pictures (id, im_data) are taken one after the other.

    Raises:
        GraphError: as `load`.
    """
    run = load(graph, threads)
    return worst_first(together(run(id, im_data) for id, im_data in pictures))


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
    row: Headroom, id: str, largest: float, below_normal: float, rounded_to_zero: float, zero: float, numbers: float
) -> Headroom:
    subnormal, underflowed = int(below_normal - rounded_to_zero), int(rounded_to_zero - zero)
    return replace(
        row,
        largest=largest,
        picture=id,
        numbers=int(numbers),
        subnormal=subnormal,
        underflowed=underflowed,
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
