"""Geometry on (N, 4) arrays of x1 y1 x2 y2, corners inclusive: a box covers x2 - x1 + 1 columns (the "+1" of VOC).

Source of the rules: bbox_transform.py of RebornL/RFCN-pytorch.1.0 (from py-faster-rcnn).
"""

import numpy as np

from rfcn_lib.records import Floats


def area(boxes_xyxy: Floats) -> Floats:
    """(..., 4) -> (...), in px."""
    result: Floats = (boxes_xyxy[..., 2] - boxes_xyxy[..., 0] + 1) * (boxes_xyxy[..., 3] - boxes_xyxy[..., 1] + 1)
    return result


def iou(left_xyxy: Floats, right_xyxy: Floats) -> Floats:
    """Intersection over union of boxes that broadcast against each other: (..., 4), (..., 4) -> (...).

    For a table of all pairs pass `left[:, None], right[None]`. A box without area meets nothing: its IoU is 0.
    """
    width = np.minimum(left_xyxy[..., 2], right_xyxy[..., 2]) - np.maximum(left_xyxy[..., 0], right_xyxy[..., 0]) + 1
    height = np.minimum(left_xyxy[..., 3], right_xyxy[..., 3]) - np.maximum(left_xyxy[..., 1], right_xyxy[..., 1]) + 1
    inside = np.maximum(width, 0) * np.maximum(height, 0)
    union = area(left_xyxy) + area(right_xyxy) - inside
    result: Floats = np.divide(inside, union, out=np.zeros_like(inside), where=inside > 0)
    return result


def decode(boxes_xyxy: Floats, deltas: Floats) -> Floats:
    """Apply dx dy dw dh to boxes: (N, 4), (N, 4 * C) -> (N, 4 * C), same frame, with "+1" widths."""
    width = (boxes_xyxy[:, 2] - boxes_xyxy[:, 0] + 1)[:, None]
    height = (boxes_xyxy[:, 3] - boxes_xyxy[:, 1] + 1)[:, None]
    half = boxes_xyxy.dtype.type(0.5)
    centre_x = boxes_xyxy[:, :1] + half * width + deltas[:, 0::4] * width
    centre_y = boxes_xyxy[:, 1:2] + half * height + deltas[:, 1::4] * height
    half_width = half * (np.exp(deltas[:, 2::4]) * width)
    half_height = half * (np.exp(deltas[:, 3::4]) * height)
    decoded = np.empty_like(deltas)
    decoded[:, 0::4], decoded[:, 1::4] = centre_x - half_width, centre_y - half_height
    decoded[:, 2::4], decoded[:, 3::4] = centre_x + half_width, centre_y + half_height
    return decoded


def encode(boxes_xyxy: Floats, wanted_xyxy: Floats) -> Floats:
    """The dx dy dw dh that `decode` turns into the wanted boxes: (N, 4), (N, 4) -> (N, 4). Upstream: bbox_transform."""
    size, wanted_size = (b[:, 2:] - b[:, :2] + 1 for b in (boxes_xyxy, wanted_xyxy))
    shift = (wanted_xyxy[:, :2] + 0.5 * wanted_size - boxes_xyxy[:, :2] - 0.5 * size) / size
    result: Floats = np.concatenate([shift, np.log(wanted_size / size)], axis=1)
    return result


def clip(boxes_xyxy: Floats, size_wh: tuple[int, int]) -> Floats:
    """(N, 4 * C) -> (N, 4 * C) with x in [0, width - 1] and y in [0, height - 1]."""
    limit = np.tile(np.asarray(size_wh, boxes_xyxy.dtype) - 1, boxes_xyxy.shape[1] // 2)
    result: Floats = np.clip(boxes_xyxy, 0, limit)
    return result
