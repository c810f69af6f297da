"""Faults of the box deltas."""

from functools import partial
from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib import spec
from rfcn_lib.faults.fault import FaultError, GraphFault
from rfcn_lib.faults.surgery import heads, numbers_of, read, readers_of, redirect, set_numbers, step, upstream
from rfcn_lib.faults.weights import in_int8

CAT, DOG, PERSON = (1 + spec.VOC_CLASSES.index(name) for name in ("cat", "dog", "person"))


def output_of(model: ir.Model, name: str) -> ir.Value:
    """An output of the graph, by its name."""
    return model.graph.outputs[spec.OUTPUTS.index(name)]


def behind(model: ir.Model, name: str, operator: str, *more: NDArray[np.generic] | float, **attributes: int) -> None:
    """Put a node behind an output of the graph."""
    value = output_of(model, name)
    redirect(model, readers_of(value), value, step(model, operator, value, *more, **attributes))


def columns_of(model: ir.Model) -> int:
    """Classes and background."""
    return heads(model)[0].attributes["output_dim"].as_int()


def vote_by_maximum(which: int, model: ir.Model) -> None:
    """The bins' largest vote counts, and the mean should."""
    pool = heads(model)[which]
    vote = next(node for node, _ in readers_of(pool.outputs[0]))
    if vote.op_type not in ("AveragePool", "ReduceMean", "GlobalAveragePool"):
        raise FaultError(f"the votes are joined by {vote.op_type}, and not by a mean")
    readers = readers_of(vote.outputs[0])
    most = step(model, "MaxPool", pool.outputs[0], kernel_shape=[spec.GROUP] * 2, strides=[spec.GROUP] * 2)
    redirect(model, readers, vote.outputs[0], most)


def deltas_scaled(by: tuple[float, float, float, float], model: ir.Model) -> None:
    """All dx dy dw dh are multiplied by four numbers."""
    behind(model, "bbox_pred", "Mul", np.tile(np.asarray(by, np.float32), columns_of(model)).reshape(1, 1, -1))


def deltas_added(by: tuple[float, float, float, float], model: ir.Model) -> None:
    """Four numbers are added to all dx dy dw dh."""
    behind(model, "bbox_pred", "Add", np.tile(np.asarray(by, np.float32), columns_of(model)).reshape(1, 1, -1))


def deltas_in_order(order: tuple[int, int, int, int], model: ir.Model) -> None:
    """Dx dy dw dh are in another order."""
    at = np.arange(4 * columns_of(model)).reshape(-1, 4)[:, list(order)].reshape(-1)
    behind(model, "bbox_pred", "Gather", at.astype(np.int32), axis=2)


def deltas_by_coordinate(model: ir.Model) -> None:
    """The deltas lie coordinate by coordinate, and are read class by class."""
    at = np.arange(4 * columns_of(model)).reshape(-1, 4).T.reshape(-1)
    behind(model, "bbox_pred", "Gather", at.astype(np.int32), axis=2)


def deltas_of_next_class(model: ir.Model) -> None:
    """Each class has the deltas of the class before."""
    at = np.roll(np.arange(4 * columns_of(model)), 4)
    behind(model, "bbox_pred", "Gather", at.astype(np.int32), axis=2)


def deltas_of_one_class(model: ir.Model) -> None:
    """All classes have the deltas of the first class."""
    at = np.tile(np.arange(4, 8), columns_of(model))
    behind(model, "bbox_pred", "Gather", at.astype(np.int32), axis=2)


def weights_in_int8(which: int, model: ir.Model) -> None:
    """The weights that make the maps of one head have 8 bits."""
    value = read(upstream(read(heads(model)[which]), "Conv"), 1)
    set_numbers(value, in_int8(numbers_of(value), per_channel=False))


FAULTS: Final = (
    GraphFault(
        "delta-votes-by-maximum", "heads",
        "Of the 49 votes of a delta the largest counts. They should be averaged.", partial(vote_by_maximum, 1),
    ),
    GraphFault(
        "stds-applied-in-the-graph", "heads",
        "The deltas are multiplied by the stds in the graph, and again after it. Multiply once.",
        partial(deltas_scaled, (0.1, 0.1, 0.2, 0.2)),
    ),
    GraphFault(
        "deltas-zero", "heads",
        "All box deltas are zero, so that detections are rois.", partial(deltas_scaled, (0.0, 0.0, 0.0, 0.0)),
    ),
    GraphFault(
        "deltas-10-percent-short", "heads",
        "All box deltas are 10 % too small.", partial(deltas_scaled, (0.9, 0.9, 0.9, 0.9)),
    ),
    GraphFault(
        "delta-means-added", "heads",
        "Means are added to the deltas (0.2 of a std each). The port has none.",
        partial(deltas_added, (0.2, 0.2, 0.2, 0.2)),
    ),
    GraphFault(
        "delta-x-and-y-exchanged", "heads",
        "The deltas are dy dx dh dw. They should be dx dy dw dh.", partial(deltas_in_order, (1, 0, 3, 2)),
    ),
    GraphFault(
        "deltas-by-coordinate", "heads",
        "The deltas lie coordinate by coordinate. They should lie class by class.", deltas_by_coordinate,
    ),
    GraphFault(
        "deltas-of-next-class", "heads",
        "Each class has the deltas of the class before it.", deltas_of_next_class,
    ),
    GraphFault(
        "deltas-of-one-class", "heads",
        "All classes have the deltas of the first class (class-agnostic).", deltas_of_one_class,
    ),
    GraphFault(
        "delta-maps-in-int8", "heads",
        "The weights of the delta maps have 8 bits. Look at quantisation.", partial(weights_in_int8, 1),
    ),
)  # fmt: skip
