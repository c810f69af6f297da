"""Matched boxes of two runs over a set, and their differences counted in cells, so that any number of pairs fits one figure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from rfcn_lib.records import Detections, Floats, Ints
from rfcn_lib.score.partners import partners

PER_AXIS: Final = 40  # cells; a figure has at most the square of it
LINEAR_PX: Final = 0.1  # within it an axis of `place_px` is linear, further out logarithmic
FURTHEST_PX: Final = 1000.0  # what lies further out is counted there


@dataclass(frozen=True, slots=True)
class Matched:
    """Partners (see `partners`) over a set: M pairs; differences are got - want.

    got_scores, want_scores  (M,)    0 to 1
    centre_px                (M, 2)  how far the centre moved to the right and down, px of the picture frame
    size_px                  (M, 2)  how much wider and higher the box is, px
    lost, extra              confident detections of `want`, of `got`, that have no partner
    """

    got_scores: Floats
    want_scores: Floats
    centre_px: Floats
    size_px: Floats
    lost: int
    extra: int


@dataclass(frozen=True, slots=True)
class Cells:
    """Points of a plane, counted: K cells. x, y (K,): mean of the points of each cell. counts (K,) int."""

    x: Floats
    y: Floats
    counts: Ints


def matched(got: Mapping[str, Detections], want: Mapping[str, Detections]) -> Matched:
    """The partners of every picture of `want`, in its order; both by id.

    Raises:
        KeyError: a picture is not in `got`.
        ValueError: a number that is not finite.
    """
    pairs = [partners(got[id], found) for id, found in want.items()]

    def all_of(values: list[Floats], *shape: int) -> Floats:
        return np.concatenate([np.zeros((0, *shape)), *values])

    return Matched(
        all_of([one.got_scores for one in pairs]),
        all_of([one.want_scores for one in pairs]),
        all_of([one.centre_px for one in pairs], 2),
        all_of([one.corners_px[:, 2:] - one.corners_px[:, :2] for one in pairs], 2),
        sum(int((~one.want_has_partner).sum()) for one in pairs),
        sum(int((~one.got_has_partner).sum()) for one in pairs),
    )


def place_score(scores: Floats) -> Floats:
    """Where a score stands on its axis: itself, 0 to 1."""
    return scores


def place_px(offsets: Floats) -> Floats:
    """Where an offset in px stands on its axis, 0 to 1: 0 in the middle, linear near to it, logarithmic further out."""
    far = np.log1p(np.abs(offsets) / LINEAR_PX) / np.log1p(FURTHEST_PX / LINEAR_PX)
    found: Floats = (1 + np.sign(offsets) * far) / 2
    return found


def cells(x: Floats, y: Floats, place: Callable[[Floats], Floats], per_axis: int = PER_AXIS) -> Cells:
    """Count points in per_axis x per_axis cells, equally wide where `place` puts them; only cells with points are given.

    x, y      (M,)
    place     value -> 0 to 1; what lies outside is counted at the edge
    per_axis  an even number has the middle of an axis between two cells
    """
    column, row = (np.clip((place(values) * per_axis).astype(np.int64), 0, per_axis - 1) for values in (x, y))
    _, cell, counts = np.unique(column * per_axis + row, return_inverse=True, return_counts=True)
    return Cells(np.bincount(cell, x) / counts, np.bincount(cell, y) / counts, counts)
