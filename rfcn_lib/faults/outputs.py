"""Faults behind the network: what is done to one picture's outputs."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rfcn_lib import boxes
from rfcn_lib.faults.fault import OutputsFault, rng_of
from rfcn_lib.port import Port
from rfcn_lib.records import Bools, Floats, Outputs, Picture

BATCH: Final = 8  # pictures in a batch of the vendor's tool, where a fault is of a batch


def rows_shuffled(outputs: Outputs, picture: Picture, _: Port) -> Outputs:
    """The rows of all three outputs are in one random order."""
    return _rows(outputs, rng_of(picture.id).permutation(len(outputs.rois)))


def rows_by_score(outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """The rows are sorted by the best score of a class."""
    return _rows(outputs, np.argsort(-outputs.cls_prob[:, 1:].max(1), kind="stable"))


def rows_repeated(count: int, outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """The first rows stand in the place of the last ones too."""
    at = np.arange(len(outputs.rois))
    at[-count:] = at[:count]
    return _rows(outputs, at)


def rois_of_other_rows(outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """The rois are one row off against scores and deltas."""
    return replace(outputs, rois=np.roll(outputs.rois, 1, axis=0))


def rows_after_zero(count: int, outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """Only the rows with the best scores have scores."""
    order = np.argsort(-outputs.cls_prob[:, 1:].max(1), kind="stable")
    return without_scores(outputs, np.isin(np.arange(len(order)), order[count:]))


def low_scores_zero(limit: float, outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """Scores below a limit are zero."""
    return replace(outputs, cls_prob=np.where(outputs.cls_prob < limit, 0, outputs.cls_prob).astype(np.float32))


def scores_to_power(power: float, outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """The probabilities are raised to a power, and add up to 1 again."""
    raised = outputs.cls_prob.astype(np.float64) ** power
    return replace(outputs, cls_prob=(raised / raised.sum(1, keepdims=True)).astype(np.float32))


def sum_not_one(factor: float, outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """All scores are multiplied."""
    return replace(outputs, cls_prob=outputs.cls_prob * np.float32(factor))


def boxes_moved(px: float, outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """The written boxes lie so many px right and below; scores and deltas are of the right ones."""
    return _alive_rois(outputs, lambda rois: rois + px)


def boxes_scaled(factor: float, outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """The written boxes' coordinates are multiplied; scores and deltas are of the right ones."""
    return _alive_rois(outputs, lambda rois: rois * factor)


def boxes_in_picture_frame(outputs: Outputs, picture: Picture, _: Port) -> Outputs:
    """The rois are divided by the picture's scale already."""
    return _alive_rois(outputs, lambda rois: rois / picture.scale)


def boxes_clipped_to_picture(outputs: Outputs, picture: Picture, _: Port) -> Outputs:
    """The written rois are clipped to nine tenths of the resized picture."""
    width, height = picture.scaled_wh
    return _alive_rois(outputs, lambda rois: np.minimum(rois, np.asarray((width, height, width, height)) * 0.9))


