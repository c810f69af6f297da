"""Faults of the candidates: clip, cut, NMS, rois."""

from collections.abc import Callable
from functools import partial
from typing import Final

import numpy as np
import onnx_ir as ir

from rfcn_lib import spec
from rfcn_lib.faults.fault import FaultError, GraphFault
from rfcn_lib.faults.surgery import (
    apply,
    between,
    candidates,
    decoded,
    integers,
    numbers_of,
    only,
    read,
    readers_of,
    redirect,
    step,
)

Parts = tuple[ir.Value, ir.Value, ir.Value]
Change = Callable[[ir.Value], ir.Value]


def clip_left_out(model: ir.Model) -> None:
    """The boxes reach beyond the canvas."""
    boxes, raw = candidates(model), decoded(model).outputs[0]
    if boxes is raw:
        raise FaultError("the graph clips no box")
    redirect(model, readers_of(boxes), boxes, raw)


def clip_at(share: float, model: ir.Model) -> None:
    """The boxes are clipped to a part of the canvas."""
    side = int(max(int(side) for side in model.graph.inputs[0].shape or (0,) if isinstance(side, int)) * share)
    between(model, candidates(model), "Min", np.asarray([side - 1] * 4, np.float32))


def small_dropped(side_px: float, model: ir.Model) -> None:
    """Candidates with a side below a limit get the score 0 (RPN_MIN_SIZE of training)."""
    boxes, scores = candidates(model), read(only(model, "TopK"))
    readers = readers_of(scores)
    low, high = (step(model, "Slice", boxes, integers(at), integers(at + 2), integers(1)) for at in (0, 2))
    sides = step(model, "Add", step(model, "Sub", high, low), 1.0)
    least = step(model, "ReduceMin", sides, axes=[1], keepdims=0)
    too_small = step(model, "Less", least, side_px)
    redirect(model, readers, scores, step(model, "Where", too_small, 0.0, scores))


def cut(count: int, model: ir.Model) -> None:
    """Only the best candidates enter NMS."""
    node = only(model, "TopK")
    before = int(numbers_of(read(node, 1)).reshape(-1)[0])
    if count >= before:
        raise FaultError(f"{before} candidates enter NMS, which are no more than {count}")
    nms = only(model, spec.NMS_OPERATOR)
    for index, value in enumerate(nms.inputs):
        source = read(nms, index)
        found = step(model, "Slice", source, integers(0), integers(count), integers(1))
        if value is not None:
            nms.replace_input_with(index, found)


def worst_first(model: ir.Model) -> None:
    """The candidates with the lowest scores are taken."""
    only(model, "TopK").attributes["largest"] = ir.AttrInt64("largest", 0)


def nms_threshold(iou: float, model: ir.Model) -> None:
    """NMS has another IoU limit."""
    only(model, spec.NMS_OPERATOR).attributes["iou_threshold"] = ir.AttrFloat32("iou_threshold", iou)


def nms_left_out(model: ir.Model) -> None:
    """The best candidates are the rois; nothing is suppressed."""
    nms_threshold(1.0, model)


def rois_cut(count: int, model: ir.Model) -> None:
    """Rows of the rois after the first ones are zeros."""
    boxes = only(model, spec.NMS_OPERATOR).outputs[0]
    rows = _rows(model)
    if count >= rows:
        raise FaultError(f"{rows} rois are kept, which are no more than {count}")
    keep = np.zeros((1, rows, 1), np.float32)
    keep[:, :count] = 1
    between(model, boxes, "Mul", keep)


def rois_moved(px: float, model: ir.Model) -> None:
    """All rois lie so many px right and below, in what is pooled too."""
    _living(model, lambda boxes: step(model, "Add", boxes, px))


def rois_scaled(factor: float, model: ir.Model) -> None:
    """All coordinates of the rois are multiplied, in what is pooled too."""
    _living(model, lambda boxes: step(model, "Mul", boxes, factor))


def rois_whole(px: float, model: ir.Model) -> None:
    """The rois' coordinates are rounded down to multiples."""
    _living(model, lambda boxes: step(model, "Mul", step(model, "Floor", step(model, "Mul", boxes, 1 / px)), px))


def rois_columns(order: tuple[int, int, int, int], model: ir.Model) -> None:
    """The rois' columns are in another order."""
    boxes = only(model, spec.NMS_OPERATOR).outputs[0]
    readers = readers_of(boxes)
    redirect(model, readers, boxes, step(model, "Gather", boxes, np.asarray(order, np.int32), axis=2))


def rois_as_sizes(model: ir.Model) -> None:
    """The rois are x, y, width, height."""

    def change(boxes: ir.Value) -> ir.Value:
        low, high = apply(model, "Split", boxes, outputs=2, axis=2)
        return step(model, "Concat", low, step(model, "Sub", high, low), axis=2)

    _living(model, change)


