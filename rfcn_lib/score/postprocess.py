"""Outputs -> detections, as upstream's test_net.py does it: decode, clip, leave the net frame, NMS per class, the best.

The arithmetic stays in the outputs' own dtype (float32, as upstream), scores keep their full precision.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np
from numpy.typing import NDArray

from rfcn_lib import boxes
from rfcn_lib.port import DetectionRules, Port
from rfcn_lib.records import Detections, Floats, Ints, Outputs, Picture, expect_shape

CHUNK: Final = 256  # candidates in the first chunk; this and the next two change the time only
LARGER: Final = 3  # each chunk is so many times as large as the one before, up to SORTED
SORTED: Final = 1024  # so many of the best are sorted first; the others only when they are needed


def detections_from_outputs(outputs: Outputs, picture: Picture, port: Port) -> Detections:
    """Detections in the picture frame: boxes in the dtype of the outputs, labels 0 to C - 1.

    In each class, scores above the port's `score_above` go through NMS. Of what is left in all classes, the `per_picture` best
    are kept, and more where scores tie. Boxes are clipped to the whole resized picture, also where the canvas cropped it, as
    upstream does with im_info. Padded rois of zeros take part, as upstream.

    Order: score descending, ties by class, then by row. NMS uses the same order.

    Raises:
        ValueError: columns unlike the port's classes, or a number that is not finite.
    """
    rules, columns = port.detections, len(port.classes) + 1
    expect_shape("cls_prob", outputs.cls_prob, (None, columns))
    scores_cr = np.ascontiguousarray(outputs.cls_prob[:, 1:].T)
    boxes_xcr = _boxes_in_picture(outputs, picture, rules)
    if not (np.isfinite(scores_cr).all() and np.isfinite(boxes_xcr).all()):
        raise ValueError(f"outputs of picture {picture.id} hold NaN or Inf (or deltas that lead there); audit its dump")
    kept = _best(boxes_xcr.reshape(4, -1), scores_cr, rules)
    found = boxes_xcr.reshape(4, -1)[:, kept].T.copy()
    return Detections(found, scores_cr.reshape(-1)[kept], kept // max(len(outputs.rois), 1))


def _boxes_in_picture(outputs: Outputs, picture: Picture, rules: DetectionRules) -> Floats:
    """(4, C, R), picture frame, without background. The one line that leaves the net frame is the last."""
    by_class = outputs.bbox_pred.reshape(len(outputs.rois), outputs.cls_prob.shape[1], 4)
    deltas_xcr = np.ascontiguousarray(by_class[:, 1:].T)  # coordinate by coordinate, as numpy's arithmetic likes it
    deltas_xcr = deltas_xcr * np.asarray(rules.delta_stds, deltas_xcr.dtype)[:, None, None]
    rois_xr = np.ascontiguousarray(outputs.rois[:, 1:].T, deltas_xcr.dtype)
    with np.errstate(over="ignore", invalid="ignore"):  # an infinite box is clipped; the caller refuses NaN
        decoded = boxes.apply_deltas(rois_xr.T, deltas_xcr.transpose(1, 2, 0))
    in_picture: Floats = boxes.clip(decoded, picture.scaled_wh) / deltas_xcr.dtype.type(picture.scale)
    return in_picture.transpose(2, 0, 1)


def _best(boxes_xn: Floats, scores_cr: Floats, rules: DetectionRules) -> Ints:
    """Kept positions (class * R + row), best first; boxes (4, C * R), a coordinate's numbers side by side, scores (C, R).

    The result is that of NMS over everything, then the best. Whether a box is kept depends only on better boxes of its class,
    so this function goes through the candidates of all classes together, best first, and stops when `per_picture` are kept.
    NMS removes a box when its IoU with a better, kept box is larger than the limit, as the CUDA kernel of the published GPU
    figure does. Upstream's CPU kernel removes it at equality too.
    """
    rows, scores = scores_cr.shape[1], scores_cr.reshape(-1)
    kept = np.zeros(0, np.intp)
    for chunk in _best_first(scores, rules.score_above):
        if len(kept) >= rules.per_picture and scores[chunk[0]] < scores[kept[rules.per_picture - 1]]:
            break
        if len(kept):
            free = np.ones(len(chunk), bool)
            free[_covered(boxes_xn, kept, chunk, rows, rules.nms_iou)[1]] = False
            chunk = chunk[free]
        kept = np.concatenate([kept, _survivors(boxes_xn, chunk, rows, rules.nms_iou)])
    if len(kept) > rules.per_picture:  # the last chunk may have run past the cut
        kept = kept[scores[kept] >= scores[kept[rules.per_picture - 1]]]
    return kept


def _best_first(scores: Floats, above: float) -> Iterator[Ints]:
    """Positions of the (N,) scores above the floor in chunks, best first, ties by position; sorted only as far as asked."""
    left, size = np.flatnonzero(scores > above), CHUNK
    while left.size:
        values = scores.take(left)
        least = np.partition(values, -SORTED)[-SORTED] if left.size > SORTED else -np.inf  # ties stay together
        now = np.flatnonzero(values >= least)
        part = left[now[np.argsort(-values[now], kind="stable")]]
        while part.size:
            yield part[:size]
            part, size = part[size:], min(LARGER * size, SORTED)
        left = left[values < least]


def _survivors(boxes_xn: Floats, chunk: Ints, rows: int, iou_above: float) -> Ints:
    """NMS among the candidates of one chunk, best first, each class for itself."""
    winners, losers = _covered(boxes_xn, chunk, chunk, rows, iou_above)
    free, start, worse = [True] * len(chunk), 0, losers.tolist()
    for better, end in enumerate(np.bincount(winners, minlength=len(chunk)).cumsum().tolist()):
        if free[better]:  # settled: all that it could lose to came before
            for position in worse[start:end]:
                free[position] = False
        start = end
    return chunk[free]


def _covered(
    boxes_xn: Floats, better: Ints, worse: Ints, rows: int, iou_above: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Which of `better` cover which of `worse`, pairs of one class only: two index arrays, ascending by the first.

    When both are the same candidates, best first, each is paired with those after it.
    """
    labels, labels_of_better = worse // rows, better // rows
    by_class = np.argsort(labels.astype(np.uint16), kind="stable")  # 16 bits are sorted by radix
    ends = np.bincount(labels, minlength=boxes_xn.shape[1] // rows).cumsum()
    last = ends[labels_of_better]
    if better is worse:
        first = np.empty_like(last)
        first[by_class] = np.arange(1, len(worse) + 1)
    else:
        first = np.concatenate([[0], ends])[labels_of_better]
    many = last - first
    winner = np.repeat(np.arange(len(better)), many)
    loser = by_class[np.arange(len(winner)) + np.repeat(first - (many.cumsum() - many), many)]
    overlap = boxes.iou(boxes_xn.take(better[winner], 1).T, boxes_xn.take(worse[loser], 1).T)
    covers = np.flatnonzero(overlap > iou_above)
    return winner.take(covers), loser.take(covers)
