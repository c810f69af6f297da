"""The figures of agreement once more, written slowly: one picture, one pair and one number at a time."""

import math
import statistics

from tests.support.partners import iou


def ratio(sums):
    """Sum of the parts over the sum of the wholes."""
    whole = math.fsum(one[1] for one in sums)
    return math.fsum(one[0] for one in sums) / whole if whole else 0.0


def standard_error(sums, events):
    """Of a ratio of sums over pictures. Cochran 1977, 2.11, without the correction for a finite population."""
    whole, value = math.fsum(one[1] for one in sums), ratio(sums)
    if not whole:
        return 0.0
    count = len([one for one in sums if one[1] > 0])
    if count == 1:
        error = abs(value)
    else:
        mean_whole = whole / count
        variance = math.fsum((part - value * weight) ** 2 for part, weight, _ in sums) / (count - 1)
        error = math.sqrt(variance / count) / mean_whole
    if events:
        counted = max(1.0, math.fsum(abs(one[0]) for one in sums))
        error = max(error, math.sqrt(counted) / whole)
    return error


def limit(floors, got, events, least):
    """The largest of the limits that the floors give; floors and got as lists of (part, whole, scatter)."""
    found = [least]
    whole_got, pictures_got = sum(one[1] for one in got), sum(one[1] > 0 for one in got)
    for floor in floors:
        whole, pictures = sum(one[1] for one in floor), sum(one[1] > 0 for one in floor)
        error = standard_error(floor, events)
        if events and whole_got < whole:
            error *= math.sqrt(whole / whole_got)
        if events:
            error = max(error, 1 / whole_got)
        scatter = sum(one[2] for one in floor) / pictures
        few = 1 + 10 / min(pictures, pictures_got)
        found.append(2 * abs(ratio(floor)) + scatter / 2 + 4 * few * error)
    return max(found)


def pairs(got, want, iou_at_least):
    """(got row, want row) of lists of boxes: look at all pairs left, take the one with the largest IoU, look again."""
    left_got, left_want, taken = list(range(len(got))), list(range(len(want))), []
    while True:
        best = None
        for g in left_got:
            for w in left_want:
                found = iou(got[g], want[w])
                if found >= iou_at_least and (best is None or found > best[0]):
                    best = (found, g, w)
        if best is None:
            return taken
        taken.append(best[1:])
        left_got.remove(best[1])
        left_want.remove(best[2])


def middle_and_scatter(values):
    """The median, and the median distance from it."""
    middle = statistics.median(values)
    return middle, statistics.median(abs(value - middle) for value in values)


def moved(got, want):
    """dx, dy of the centre, and growth of width and height as a share of the wanted "+1" size."""
    size = (want[2] - want[0] + 1, want[3] - want[1] + 1)
    dx = (got[0] + got[2]) / 2 - (want[0] + want[2]) / 2
    dy = (got[1] + got[3]) / 2 - (want[1] + want[3]) / 2
    wider = (got[2] - got[0]) - (want[2] - want[0])
    higher = (got[3] - got[1]) - (want[3] - want[1])
    return dx, dy, wider / size[0], higher / size[1]


def logit(score):
    score = min(max(score, 2**-12), 1 - 2**-12)
    return math.log(score / (1 - score))


def has_few_digits(value, digits):
    """Whether a float32 number is the nearest one, or its neighbour, to a number with so many decimals."""
    return abs(value - round(value, digits)) <= 2**-23 * abs(value)