def boxes_rounded(outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """The written boxes are whole px."""
    return _alive_rois(outputs, np.rint)


def decoded_twice(outputs: Outputs, _: Picture, port: Port) -> Outputs:
    """The rois are the final boxes of their best class, and the deltas are applied to them once more."""
    best = 1 + outputs.cls_prob[:, 1:].argmax(1)
    by_class = outputs.bbox_pred.reshape(len(best), -1, 4)
    deltas = by_class[np.arange(len(best)), best] * np.asarray(port.detections.delta_stds, np.float32)
    return _alive_rois(outputs, lambda rois: boxes.apply_deltas(rois, deltas))


def small_lost(side_px: float, outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """Rows whose roi has a side below a limit have no scores."""
    sides = outputs.rois[:, 3:] - outputs.rois[:, 1:3] + 1
    return without_scores(outputs, sides.max(1) < side_px)


def side_lost(side: int, outputs: Outputs, picture: Picture, _: Port) -> Outputs:
    """Rows whose roi has its centre in a quarter of the picture have no scores. `side`: 0 left, 1 top, 2 right, 3 bottom."""
    centre = (outputs.rois[:, 1:3] + outputs.rois[:, 3:])[:, side % 2] / 2
    share = centre / picture.scaled_wh[side % 2]
    return without_scores(outputs, share < 0.25 if side < 2 else share > 0.75)


def one_class_at_a_row(outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """Each row keeps the score of its best column; the others are zero."""
    best = outputs.cls_prob == outputs.cls_prob.max(1, keepdims=True)
    return replace(outputs, cls_prob=np.where(best, outputs.cls_prob, 0).astype(np.float32))


def in_fewer_bits(outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """All three outputs have 8 bits of mantissa (bfloat16)."""

    def short(numbers: Floats) -> Floats:
        bits = np.ascontiguousarray(numbers, np.float32).view(np.uint32)
        return ((bits + 0x8000) & 0xFFFF0000).view(np.float32)

    return Outputs(short(outputs.rois), short(outputs.cls_prob), short(outputs.bbox_pred))


def deltas_column_by_column(outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """The bytes of the deltas are those of the (84, R) array, read as (R, 84)."""
    deltas = outputs.bbox_pred
    return replace(outputs, bbox_pred=np.ascontiguousarray(deltas.T).reshape(deltas.shape))


def deltas_in_8_bits(outputs: Outputs, _: Picture, __: Port) -> Outputs:
    """256 steps between the smallest and the largest delta."""
    deltas = outputs.bbox_pred.astype(np.float64)
    low, high = float(deltas.min()), float(deltas.max())
    unit = max(high - low, 1e-30) / 255
    return replace(outputs, bbox_pred=np.asarray(np.rint((deltas - low) / unit) * unit + low, np.float32))


def _rows(outputs: Outputs, at: NDArray[np.integer]) -> Outputs:
    return Outputs(outputs.rois[at], outputs.cls_prob[at], outputs.bbox_pred[at])


def without_scores(outputs: Outputs, rows: Bools) -> Outputs:
    """The rows are all background."""
    scores = outputs.cls_prob.copy()
    scores[rows] = 0
    scores[rows, 0] = 1
    return replace(outputs, cls_prob=scores)


def _alive_rois(outputs: Outputs, change: Callable[[Floats], Floats]) -> Outputs:
    """Other boxes; rows without a proposal stay zeros."""
    rois = outputs.rois.copy()
    alive = rois[:, 1:].any(1)
    rois[alive, 1:] = change(rois[:, 1:])[alive]
    return replace(outputs, rois=rois)


FAULTS: Final = (
    OutputsFault(
        "rows-shuffled", "post-processing",
        "The rows of the outputs are in another order than the proposals' scores give. Look at what sorts them "
        "after the model.", rows_shuffled,
    ),
    OutputsFault(
        "rows-by-class-score", "post-processing",
        "The rows are sorted by the best class's score. They come in the order of the proposals.", rows_by_score,
    ),
    OutputsFault(
        "rows-repeated", "post-processing",
        "The last 50 rows repeat the first 50. Look for a buffer that is written over.", partial(rows_repeated, 50),
    ),
    OutputsFault(
        "rois-of-other-rows", "post-processing",
        "The rois are one row off against scores and deltas.", rois_of_other_rows,
    ),
    OutputsFault(
        "best-50-rows-only", "post-processing",
        "Only the 50 rows with the best scores have scores. The suite cuts by itself.", partial(rows_after_zero, 50),
    ),
    OutputsFault(
        "low-scores-zero", "post-processing",
        "Scores below 0.05 are zero, as of a demo. Mean AP needs all scores.", partial(low_scores_zero, 0.05),
    ),
    OutputsFault(
        "one-class-at-a-row", "post-processing",
        "Each row keeps the score of its best class only. Mean AP needs all columns.", one_class_at_a_row,
    ),
    OutputsFault(
        "temperature-after-softmax", "post-processing",
        "The scores are raised to a power after the softmax (0.8), and add up to 1 again.",
        partial(scores_to_power, 0.8),
    ),
    OutputsFault(
        "scores-too-small", "post-processing",
        "All scores are 2 % too small, and do not add up to 1.", partial(sum_not_one, 0.98),
    ),
    OutputsFault(
        "boxes-moved-2-px", "post-processing",
        "Every box is moved by 2 px right and down after the model.", partial(boxes_moved, 2.0),
    ),
    OutputsFault(
        "boxes-moved-half-a-px", "post-processing",
        "Every box is moved by half a px right and down after the model.", partial(boxes_moved, 0.5),
    ),
    OutputsFault(
        "boxes-scaled-1-percent", "post-processing",
        "Every box is 1 % too large after the model. Look at the scale of the picture.", partial(boxes_scaled, 1.01),
    ),
    OutputsFault(
        "boxes-in-picture-frame", "post-processing",
        "The rois are divided by the picture's scale. The suite divides by itself.", boxes_in_picture_frame,
    ),
    OutputsFault(
        "boxes-clipped-to-nine-tenths", "post-processing",
        "The rois end at nine tenths of the picture. Look at the size that they are clipped to.",
        boxes_clipped_to_picture,
    ),
    OutputsFault(
        "boxes-in-whole-px", "post-processing",
        "The rois are written as whole px. They should be float.", boxes_rounded,
    ),
    OutputsFault(
        "deltas-applied-twice", "post-processing",
        "The rois are the final boxes already, and the deltas are applied again.", decoded_twice,
    ),
    OutputsFault(
        "small-objects-lost", "post-processing",
        "Nothing smaller than 40 px of the network's input is found.", partial(small_lost, 40.0),
    ),
    OutputsFault("left-side-lost", "post-processing", "Nothing is found in the left quarter.", partial(side_lost, 0)),
    OutputsFault("top-lost", "post-processing", "Nothing is found in the upper quarter.", partial(side_lost, 1)),
    OutputsFault("right-side-lost", "post-processing", "Nothing is found on the right.", partial(side_lost, 2)),
    OutputsFault("bottom-lost", "post-processing", "Nothing is found in the lower quarter.", partial(side_lost, 3)),
    OutputsFault(
        "deltas-row-by-class", "files",
        "The deltas are written column by column, (84, R). They should be (R, 84).", deltas_column_by_column,
    ),
    OutputsFault(
        "deltas-in-8-bits", "files",
        "The deltas have 256 steps. Look at --output_type of atc, and at quantisation.", deltas_in_8_bits,
    ),
    OutputsFault(
        "outputs-in-bfloat16", "post-processing",
        "The outputs have 8 bits of mantissa. They should have at least fp16's 11.", in_fewer_bits,
    ),
)  # fmt: skip
