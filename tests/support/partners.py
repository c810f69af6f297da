"""Partners, shares and quantiles once more, written slowly: one pair and one number at a time."""

import math


def iou(left, right):
    """ "+1" areas of two x1 y1 x2 y2."""
    width = min(left[2], right[2]) - max(left[0], right[0]) + 1
    height = min(left[3], right[3]) - max(left[1], right[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    areas = [(box[2] - box[0] + 1) * (box[3] - box[1] + 1) for box in (left, right)]
    return width * height / (areas[0] + areas[1] - width * height)


def pairs(got, want, iou_at_least=0.7, confident=0.3):
    """(got row, want row), best first: look at all pairs left, take the one with the largest IoU, look again."""
    left_got, left_want, taken = list(range(len(got.scores))), list(range(len(want.scores))), []
    while True:
        best = None
        for g in left_got:
            for w in left_want:
                sure = max(got.scores[g], want.scores[w]) >= confident
                if got.labels[g] != want.labels[w] or not sure:
                    continue
                found = iou(*(side.boxes_xyxy[row].astype(float).tolist() for side, row in ((got, g), (want, w))))
                if found >= iou_at_least and (best is None or found > best[0]):
                    best = (found, g, w)
        if best is None:
            return taken
        taken.append(best[1:])
        left_got.remove(best[1])
        left_want.remove(best[2])


def quantile(values, percent):
    """The least value that `percent` % of the values do not exceed."""
    ascending = sorted(values)
    return next(v for v in ascending if 100 * sum(u <= v for u in ascending) >= percent * len(ascending))


def mean(values):
    return math.fsum(values) / len(values)
