"""How far the order of equal scores can move mean AP.

The evaluator ranks equal scores by picture and row, which says nothing about quality. The best order has the right ones first
among equals, the worst order has them last. Both keep which detections are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rfcn_lib.score.average_precision import Protocol, Ranked, average_precision


@dataclass(frozen=True, slots=True)
class TieBracket:
    """Mean AP in the worst and in the best order of equal scores; `widest_class` is the class that moves most, by `width`."""

    low: float
    high: float
    widest_class: str
    width: float


def tie_bracket(ranked: Sequence[Ranked], names: Sequence[str], protocol: Protocol) -> TieBracket:
    """The bracket of one system's classes; `names` in the order of `ranked`."""
    both = np.array([[_ap(one, protocol, best) for best in (False, True)] for one in ranked])
    widths = both[:, 1] - both[:, 0]
    widest = int(widths.argmax())
    low, high = both.mean(axis=0)
    return TieBracket(float(low), float(high), names[widest], float(widths[widest]))


def _ap(one: Ranked, protocol: Protocol, best: bool) -> float:
    counts = one.right | one.wrong
    right, scores = one.right[counts], one.scores[counts].astype(np.float64)
    order = np.lexsort((~right if best else right, -scores))
    return average_precision(right[order], ~right[order], one.objects, protocol)
