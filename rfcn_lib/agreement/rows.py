"""The rows of one picture's outputs: their order, rows that repeat another, and numbers that were rounded to few decimals."""

from typing import Final

import numpy as np

from rfcn_lib.agreement.figures import Measure, Sum, Sums, count_of
from rfcn_lib.agreement.proposals import Pairs
from rfcn_lib.records import Floats, Outputs

ORDER: Final = Measure("pairs of neighbouring proposals in the other order, share", "rows", "share", events=True)
REPEATED: Final = Measure("proposals that repeat another row, share", "rows", "share", events=True)
SUM: Final = Measure("sum of a row of cls_prob, off 1, mean", "rows", "1", least=1e-6)
FEW_DIGITS: Final = {
    **{
        ("cls_prob", d): Measure(f"scores with {d} decimals only, share", "rows", "share", events=True)
        for d in (1, 2, 3, 4)
    },
    **{("rois", d): Measure(f"corners with {d} decimals only, share", "rows", "share", events=True) for d in (0, 1, 2)},
    **{
        ("bbox_pred", d): Measure(f"deltas with {d} decimals only, share", "rows", "share", events=True)
        for d in (1, 2, 3, 4)
    },
}
LEAST_SCORE: Final = 0.02  # below and above 1 - LEAST_SCORE most scores have few decimals by themselves


def row_sums(got: Outputs, pairs: Pairs) -> Sums:
    """What one picture adds to each figure of its rows. `pairs`: its proposals and the source model's."""
    mine = pairs.got_xyxy
    ranks = pairs.right[np.argsort(pairs.left, kind="stable")]  # of the partners, in the candidate's order
    sums: dict[Measure, Sum] = {
        ORDER: count_of((np.diff(ranks) < 0).sum(), max(len(ranks) - 1, 0)),
        REPEATED: count_of(len(mine) - len(np.unique(mine, axis=0)), len(mine)),
        SUM: (float(np.abs(got.cls_prob.sum(axis=1, dtype=np.float64) - 1).mean()), 1.0, 0.0),
    }
    for (name, digits), measure in FEW_DIGITS.items():
        sums[measure] = _few_digits(_chosen(name, got, mine), digits)
    return sums


def _chosen(name: str, outputs: Outputs, corners: Floats) -> Floats:
    """Numbers of an output that have decimals to lose."""
    if name == "cls_prob":
        scores = outputs.cls_prob
        chosen: Floats = scores[(scores > LEAST_SCORE) & (scores < 1 - LEAST_SCORE)]
        return chosen
    if name == "rois":
        points_xy = corners.reshape(-1, 2)
        inside: Floats = points_xy[(points_xy > 0) & (points_xy < points_xy.max(axis=0, initial=0))]  # not clipped
        return inside
    deltas = outputs.bbox_pred
    moving: Floats = deltas[np.abs(deltas) > LEAST_SCORE]
    return moving


def _few_digits(values: Floats, digits: int) -> Sum:
    """How many values are, to the last float32 bit or two, a number with so many decimals; and how many values there are."""
    double = values.astype(np.float64)
    near = np.abs(double - np.round(double, digits)) <= 2.0**-23 * np.abs(double)
    return count_of(near.sum(), len(double))
