"""Proposals of one picture in two runs, compared as sets: their order and their row numbers do not matter here."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rfcn_lib import boxes
from rfcn_lib.agreement.figures import Measure, Sum, Sums, count_of, median_of, percentile_of, signed_median_of
from rfcn_lib.records import Floats, Ints, Outputs
from rfcn_lib.score.partners import best_pairs

PARTNER_IOU: Final = 0.7  # the proposals' NMS limit: above it a box has one possible partner

ALIVE: Final = Measure("proposals more or fewer, share", "proposals", "share", events=True)
LOST: Final = Measure("proposals without a partner, share", "proposals", "share", events=True)
APART: Final = Measure("1 - IoU of partners, median", "proposals", "1", least=1e-5)
APART_95: Final = Measure("1 - IoU of partners, 95 % of them", "proposals", "1", least=1e-4)
OFFSETS: Final = tuple(
    Measure(f"proposals moved in {axis}, px", "proposals", "px", signed=True, least=1e-3) for axis in "xy"
)
SCALES: Final = tuple(
    Measure(f"proposals' {side}, relative", "proposals", "1", signed=True, least=1e-5) for side in ("width", "height")
)
SIZES_PX: Final = {
    "small": (0, 48),
    "medium": (48, 144),
    "large": (144, 10**9),
}  # side of a square of that area, net frame
LOST_BY_SIZE: Final = {
    size: Measure(f"{size} proposals without a partner, share", "proposals", "share", events=True) for size in SIZES_PX
}


def alive(outputs: Outputs) -> Floats:
    """x1 y1 x2 y2 of the rows that hold a proposal, (N, 4) float64, net frame. Rows of zeros are padding."""
    xyxy = outputs.rois[:, 1:].astype(np.float64)
    found: Floats = xyxy[xyxy.any(axis=1)]
    return found


@dataclass(frozen=True, slots=True)
class Pairs:
    """The proposals of one picture in two runs, and who is whose partner.

    got_xyxy, want_xyxy  (G, 4), (W, 4) float64, net frame
    left, right          (M,) row numbers in these of each pair
    ious                 (M,)
    """

    got_xyxy: Floats
    want_xyxy: Floats
    left: Ints
    right: Ints
    ious: Floats


def pairs_of(got: Outputs, want: Outputs) -> Pairs:
    """Pair the proposals of two runs, the largest IoU first, each once."""
    mine, theirs = alive(got), alive(want)
    table = boxes.iou(mine[:, None], theirs[None])
    left, right = best_pairs(table, table >= PARTNER_IOU)
    return Pairs(mine, theirs, left, right, table[left, right])


def proposal_sums(pairs: Pairs) -> Sums:
    """What one picture adds to each figure of its proposals."""
    mine, theirs, left, right = pairs.got_xyxy, pairs.want_xyxy, pairs.left, pairs.right
    size_wh = theirs[right, 2:] - theirs[right, :2] + 1
    corners = mine[left] - theirs[right]
    centre, grown = (corners[:, :2] + corners[:, 2:]) / 2, (corners[:, 2:] - corners[:, :2]) / size_wh
    apart = 1 - pairs.ious
    sums: dict[Measure, Sum] = {
        ALIVE: count_of(abs(len(mine) - len(theirs)), len(theirs)),
        LOST: count_of(len(mine) + len(theirs) - 2 * len(left), len(mine) + len(theirs)),
        APART: median_of(apart),
        APART_95: percentile_of(apart, 95),
    }
    for k in range(2):
        sums[OFFSETS[k]] = signed_median_of(centre[:, k])
        sums[SCALES[k]] = signed_median_of(grown[:, k])
    side_px = np.sqrt(np.maximum(boxes.area(theirs), 0))
    has_partner = np.zeros(len(theirs), bool)
    has_partner[right] = True
    for size, (low, high) in SIZES_PX.items():
        of_size = (side_px >= low) & (side_px < high)
        sums[LOST_BY_SIZE[size]] = count_of((of_size & ~has_partner).sum(), of_size.sum())
    return sums
