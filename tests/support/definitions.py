"""The source model's rules once more, written slowly: one float32 number at a time, in the order upstream states them.

Shared by the tests of the operators, of their host definitions and of the network. Nothing here imports the code it
judges. A float32 operation is done by numpy's float32 scalars, so every rounding is where the CUDA kernels have it.
"""

import math

import numpy as np

F = np.float32
GROUP = 7


# -- position-sensitive pooling --------------------------------------------------------------------------------------


def c_round(value):
    """C's round(): the nearest whole number, halves away from zero."""
    value = float(value)  # exact
    return F(math.floor(value + 0.5) if value >= 0 else math.ceil(value - 0.5))


def bin_span(low_px, high_px, index, cells):
    """The first cell of bin `index` and the one behind its last, along one axis of `cells`."""
    start = F(c_round(low_px) * F(0.0625))
    end = F(F(c_round(high_px) + F(1)) * F(0.0625))
    size = max(F(end - start), F(0.1))
    step = F(size / F(GROUP))
    first = math.floor(F(F(F(index) * step) + start))
    behind = math.ceil(F(F(F(index + 1) * step) + start))
    return min(max(first, 0), cells), min(max(behind, 0), cells)


def pool(maps, rois, classes):
    """(1, classes * 49, H, W), (1, 5, R) -> (R, classes, 7, 7) float32; sums in float64, exact for whole numbers."""
    return pool_bins(maps, rois, classes, bin_span, lambda total, area: F(F(total) / F(area)))


def pool_bins(maps, rois, classes, span, mean):
    """As `pool`; `span` gives the cells of a bin along one axis, `mean` divides a sum by the number of cells."""
    height, width = maps.shape[2:]
    pooled = np.zeros((rois.shape[2], classes, GROUP, GROUP), F)
    for roi in range(rois.shape[2]):
        _, x1, y1, x2, y2 = rois[0, :, roi]
        columns = [span(x1, x2, k, width) for k in range(GROUP)]
        rows = [span(y1, y2, k, height) for k in range(GROUP)]
        for row, (top, bottom) in enumerate(rows):
            for column, (left, right) in enumerate(columns):
                area = (bottom - top) * (right - left)
                if bottom <= top or right <= left:
                    continue
                for number in range(classes):
                    channel = (number * GROUP + row) * GROUP + column
                    total = maps[0, channel, top:bottom, left:right].sum(dtype=np.float64)
                    pooled[roi, number, row, column] = mean(total, area)
    return pooled


EDGE_PX = (-40.5, -16.5, -1.5, -1.0, -0.5, 0.0, 0.5, 1.5, 7.5, 8.0, 15.0, 15.5, 16.0, 31.5, 100.0, 158.5, 175.5, 1e4)


def awkward_rois(draws, count, size_wh):
    """(1, 5, R): inside, over the border, inverted, empty, zeros, wholly outside, corners on .5 and on cell borders."""
    width, height = size_wh
    sides = np.array([width, height, width, height], F)
    any_corner = draws.uniform(-0.5, 1.5, (count, 4)).astype(F) * sides
    ordered = np.sort(draws.uniform(-0.2, 1.2, (count, 2, 2)).astype(F), axis=1).reshape(count, 4) * sides
    halves = np.round(ordered) + F(0.5) * draws.integers(-1, 2, (count, 4)).astype(F)
    cells = F(16) * np.round(ordered / F(16)) + draws.integers(-1, 2, (count, 4)).astype(F)
    points = np.repeat(any_corner[:, :2], 2, axis=0).reshape(count, 4)
    edges = draws.choice(np.array(EDGE_PX, F), (count, 4))
    zeros = np.zeros((1, 4), F)
    boxes = np.concatenate([any_corner, ordered, halves, cells, points, edges, zeros])
    return np.concatenate([np.zeros((len(boxes), 1), F), boxes], axis=1).T[None]


# -- suppression -----------------------------------------------------------------------------------------------------


