"""What the proposals of a graph are clipped to, found by trial: very large numbers take the place of every computed coordinate.

The published graph lost its clip in the trace. A graph of a newer PyTorch clips each column by itself, to the size of the
picture that the export ran. So the limits are read per column, whatever operators clip.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import onnx
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib import spec
from rfcn_lib.graph.inspect import DATA_INPUTS
from rfcn_lib.graph.values import GraphError, all_nodes, infer_types, run_part, shape_of, stored_tensor

FAR_PX: Final = 30_000.0  # no canvas is as wide, and float16 can hold it
# operators that move coordinates, that clip them, and that choose among them
PASSED: Final = frozenset(DATA_INPUTS) | {
    "And", "Clip", "Concat", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "Max", "Min", "Not", "Or", "Relu", "Where",
}  # fmt: skip

Kind = Literal["canvas", "none", "frozen"]
Side = tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ProposalClip:
    """What the boxes at the input of NMS are clipped to, in px of the net frame.

    low, high  for x1, y1, x2, y2; None: not clipped on that side
    even       whether all rows have the same limits; if not, `low` and `high` are those of the widest row
    """

    low: Side
    high: Side
    even: bool = True

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """(width, height) px if this is a clip to a picture of that size, else None."""
        if not self.even or self.low != (0.0,) * 4 or self.high[:2] != self.high[2:]:
            return None
        width, height = self.high[:2]
        if width is None or height is None or width % 1 or height % 1:
            return None
        return int(width) + 1, int(height) + 1

    def kind(self, canvas_wh: tuple[int, int]) -> Kind:
        """To the canvas; none; or frozen to numbers that belong to one picture, or to nothing."""
        if self.size_wh == canvas_wh:
            return "canvas"
        return "none" if self.even and {*self.low, *self.high} == {None} else "frozen"

    def __str__(self) -> str:
        if self.size_wh:
            return "{} x {} px".format(*self.size_wh)
        if {*self.low, *self.high} == {None}:
            return "nothing" if self.even else "nothing, in some rows"
        sides = (f"{axis} to {low} .. {high}" for axis, low, high in zip("xyxy", self.low, self.high, strict=True))
        return f"{', '.join(sides)} px{'' if self.even else ' in some rows, other limits in others'}"


def proposal_clip(model: ir.Model) -> ProposalClip:
    """The limits of the boxes at NMS's input. `model` does not change.

    The function cuts out the nodes between the last arithmetic on the boxes and NMS, runs them in ONNX Runtime on -30,000 px
    and on 30,000 px, and reads what comes out.

    Raises:
        GraphError: there is no NMS, or these nodes cannot run.
    """
    found = [node for node in all_nodes(model) if node.op_type == spec.NMS_OPERATOR and node.inputs]
    if not found or found[0].inputs[0] is None:
        raise GraphError(f"the graph has no {spec.NMS_OPERATOR} that reads boxes; is it the graph of this port?")
    boxes = found[0].inputs[0]
    low, high = (_boxes_when(model, boxes, coordinate) for coordinate in (-FAR_PX, FAR_PX))
    even = bool((low == low[0]).all() and (high == high[0]).all())
    return ProposalClip(_limits(low.min(axis=0)), _limits(high.max(axis=0)), even)


def _limits(coordinates: NDArray[np.float64]) -> Side:
    return tuple(None if abs(number) >= FAR_PX else float(number) for number in coordinates)


def _boxes_when(model: ir.Model, boxes: ir.Value, coordinate: float) -> NDArray[np.float64]:
    """The rows at NMS's input, (N, 4), when every computed coordinate is this number."""
    nodes, computed = _between(boxes)
    values = infer_types(model)
    feed = {str(value.name): _stand_in(values.get(str(value.name), value), coordinate) for value in computed}
    if boxes in computed:
        return feed[str(boxes.name)].reshape(-1, 4).astype(np.float64)
    constants = {
        str(value.name): tensor.numpy()
        for node in nodes
        for value in node.inputs
        if value is not None and (tensor := stored_tensor(value)) is not None
    }
    part = onnx.helper.make_graph(
        [ir.serde.serialize_node(node) for node in nodes],
        f"what clips the boxes before {spec.NMS_OPERATOR}",
        [_info(name, array) for name, array in feed.items()],
        [onnx.ValueInfoProto(name=str(boxes.name))],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    (got,) = run_part(part, model, feed)
    return np.asarray(got, np.float64).reshape(-1, 4)


def _between(boxes: ir.Value) -> tuple[list[ir.Node], list[ir.Value]]:
    """The nodes that move or clip the boxes, in the graph's order, and the computed values that they begin with."""
    nodes, computed, waiting, visited = dict[ir.Node, None](), list[ir.Value](), [boxes], {boxes}
    while waiting:
        value = waiting.pop()
        node = value.producer()
        if stored_tensor(value) is not None:
            continue
        if node is None or node.domain or node.op_type not in PASSED:
            computed.append(value)
            continue
        nodes[node] = None
        moved = DATA_INPUTS.get(node.op_type, range(len(node.inputs)))
        for index, source in enumerate(node.inputs):
            if source is None or source in visited:
                continue
            visited.add(source)
            if index in moved:
                waiting.append(source)
            elif stored_tensor(source) is None:  # computed places, such as those of the best scores
                computed.append(source)
    return _in_order(nodes), computed


def _in_order(nodes: Iterable[ir.Node]) -> list[ir.Node]:
    chosen = set(nodes)
    graph = next(iter(chosen)).graph if chosen else None
    return [node for node in graph or () if node in chosen]


def _stand_in(value: ir.Value, coordinate: float) -> NDArray[np.generic]:
    """The coordinate everywhere. Whole numbers are places: a list of them is 0, 1, 2 and so on, others are 0."""
    shape, kind = shape_of(value), value.dtype
    if value.shape is None or kind is None or not all(isinstance(side, int) for side in shape):
        raise GraphError(
            f"the limits of the proposals cannot be read: {value.name} has no fixed shape; export with fixed shapes"
        )
    sides = [int(side or 0) for side in shape]
    if np.issubdtype(kind.numpy(), np.floating):
        return np.full(sides, coordinate, kind.numpy())
    return (np.arange(*sides) if len(sides) == 1 else np.zeros(sides)).astype(kind.numpy())


def _info(name: str, array: NDArray[np.generic]) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