def rois_reversed(model: ir.Model) -> None:
    """The worst roi comes first."""
    boxes = only(model, spec.NMS_OPERATOR).outputs[0]
    between(model, boxes, "Gather", np.arange(_rows(model), dtype=np.int32)[::-1].copy(), axis=1)


def _rows(model: ir.Model) -> int:
    return only(model, spec.NMS_OPERATOR).attributes["max_total_size"].as_int()


def _living(model: ir.Model, change: Change) -> None:
    """Change the rois of NMS; rows without a proposal stay zeros."""
    boxes = only(model, spec.NMS_OPERATOR).outputs[0]
    readers = readers_of(boxes)
    alive = step(
        model, "Cast", step(model, "ReduceMax", step(model, "Abs", boxes), axes=[2]), to=ir.DataType.BOOL.value
    )
    redirect(model, readers, boxes, step(model, "Where", alive, change(boxes), boxes))


FAULTS: Final = (
    GraphFault(
        "clip-left-out", "proposals",
        "The proposals are not clipped to the canvas. Look for im_info, which the trace may have lost. If the graph is meant "
        "so, as the published one is, pass --clip=none.",
        clip_left_out,
    ),
    GraphFault(
        "clip-frozen", "proposals",
        "The proposals are clipped to less than half of the canvas, the size of one picture. Look for a size that "
        "the trace froze.", partial(clip_at, 0.45),
    ),
    GraphFault(
        "small-candidates-dropped", "proposals",
        "Candidates with a side below 16 px are dropped (RPN_MIN_SIZE). The test configuration keeps them.",
        partial(small_dropped, 16.0),
    ),
    GraphFault(
        "candidates-cut-to-300", "proposals",
        "Only the best 300 candidates enter NMS. Compare before_nms of the port.", partial(cut, 300),
    ),
    GraphFault(
        "candidates-cut-to-1000", "proposals",
        "Only the best 1,000 candidates enter NMS. Compare before_nms of the port.", partial(cut, 1000),
    ),
    GraphFault(
        "candidates-cut-to-3968", "proposals",
        "Only the best 3,968 candidates enter NMS, as on an Ascend310. Compare before_nms of the port, and the "
        "chip.", partial(cut, 3968),
    ),
    GraphFault(
        "candidates-worst-first", "proposals",
        "The candidates with the lowest scores are taken. Look at TopK's attribute largest.", worst_first,
    ),
    GraphFault(
        "rpn-nms-at-0.5", "proposals",
        "The NMS of the proposals has the IoU limit 0.5. Compare nms_iou of the port.", partial(nms_threshold, 0.5),
    ),
    GraphFault(
        "rpn-nms-at-0.65", "proposals",
        "The NMS of the proposals has the IoU limit 0.65. Compare nms_iou of the port.", partial(nms_threshold, 0.65),
    ),
    GraphFault(
        "rpn-nms-at-0.8", "proposals",
        "The NMS of the proposals has the IoU limit 0.8. Compare nms_iou of the port.", partial(nms_threshold, 0.8),
    ),
    GraphFault("rpn-nms-left-out", "proposals", "The NMS of the proposals suppresses nothing.", nms_left_out),
    GraphFault(
        "rois-cut-to-50", "proposals",
        "Only 50 rois are kept, the other rows are zeros. Compare max_total_size of the NMS node.",
        partial(rois_cut, 50),
    ),
    GraphFault(
        "rois-cut-to-200", "proposals",
        "Only 200 rois are kept, the other rows are zeros. Compare max_total_size of the NMS node.",
        partial(rois_cut, 200),
    ),
    GraphFault(
        "rois-moved-2-px", "proposals",
        "All rois lie 2 px right of and below their places.", partial(rois_moved, 2.0),
    ),
    GraphFault(
        "rois-scaled-1-percent", "proposals",
        "All coordinates of the rois are 1 % too large.", partial(rois_scaled, 1.01),
    ),
    GraphFault(
        "rois-in-whole-px", "proposals",
        "The rois' coordinates are rounded down to whole px. They should be float.", partial(rois_whole, 1.0),
    ),
    GraphFault(
        "rois-on-grid-of-8-px", "proposals",
        "The rois' coordinates are multiples of 8 px. Look at the type of the boxes.", partial(rois_whole, 8.0),
    ),
    GraphFault(
        "rois-as-y-x", "proposals",
        "The rois are y1 x1 y2 x2, as TensorFlow has them. They should be x1 y1 x2 y2.",
        partial(rois_columns, (1, 0, 3, 2)),
    ),
    GraphFault(
        "rois-as-sizes", "proposals",
        "The rois are x y width height. They should be x1 y1 x2 y2.", rois_as_sizes,
    ),
    GraphFault(
        "rois-worst-first", "proposals",
        "The rois come in the reverse order, the lowest score first.", rois_reversed,
    ),
)  # fmt: skip
