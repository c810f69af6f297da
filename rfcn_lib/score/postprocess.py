"""Outputs -> detections, as upstream's test_net.py does it: decode, clip, leave the net frame, NMS per class, the best.

The arithmetic stays in the outputs' own dtype (float32, as upstream), scores keep their full precision.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rfcn_lib import boxes
from rfcn_lib.port import Detecting, Port
from rfcn_lib.records import Detections, Floats, Ints, Outputs, Picture, expect_shape

CHUNK: Final = 192  # candidates looked at together at first, then twice as many each time: changes the time only
LARGEST_CHUNK: Final = 768  # measured best of 64 to 256 and 256 to 1024


def detections_from_outputs(outputs: Outputs, picture: Picture, port: Port) -> Detections:
    """What the outputs say was found, in the picture frame: boxes float like the outputs, labels 0 to C - 1.

    Per class every score above the port's floor, NMS within the class; then, over all classes, every score that
    reaches the `per_picture`-th best (ties keep more). Boxes are clipped to the whole resized picture, also where the
    canvas cropped it (im_info says so upstream). Padded all-zero rois take part, as upstream.

    Order: score descending, ties by class, then by row. The NMS sees the same order.

    Raises:
        ValueError: columns unlike the port's classes, or a number that is not finite.
    """
    rules, columns = port.detections, len(port.classes) + 1
    expect_shape("cls_prob", outputs.cls_prob, (None, columns))
    scores_cr = np.ascontiguousarray(outputs.cls_prob[:, 1:].T)
    boxes_crx = _boxes_in_picture(outputs, picture, rules).reshape(-1, columns - 1, 4).transpose(1, 0, 2).copy()
    if not (np.isfinite(scores_cr).all() and np.isfinite(boxes_crx).all()):
        raise ValueError(f"outputs of picture {picture.id} hold NaN or Inf (or deltas that lead there); audit its dump")
    kept = _best(boxes_crx, scores_cr, rules)
    return Detections(boxes_crx.reshape(-1, 4)[kept], scores_cr.reshape(-1)[kept], kept // max(len(outputs.rois), 1))


def _boxes_in_picture(outputs: Outputs, picture: Picture, rules: Detecting) -> Floats:
    """(R, 4 * C), picture frame, without background. The one line that leaves the net frame is the last."""
    deltas = outputs.bbox_pred[:, 4:]
    stds = np.tile(np.asarray(rules.delta_stds, deltas.dtype), deltas.shape[1] // 4)
    with np.errstate(over="ignore", invalid="ignore"):  # an endless box is clipped; NaN is refused by the caller
        decoded = boxes.decode(outputs.rois[:, 1:].astype(deltas.dtype, copy=False), deltas * stds)
    in_picture: Floats = boxes.clip(decoded, picture.scaled_wh) / deltas.dtype.type(picture.scale)
    return in_picture


def _best(boxes_crx: Floats, scores_cr: Floats, rules: Detecting) -> Ints:
    """Kept positions (class * R + row), best first; boxes (C, R, 4), scores (C, R).

    Whether a box survives depends only on better boxes of its class. So candidates of all classes are walked together,
    best first, and the walk ends where the plain definition (NMS of everything, then the best) would cut anyway.
    A box goes when its IoU with a kept, better one exceeds the limit (strictly: the CUDA kernel behind the published GPU
    number; upstream's CPU kernel drops at equality too).
    """
    rows, flat_boxes, flat_scores = boxes_crx.shape[1], boxes_crx.reshape(-1, 4), scores_cr.reshape(-1)
    kept = np.zeros(0, np.intp)
    for chunk in _best_first(flat_scores, rules.score_above):
        if len(kept) >= rules.per_picture and flat_scores[chunk[0]] < flat_scores[kept[rules.per_picture - 1]]:
            break
        dropped = np.zeros(len(chunk), bool)
        if len(kept):
            dropped[_covered(flat_boxes, kept, chunk, rows, rules.nms_iou)[1]] = True
            chunk = chunk[~dropped]
            dropped = np.zeros(len(chunk), bool)
        winners, losers = _covered(flat_boxes, chunk, chunk, rows, rules.nms_iou)
        for better, worse in zip(winners.tolist(), losers.tolist(), strict=True):
            if not dropped[better]:  # settled: all pairs it could lose came before
                dropped[worse] = True
        kept = np.concatenate([kept, chunk[~dropped]])
    if len(kept) > rules.per_picture:  # the last chunk may have run past the cut
        kept = kept[flat_scores[kept] >= flat_scores[kept[rules.per_picture - 1]]]
    return kept


def _best_first(scores: Floats, above: float) -> Iterator[Ints]:
    """Positions of the (N,) scores above the floor in chunks, best first, ties by position; sorted only as far as asked."""
    left, size = np.flatnonzero(scores > above), CHUNK
    while left.size:
        now = np.ones(left.size, bool)
        if left.size > size:
            now = scores[left] >= np.partition(scores[left], -size)[-size]  # ties stay together
        part, left = left[now], left[~now]
        part = part[np.argsort(-scores[part], kind="stable")]
        yield from (part[start : start + size] for start in range(0, len(part), size))
        size = min(2 * size, LARGEST_CHUNK)


def _covered(
    flat_boxes: Floats, better: Ints, worse: Ints, rows: int, iou_above: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which of `better` cover which of `worse`, pairs of one class only: two index arrays, ascending by the first.

    When both are the same candidates, best first, each is paired with those after it.
    """
    labels = worse // rows
    by_class = np.argsort(labels, kind="stable")
    first, last = (np.searchsorted(labels[by_class], better // rows, side) for side in ("left", "right"))
    if better is worse:
        first[by_class] = np.arange(1, len(worse) + 1)
    many = last - first
    winner = np.repeat(np.arange(len(better)), many)
    loser = by_class[np.arange(len(winner)) + np.repeat(first - (np.cumsum(many) - many), many)]
    covers = boxes.iou(flat_boxes[better[winner]], flat_boxes[worse[loser]]) > iou_above
    return winner[covers], loser[covers]