def iou(left, right):
    """ "+1" areas in float32; what does not overlap has 0, whatever its area says."""
    width = max(F(F(min(left[2], right[2]) - max(left[0], right[0])) + F(1)), F(0))
    height = max(F(F(min(left[3], right[3]) - max(left[1], right[1])) + F(1)), F(0))
    inside = F(width * height)
    if inside == 0:
        return F(0)
    areas = [F(F(F(b[2] - b[0]) + F(1)) * F(F(b[3] - b[1]) + F(1))) for b in (left, right)]
    return F(inside / F(F(areas[0] + areas[1]) - inside))


def nms(boxes_xyxy, scores, iou_above, kept):
    """(N, 4), (N,) -> rows kept, best first: walk down the scores, keep a box unless a kept one covers it."""
    rows = []
    for row in sorted(range(len(scores)), key=lambda row: (-scores[row], row)):
        if len(rows) == kept:
            break
        if not any(iou(boxes_xyxy[better], boxes_xyxy[row]) > F(iou_above) for better in rows):
            rows.append(row)
    return rows


def ious_with(box, boxes_xyxy):
    """One box with (N, 4): the same float32 operations as `iou`, a row at a time."""
    width = np.maximum(np.minimum(box[2], boxes_xyxy[:, 2]) - np.maximum(box[0], boxes_xyxy[:, 0]) + F(1), F(0))
    height = np.maximum(np.minimum(box[3], boxes_xyxy[:, 3]) - np.maximum(box[1], boxes_xyxy[:, 1]) + F(1), F(0))
    inside = width * height
    areas = [(b[..., 2] - b[..., 0] + F(1)) * (b[..., 3] - b[..., 1] + F(1)) for b in (box, boxes_xyxy)]
    return np.divide(inside, areas[0] + areas[1] - inside, out=np.zeros_like(inside), where=inside > 0)


def nms_by_rows(boxes_xyxy, scores, iou_above, kept):
    """As `nms`, for thousands of boxes. Also the smallest distance of an IoU it judged by from the threshold."""
    rows, closest = [], math.inf
    open_ = np.ones(len(scores), bool)
    for row in np.argsort(-scores, kind="stable"):
        if len(rows) == kept:
            break
        if open_[row]:
            rows.append(int(row))
            found = ious_with(boxes_xyxy[row], boxes_xyxy)
            judged = np.delete(found, row)
            closest = min(closest, float(np.abs(judged - F(iou_above)).min(initial=math.inf)))
            open_ &= ~(found > F(iou_above))
            open_[row] = False
    return rows, closest


def padded(boxes_xyxy, rows, kept):
    """The rows kept, zero rows below: (kept, 4)."""
    found = np.zeros((kept, 4), F)
    found[: len(rows)] = boxes_xyxy[rows]
    return found


def eighths(draws, count, size):
    """(N, 4) crowded boxes whose corners are multiples of 1/8 below 350: areas and their sums are exact in float32.

    A tenth of them are inverted or have no area.
    """
    centre, side = draws.integers(0, 8 * size, (count, 2)), draws.integers(0, 8 * min(size, 170), (count, 2))
    boxes = np.concatenate([centre - side // 2, centre + side // 2], axis=1)
    boxes = np.concatenate([boxes, boxes[: count // 2] + draws.integers(-12, 13, (count // 2, 4))])  # near copies
    boxes = boxes[draws.permutation(len(boxes))[:count]]
    odd = np.flatnonzero(draws.random(count) < 0.1)
    boxes[odd] = boxes[odd][:, draws.choice([[2, 1, 0, 3], [0, 3, 2, 1], [2, 3, 0, 1], [0, 1, 0, 1]])]
    flat = np.flatnonzero(draws.random(count) < 0.05)
    boxes[flat, 2] = boxes[flat, 0] - 8  # x2 - x1 + 1 == 0
    return (boxes / 8).astype(F)


SCORE_KINDS = ("distinct", "ties", "equal", "zero", "some zero")


def scores_of(kind, draws, count):
    """(N,) float32 of one kind."""
    return {
        "distinct": draws.permutation(count) + 1.0,
        "ties": draws.integers(1, 5, count) / 4,
        "equal": np.full(count, 0.5),
        "zero": np.zeros(count),
        "some zero": draws.integers(0, 4, count) / 3,
    }[kind].astype(F)
