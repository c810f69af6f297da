"""Partners: detections of one picture in two runs that show the same object.

Two detections are partners if they have one class and an IoU of at least PARTNER_IOU, and at least one of them is confident.
A confident detection may so have a partner just below the limit: it moved by rounding, and is not lost.

PARTNER_IOU makes partners unique after NMS. 1 - IoU is a distance. If one box had two partners of its class at 0.7, these two
would have an IoU of at least 0.4 with each other, but the published NMS keeps no pair of a class above 0.3.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from rfcn_lib import boxes
from rfcn_lib.records import Bools, Detections, Floats, Ints

PARTNER_IOU: Final = 0.7
CONFIDENT: Final = 0.3  # a score from here on counts; the many detections below it change the mean AP little


@dataclass(frozen=True, slots=True)
class Partners:
    """The partners of one picture: M pairs, best IoU first; all differences are got - want, float64.

    got_labels, want_labels          (G,), (W,) int   classes of the confident detections of either run
    got_has_partner, want_has_partner  (G,), (W,) bool  whether each of these has a partner
    labels                           (M,) int    class of each pair
    ious                             (M,)
    got_scores, want_scores          (M,)        their scores
    corners_px                       (M, 4)      difference of x1 y1 x2 y2, px of the picture frame
    size_wh_px                       (M, 2)      size of the wanted box, "+1" widths
    """

    got_labels: Ints
    want_labels: Ints
    got_has_partner: Bools
    want_has_partner: Bools
    labels: Ints
    ious: Floats
    got_scores: Floats
    want_scores: Floats
    corners_px: Floats
    size_wh_px: Floats

    @property
    def scores(self) -> Floats:
        """(M,): difference of the scores."""
        apart: Floats = self.got_scores - self.want_scores
        return apart

    @property
    def centre_px(self) -> Floats:
        """(M, 2): how far the centre moved to the right and down, px."""
        centre: Floats = (self.corners_px[:, :2] + self.corners_px[:, 2:]) / 2
        return centre

    @property
    def centre_share(self) -> Floats:
        """(M, 2): the same as a share of the wanted box's width and height."""
        share: Floats = self.centre_px / self.size_wh_px
        return share

    @property
    def scale(self) -> Floats:
        """(M, 2): width and height as a multiple of the wanted box's; 1 where the size is the same."""
        scale: Floats = 1 + (self.corners_px[:, 2:] - self.corners_px[:, :2]) / self.size_wh_px
        return scale


def partners(got: Detections, want: Detections) -> Partners:
    """Find the partners of one picture in two runs, greedily: of all possible pairs the one with the largest IoU first.

    Equal IoUs: in the order of the rows of `got`, then of `want`. Everything is computed in float64.

    Raises:
        ValueError: a number that is not finite.
    """
    for side, found in (("got", got), ("want", want)):
        if not (np.isfinite(found.boxes_xyxy).all() and np.isfinite(found.scores).all()):
            raise ValueError(
                f"the detections of `{side}` hold NaN or Inf, but only finite numbers can be compared; audit that run"
            )
    got_sure, want_sure = got.scores >= CONFIDENT, want.scores >= CONFIDENT
    got_xyxy, want_xyxy = got.boxes_xyxy.astype(np.float64), want.boxes_xyxy.astype(np.float64)
    table = boxes.iou(got_xyxy[:, None], want_xyxy[None])
    possible = (got.labels[:, None] == want.labels[None]) & (got_sure[:, None] | want_sure[None])
    left, right = best_pairs(table, possible & (table >= PARTNER_IOU))
    size_wh = want_xyxy[right, 2:] - want_xyxy[right, :2] + 1
    return Partners(
        got.labels[got_sure],
        want.labels[want_sure],
        _among(left, len(got.scores))[got_sure],
        _among(right, len(want.scores))[want_sure],
        got.labels[left],
        table[left, right],
        got.scores[left].astype(np.float64),
        want.scores[right].astype(np.float64),
        got_xyxy[left] - want_xyxy[right],
        size_wh,
    )


def best_pairs(table: Floats, allowed: Bools) -> tuple[Ints, Ints]:
    """Take pairs greedily, the largest number of `table` first, each row and column once: (N, M), (N, M) -> two (K,).

    Equal numbers are taken in the order of rows, then of columns.
    """
    left, right = np.nonzero(allowed)
    free_left, free_right = np.ones(table.shape[0], bool), np.ones(table.shape[1], bool)
    chosen = []
    for pair in np.argsort(-table[left, right], kind="stable"):
        if free_left[left[pair]] and free_right[right[pair]]:
            free_left[left[pair]] = free_right[right[pair]] = False
            chosen.append(pair)
    return left[chosen], right[chosen]


def _among(rows: Ints, count: int) -> Bools:
    found = np.zeros(count, bool)
    found[rows] = True
    return found
