"""Outputs -> detections, as upstream's test_net.py does it: decode, clip, leave the net frame, NMS per class, the best.

The arithmetic stays in the outputs' own dtype (float32, as upstream), scores keep their full precision.
"""

from typing import Final

import numpy as np

from rfcn_lib import boxes
from rfcn_lib.port import Detecting, Port
from rfcn_lib.records import Detections, Floats, Ints, Outputs, Picture, expect_shape

CHUNK: Final = 64  # candidates looked at together; changes the time only (measured best of 32 to 256)


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
    """
    rows, flat_boxes, flat_scores = boxes_crx.shape[1], boxes_crx.reshape(-1, 4), scores_cr.reshape(-1)
    queue = np.flatnonzero(flat_scores > rules.score_above)  # by class, then row: the stable sort keeps that among ties
    queue = queue[np.argsort(-flat_scores[queue], kind="stable")]
    open_cr = np.ones(scores_cr.shape, bool)
    kept = queue[:0]
    while queue.size:
        if len(kept) >= rules.per_picture and flat_scores[queue[0]] < flat_scores[kept[rules.per_picture - 1]]:
            break
        chunk, queue = queue[:CHUNK], queue[CHUNK:]
        new = chunk[boxes.nms(flat_boxes[chunk], chunk // rows, rules.nms_iou)]
        kept = np.concatenate([kept, new])
        if queue.size:
            labels = new // rows
            winner, loser = np.nonzero(boxes.iou(flat_boxes[new][:, None], boxes_crx[labels]) > rules.nms_iou)
            open_cr[labels[winner], loser] = False
            queue = queue[open_cr.reshape(-1)[queue]]
    if len(kept) > rules.per_picture:  # the last chunk may have run past the cut
        kept = kept[flat_scores[kept] >= flat_scores[kept[rules.per_picture - 1]]]
    return kept
