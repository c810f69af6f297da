"""Precision and recall of a class, detection by detection, thinned for a figure."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rfcn_lib.records import Floats
from rfcn_lib.score.average_precision import Ranked

POINTS: Final = 200  # a small plot shows no more


@dataclass(frozen=True, slots=True)
class Curve:
    """recall, precision: two (K,), 0 to 1, in the order of falling scores."""

    recall: Floats
    precision: Floats


def curve_of(ranked: Ranked, points: int = POINTS) -> Curve:
    """The curve of one class. Of more than `points` right detections, so many are kept, first and last among them.

    Only right detections have a point: a wrong one lowers the precision of the next point. Empty where none is right.
    """
    rights, wrongs = np.cumsum(ranked.right), np.cumsum(ranked.wrong)
    at = np.flatnonzero(ranked.right)
    if len(at) > points:
        at = at[np.linspace(0, len(at) - 1, points).round().astype(int)]
    return Curve(rights[at] / max(ranked.objects, 1), rights[at] / np.maximum(rights[at] + wrongs[at], 1))
