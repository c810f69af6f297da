"""Matched boxes of a set and points counted in cells once more, written slowly: one pair and one point at a time."""

import math

from tests.support import partners


def matched(got, want):
    """([got score, want score, dx, dy, dw, dh] of each pair, lost, extra); offsets in px."""
    rows, lost, extra = [], 0, 0
    for id, theirs in want.items():
        mine = got[id]
        pairs = partners.pairs(mine, theirs)
        for g, w in pairs:
            a, b = mine.boxes_xyxy[g].astype(float).tolist(), theirs.boxes_xyxy[w].astype(float).tolist()
            centres = [((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in (a, b)]
            sizes = [(box[2] - box[0] + 1, box[3] - box[1] + 1) for box in (a, b)]
            moved = [one - other for one, other in zip(centres[0], centres[1], strict=True)]
            grown = [one - other for one, other in zip(sizes[0], sizes[1], strict=True)]
            rows.append([float(mine.scores[g]), float(theirs.scores[w]), *moved, *grown])
        lost += sum(score >= 0.3 and row not in [w for _, w in pairs] for row, score in enumerate(theirs.scores))
        extra += sum(score >= 0.3 and row not in [g for g, _ in pairs] for row, score in enumerate(mine.scores))
    return rows, lost, extra


def place_px(offset):
    """0 to 1: the middle is no offset; 1000 px is at the end."""
    sign = math.copysign(1, offset)
    return (1 + sign * math.log(1 + abs(offset) / 0.1) / math.log(1 + 1000 / 0.1)) / 2


def cells(points, place, per_axis):
    """(column, row) -> the points in this cell."""
    found = {}
    for x, y in points:
        column, row = (min(max(math.floor(place(value) * per_axis), 0), per_axis - 1) for value in (x, y))
        found.setdefault((column, row), []).append((x, y))
    return found
