"""Limits of a drop from its resamples, what they decide about a margin, and how many pictures would decide.

A limit is a quantile of the resampled drops (Efron's percentile method) plus *a picture not seen*: no resample holds what was
never drawn, so each resampled drop gets unseen / n x E, where E has the exponential distribution of mean 1 and `unseen` is what
one lost picture costs in units of 1 / n. Without any difference the upper limit is then 2.996 x unseen / n, the rule of three.
"""

from typing import Final, Literal

import numpy as np

from rfcn_lib.records import Floats

Decision = Literal["PASS", "FAIL", "INCONCLUSIVE"]

ONE_SIDED: Final = 0.95
TWO_SIDED: Final = 0.975
MOST_PICTURES: Final = 10_000_000  # beyond it no number of pictures is named
BISECTIONS: Final = 60


def upper_limit(drops: Floats, pictures: int, unseen: float, share: float = ONE_SIDED) -> float:
    """The `share` quantile of drops + unseen / pictures x E, E exponential of mean 1: by bisection, so without random numbers."""
    low, high = float(drops.min()), float(drops.max() - np.log1p(-share) * unseen / pictures) + 1e-12
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        below = share_below(drops, middle, pictures, unseen) < share
        low, high = (middle, high) if below else (low, middle)
    return high


def lower_limit(drops: Floats, pictures: int, unseen: float, share: float = ONE_SIDED) -> float:
    """The mirror image of `upper_limit`: what was not seen may also speak for the candidate."""
    return -upper_limit(-drops, pictures, unseen, share)


def share_below(drops: Floats, limit: float, pictures: float, unseen: float) -> float:
    """Probability that a resampled drop with its picture not seen lies below `limit`."""
    return float(-np.expm1(-pictures / unseen * np.maximum(limit - drops, 0)).mean())


def decided(lower: float, upper: float, margin: float) -> Decision:
    """What two limits decide about a margin."""
    return "FAIL" if lower > margin else "PASS" if upper < margin else "INCONCLUSIVE"


def needed_pictures(
    drops: Floats, drop: float, pictures: int, margin: float, unseen: float, fails_at: float | None = None
) -> int | None:
    """How many pictures would decide if the drop stayed as it is and the spread shrank with the root of their number.

    Args:
        drops: resampled, of `pictures` pictures.
        drop: of the pictures judged; on its side of the margin the decision would fall.
        pictures: how many there are.
        margin: the drop that is still accepted.
        unseen: what a lost picture costs.
        fails_at: a FAIL is decided by the plain quantile at this share; None: by the mirrored limit.

    Returns:
        The least such number above `pictures`; None where MOST_PICTURES would not do, as with a drop at the margin.
    """
    around, side = (drops - drops.mean()) * np.sqrt(pictures), 1 if drop < margin else -1

    def decides(number: int) -> bool:
        scaled = drop + around / np.sqrt(number)
        if side < 0 and fails_at is not None:
            return bool(np.quantile(scaled, fails_at) > margin)
        return share_below(side * scaled, side * margin, number, unseen) > ONE_SIDED

    low, high = pictures, MOST_PICTURES
    if drop == margin or not decides(high):
        return None
    while high - low > 1:
        middle = round(np.sqrt(low * high)) if high > 4 * low else (low + high) // 2
        low, high = (low, middle) if decides(middle) else (middle, high)
    return high
