"""Faults of the anchors, of the RPN and of its deltas."""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import onnx_ir as ir
from numpy.typing import NDArray

from rfcn_lib.faults.fault import FaultError, GraphFault
from rfcn_lib.faults.surgery import (
    decoded,
    numbers_of,
    only,
    read,
    readers_of,
    redirect,
    rpn_convolutions,
    set_numbers,
    step,
    upstream,
)
from rfcn_lib.graph.values import stored_tensor

Parts = tuple[ir.Value, ir.Value, ir.Value]
Change = Callable[[ir.Value], ir.Value]


def _anchor_parts(model: ir.Model) -> Parts:
    """Constants (N, 2): the sizes that multiply dx dy, the centres, and the sizes that multiply exp(dw dh)."""
    middle = upstream(read(decoded(model)), "Sub", "Add")
    centre_sum, half_product = upstream(read(middle), "Add"), upstream(read(middle, 1), "Mul")
    shift_product, size_product = upstream(read(centre_sum), "Mul"), upstream(read(half_product), "Mul")
    found = tuple(_constant_of(node) for node in (shift_product, centre_sum, size_product))
    return found[0], found[1], found[2]


def _constant_of(node: ir.Node) -> ir.Value:
    for value in node.inputs:
        if value is not None and stored_tensor(value) is not None and numbers_of(value).shape[-1:] == (2,):
            return value
    raise FaultError(f"{node.op_type} {node.name} reads no constant with the anchors' sides; are they computed?")


def anchors_moved(px: float, model: ir.Model) -> None:
    """All anchors lie so many px right and below."""
    _, centres, _ = _anchor_parts(model)
    set_numbers(centres, numbers_of(centres) + px)


def anchors_scaled(factor: float, model: ir.Model) -> None:
    """All anchors are larger by a factor, around the same centres."""
    for value in {*_anchor_parts(model)[::2]}:
        set_numbers(value, numbers_of(value) * factor)


def anchors_turned(model: ir.Model) -> None:
    """Widths and heights of the anchors are exchanged."""
    for value in {*_anchor_parts(model)[::2]}:
        set_numbers(value, numbers_of(value)[:, ::-1])


def anchors_in_other_order(model: ir.Model) -> None:
    """At each cell: for each scale each ratio. It should be for each ratio each scale."""
    scores, _ = rpn_convolutions(model)
    per_cell = len(numbers_of(read(scores, 1))) // 2
    side = int(np.sqrt(per_cell))
    if side * side != per_cell:
        raise FaultError(f"{per_cell} anchors at a cell are not as many ratios as scales")
    order = np.arange(per_cell).reshape(side, side).T.reshape(-1)
    for value in {*_anchor_parts(model)}:
        numbers = numbers_of(value)
        set_numbers(value, numbers.reshape(-1, per_cell, 2)[:, order].reshape(numbers.shape))


def grid_transposed(model: ir.Model) -> None:
    """The anchors' cells go down the columns, and the planes are read along the rows."""
    _, centres, _ = _anchor_parts(model)
    set_numbers(centres, numbers_of(centres)[:, ::-1])


def without_plus_one(model: ir.Model) -> None:
    """Widths and heights of the anchors are x2 - x1, without "+1"."""
    parts = _anchor_parts(model)
    for value in {*parts[::2]}:
        set_numbers(value, numbers_of(value) - 1)
    set_numbers(parts[1], numbers_of(parts[1]) - 0.5)


def _reorder(conv: ir.Node, order: NDArray[np.integer]) -> None:
    for index in (1, 2):
        if index < len(conv.inputs):
            set_numbers(read(conv, index), numbers_of(read(conv, index))[order])


