"""Geometry of boxes: arrays (N, 4) of x1 y1 x2 y2, corners inclusive. A box covers x2 - x1 + 1 columns (the "+1" of VOC).

Source of the rules: bbox_transform.py of RebornL/RFCN-pytorch.1.0 (from py-faster-rcnn).
"""

import numpy as np

from rfcn_lib.records import Floats


def area(boxes_xyxy: Floats) -> Floats:
    """Area of each box: (..., 4) -> (...), in px."""
    result: Floats = (boxes_xyxy[..., 2] - boxes_xyxy[..., 0] + 1) * (boxes_xyxy[..., 3] - boxes_xyxy[..., 1] + 1)
    return result


def iou(left_xyxy: Floats, right_xyxy: Floats) -> Floats:
    """Intersection over union, with numpy's broadcasting: (..., 4), (..., 4) -> (...).

    For all pairs pass `left[:, None], right[None]`. The IoU of a box without area is 0.
    """
    left, right = (np.ascontiguousarray(np.moveaxis(boxes, -1, 0)) for boxes in (left_xyxy, right_xyxy))
    # In place, because the tables of all pairs are large.
    width = np.asarray(np.minimum(left[2], right[2]))
    width -= np.maximum(left[0], right[0])
    width += 1
    height = np.asarray(np.minimum(left[3], right[3]))
    height -= np.maximum(left[1], right[1])
    height += 1
    inside: Floats = np.maximum(width, 0, out=width)
    inside *= np.maximum(height, 0, out=height)
    union = np.asarray(area(left_xyxy) + area(right_xyxy))
    union -= inside
    return np.divide(inside, union, out=inside, where=inside > 0)


def apply_deltas(boxes_xyxy: Floats, deltas: Floats) -> Floats:
    """Move and resize boxes by dx dy dw dh, with numpy's broadcasting: (..., 4), (..., 4) -> (..., 4), "+1" widths."""
    size, half = boxes_xyxy[..., 2:] - boxes_xyxy[..., :2] + 1, boxes_xyxy.dtype.type(0.5)
    centre = boxes_xyxy[..., :2] + half * size + deltas[..., :2] * size
    half_size = half * (np.exp(deltas[..., 2:]) * size)
    decoded = np.empty_like(deltas)
    np.subtract(centre, half_size, out=decoded[..., :2])
    np.add(centre, half_size, out=decoded[..., 2:])
    return decoded


def deltas_between(boxes_xyxy: Floats, wanted_xyxy: Floats) -> Floats:
    """The dx dy dw dh with which `apply_deltas` makes the wanted boxes: (N, 4), (N, 4) -> (N, 4). Upstream: bbox_transform."""
    size, wanted_size = (b[:, 2:] - b[:, :2] + 1 for b in (boxes_xyxy, wanted_xyxy))
    shift = (wanted_xyxy[:, :2] + 0.5 * wanted_size - boxes_xyxy[:, :2] - 0.5 * size) / size
    result: Floats = np.concatenate([shift, np.log(wanted_size / size)], axis=1)
    return result


def clip(boxes_xyxy: Floats, size_wh: tuple[int, int]) -> Floats:
    """Clip boxes to a picture: (..., 4) -> (..., 4) with x in [0, width - 1] and y in [0, height - 1]."""
    limit = np.asarray((*size_wh, *size_wh), boxes_xyxy.dtype) - 1
    inside: Floats = np.minimum(np.clip(boxes_xyxy, 0, limit.max()), limit)  # numpy is fast where a limit is one number
    return inside
