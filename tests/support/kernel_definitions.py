"""The vendor's kernels once more, written slowly: one number at a time, numpy's float16 scalars where a kernel has fp16.

Nothing here imports the code it judges. `tests.support.definitions` has the source model's rules.
"""

import math

import numpy as np

from tests.support.definitions import GROUP, F, ious_with, pool_bins

H = np.float16


def to_fp16(values):
    """(…) -> (…) float32, each rounded to the nearest fp16, half to even, one at a time; too large is infinite."""
    with np.errstate(over="ignore"):
        return np.array([float(H(value)) for value in np.ravel(values)], F).reshape(np.shape(values))


# -- suppression -----------------------------------------------------------------------------------------------------


def on_grid(boxes_xyxy):
    """(N, 4) -> (N, 4): times 0.10 in fp16; from x2 and y2 one is taken and added again, in fp16. Small coordinates."""
    small = np.zeros(boxes_xyxy.shape, F)
    for row, box in enumerate(boxes_xyxy):
        for column, value in enumerate(box):
            number = H(F(value) * F(H(0.1)))
            if column >= 2:
                number = H(H(number - H(1)) + H(1))
            small[row, column] = number
    return small


def back(small_xyxy):
    """(N, 4) -> (N, 4): times 10 in fp16."""
    return np.array([[float(H(H(value) * H(10))) for value in box] for box in small_xyxy], F).reshape(small_xyxy.shape)


def order_of(scores, last_first):
    """Rows, best first; of equal scores the first row first, or the last."""
    return sorted(range(len(scores)), key=lambda row: (-scores[row], -row if last_first else row))


def ious_plain(box, boxes_xyxy):
    """One box with (N, 4), without "+1": float32. A box without area has IoU 0."""
    width = np.maximum(np.minimum(box[2], boxes_xyxy[:, 2]) - np.maximum(box[0], boxes_xyxy[:, 0]), F(0))
    height = np.maximum(np.minimum(box[3], boxes_xyxy[:, 3]) - np.maximum(box[1], boxes_xyxy[:, 1]), F(0))
    inside = width * height
    areas = [(b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1]) for b in (box, boxes_xyxy)]
    return np.divide(inside, areas[0] + areas[1] - inside, out=np.zeros_like(inside), where=inside > 0)


def nms(boxes_xyxy, scores, iou_above, kept, *, effects=(), fp16=False, last_first=False, most=None, score_above=0.0):
    """(N, 4), (N,) -> boxes (M, 4), scores (M,), and the smallest distance of a judged IoU from the threshold."""
    if fp16:
        boxes_xyxy, scores = to_fp16(boxes_xyxy), to_fp16(scores)
    order = order_of(scores, last_first)
    if "cut" in effects and most is not None:
        order = order[:most]
    if "strict" in effects:
        order = [row for row in order if scores[row] > score_above]
    measured, given = boxes_xyxy, boxes_xyxy
    if "grid" in effects:
        small = on_grid(boxes_xyxy)
        measured, given = small * F(10), back(small)
    overlaps = ious_plain if "plus_one" in effects else ious_with
    rows, closest = [], math.inf
    for row in order:
        if len(rows) == kept:
            break
        found = overlaps(measured[row], measured[rows])
        closest = min(closest, float(np.abs(found - F(iou_above)).min(initial=math.inf)))
        if not (found > F(iou_above)).any():
            rows.append(row)
    return given[rows], scores[rows], closest


# -- position-sensitive pooling --------------------------------------------------------------------------------------


def half_up(value, fp16):
    """Adds 0.5, in fp16 if the roi is fp16, and takes the floor."""
    return math.floor(H(H(value) + H(0.5))) if fp16 else math.floor(F(F(value) + F(0.5)))


def half_to_even(value):
    """The nearest whole number; of two the even one."""
    whole = math.floor(value)
    part = float(value) - whole
    return whole + (part > 0.5 or (part == 0.5 and whole % 2 == 1))


def bin_span(low_px, high_px, index, cells, number):
    """The first cell of bin `index` and the one behind its last; low and high are whole. `number` is H or F."""
    with np.errstate(over="ignore"):
        start = number(number(low_px) * number(0.0625))
        end = number(number(number(high_px) + number(1)) * number(0.0625))
        size = max(number(end - start), number(0.1))
        step = number(size / number(GROUP))
        first = math.floor(F(F(number(number(index) * step)) + F(start)))
        behind = math.ceil(F(F(number(number(index + 1) * step)) + F(start)))
    return min(max(first, 0), cells), min(max(behind, 0), cells)


def pool(maps, rois, classes, corner, *, fp16=False, bins=False):
    """(1, classes * 49, H, W), (1, 5, R) -> (R, classes, 7, 7) float32; `corner` rounds one coordinate."""
    if fp16:
        maps, rois = to_fp16(maps), to_fp16(rois)
    number = H if bins else F

    def mean(total, area):
        value = F(number(total)) / F(area)
        return F(H(value)) if fp16 else F(value)

    return pool_bins(
        maps,
        rois,
        classes,
        lambda low, high, index, cells: bin_span(corner(low), corner(high), index, cells, number),
        mean,
    )