def background_scores(model: ir.Model) -> None:
    """The candidates are ordered by the background's score."""
    scores, _ = rpn_convolutions(model)
    count = len(numbers_of(read(scores, 1)))
    _reorder(scores, np.roll(np.arange(count), count // 2))


def planes_interleaved(model: ir.Model) -> None:
    """The score planes are read as pairs (background, foreground) of each anchor, and lie as all backgrounds first."""
    scores, _ = rpn_convolutions(model)
    count = len(numbers_of(read(scores, 1)))
    _reorder(scores, np.arange(count).reshape(2, -1).T.reshape(-1))


def deltas_in_order(order: tuple[int, int, int, int], model: ir.Model) -> None:
    """The RPN's dx dy dw dh are read in another order."""
    _, deltas = rpn_convolutions(model)
    count = len(numbers_of(read(deltas, 1)))
    _reorder(deltas, np.arange(count).reshape(-1, 4)[:, list(order)].reshape(-1))


def deltas_scaled(by: tuple[float, float, float, float], model: ir.Model) -> None:
    """The RPN's dx dy dw dh are multiplied by four numbers."""
    _, deltas = rpn_convolutions(model)
    for index in (1, 2):
        if index < len(deltas.inputs):
            numbers = numbers_of(read(deltas, index))
            factors = np.resize(np.asarray(by), len(numbers)).reshape(-1, *[1] * (numbers.ndim - 1))
            set_numbers(read(deltas, index), numbers * factors)


def exp_left_out(model: ir.Model) -> None:
    """Widths and heights are multiplied by 1 + dw, and should be by exp(dw)."""
    node = only(model, "Exp")
    readers = readers_of(node.outputs[0])
    redirect(model, readers, node.outputs[0], step(model, "Add", read(node), 1.0))


def score_steps(steps: float, model: ir.Model) -> None:
    """The candidates' scores are rounded to 1 / steps, so that many are equal."""
    value = read(only(model, "TopK"))
    readers = readers_of(value)
    grid = step(model, "Floor", step(model, "Add", step(model, "Mul", value, steps), 0.5))
    redirect(model, readers, value, step(model, "Mul", grid, 1 / steps))


def rois_not_refined(model: ir.Model) -> None:
    """The RPN's deltas are left out: the rois are anchors."""
    deltas_scaled((0.0, 0.0, 0.0, 0.0), model)


FAULTS: Final = (
    GraphFault(
        "anchors-2-px-off", "proposals",
        "All anchors lie 2 px right of and below their places. Look at the centre of the first anchor: 0.5 x (base "
        "- 1).", partial(anchors_moved, 2.0),
    ),
    GraphFault(
        "anchors-half-a-cell-off", "proposals",
        "All anchors lie half a cell, 8 px, right of and below their places. Shifts begin at 0, not at half a "
        "stride.", partial(anchors_moved, 8.0),
    ),
    GraphFault(
        "anchors-twice-as-large", "proposals",
        "All anchors are twice as large. Compare anchor_scales and anchor_base_px of the port.",
        partial(anchors_scaled, 2.0),
    ),
    GraphFault(
        "anchor-sides-exchanged", "proposals",
        "Widths and heights of the anchors are exchanged: the ratios are w / h, and should be h / w.", anchors_turned,
    ),
    GraphFault(
        "anchors-in-another-order", "proposals",
        "At each cell the anchors are ordered by scale, then by ratio. They should be ordered by ratio, then by "
        "scale.", anchors_in_other_order,
    ),
    GraphFault(
        "grid-transposed", "proposals",
        "Rows and columns of the anchors' grid are exchanged. Look at the meshgrid's indexing.", grid_transposed,
    ),
    GraphFault(
        "anchors-without-plus-one", "proposals",
        'Widths and heights of the anchors are x2 - x1, and should be x2 - x1 + 1 ("+1").', without_plus_one,
    ),
    GraphFault(
        "background-as-score", "proposals",
        "The candidates are ordered by the background's score. Foreground is the second half of the RPN's score "
        "planes.", background_scores,
    ),
    GraphFault(
        "score-planes-interleaved", "proposals",
        "The RPN's score planes are read as pairs for each anchor. All background planes come first.",
        planes_interleaved,
    ),
    GraphFault(
        "rpn-x-and-y-exchanged", "proposals",
        "The RPN's deltas are read as dy dx dh dw. They are dx dy dw dh.", partial(deltas_in_order, (1, 0, 3, 2)),
    ),
    GraphFault(
        "rpn-sizes-exchanged", "proposals",
        "The RPN's dw and dh are exchanged.", partial(deltas_in_order, (0, 1, 3, 2)),
    ),
    GraphFault(
        "rpn-deltas-with-stds", "proposals",
        "The RPN's deltas are multiplied by the stds of the heads (0.1 and 0.2). The RPN's have no stds.",
        partial(deltas_scaled, (0.1, 0.1, 0.2, 0.2)),
    ),
    GraphFault(
        "rpn-deltas-left-out", "proposals",
        "The RPN's deltas are not applied: the rois are anchors.", rois_not_refined,
    ),
    GraphFault(
        "rpn-exp-left-out", "proposals",
        "Widths and heights of the proposals are multiplied by 1 + dw, and should be by exp(dw).", exp_left_out,
    ),
    GraphFault(
        "rpn-scores-in-steps", "proposals",
        "The candidates' scores are rounded to 1/64, so that the order of many is by place. Look at quantisation "
        "after the RPN.", partial(score_steps, 64.0),
    ),
)  # fmt: skip
