"""The detections of one picture in two runs: partners, their scores, their boxes."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from rfcn_lib import boxes
from rfcn_lib.agreement.figures import Measure, Sum, Sums, count_of, median_of, percentile_of, signed_median_of
from rfcn_lib.records import Bools, Detections, Floats, Ints
from rfcn_lib.score.partners import CONFIDENT, Partners, partners

LOST: Final = Measure("confident detections without a partner, share", "detections", "share", events=True)
SCORES: Final = Measure("|difference| of partners' scores, median", "detections", "1", least=1e-6)
SCORES_95: Final = Measure("|difference| of partners' scores, 95 %", "detections", "1", least=1e-5)
SCORE: Final = Measure("partners' scores, difference", "detections", "1", signed=True, least=1e-6)
TEMPERATURE: Final = Measure("partners' scores, slope of the logit off 1", "detections", "1", signed=True, least=1e-5)
APART: Final = Measure("1 - IoU of partners' boxes, median", "detections", "1", least=1e-5)
APART_95: Final = Measure("1 - IoU of partners' boxes, 95 %", "detections", "1", least=1e-4)
OFFSETS: Final = tuple(
    Measure(f"detections moved in {axis}, px", "detections", "px", signed=True, least=1e-3) for axis in "xy"
)
SCALES: Final = tuple(
    Measure(f"detections' {side}, relative", "detections", "1", signed=True, least=1e-5) for side in ("width", "height")
)
SIZES_PX2: Final = {
    "small": (0, 32**2),
    "medium": (32**2, 96**2),
    "large": (96**2, 10**12),
}  # COCO's, px of the picture
PARTS: Final = ("left", "right", "top", "bottom")
EDGE: Final = 0.25  # a box whose centre lies in the outer quarter belongs to that edge
LEAST_LOGIT: Final = 1.0


def detection_sums(got: Detections, want: Detections, size_wh: tuple[int, int], classes: Sequence[str]) -> Sums:
    """What one picture adds to each figure of its detections. `size_wh`: of the picture, px.

    Raises:
        ValueError: a number that is not finite.
    """
    found = partners(got, want)
    sums: dict[Measure, Sum] = {}
    sides = [
        (_sure_boxes(one), labels, has)
        for one, labels, has in (
            (got, found.got_labels, found.got_has_partner),
            (want, found.want_labels, found.want_has_partner),
        )
    ]
    xyxy = np.concatenate([side[0] for side in sides])
    labels, lost = np.concatenate([side[1] for side in sides]), ~np.concatenate([side[2] for side in sides])
    sums[LOST] = _count(lost, np.ones(len(lost), bool))
    for words, chosen in _subsets(xyxy, labels, size_wh, classes):
        sums[Measure(f"confident detections without a partner, {words}, share", "detections", "share", events=True)] = (
            _count(lost, chosen)
        )
    sums |= _partner_sums(found)
    return sums


def _partner_sums(found: Partners) -> Sums:
    apart = np.abs(found.scores)
    sums: dict[Measure, Sum] = {
        SCORES: median_of(apart),
        SCORES_95: percentile_of(apart, 95),
        SCORE: signed_median_of(found.scores),
        TEMPERATURE: signed_median_of(_logit_slopes(found)),
        APART: median_of(1 - found.ious),
        APART_95: percentile_of(1 - found.ious, 95),
    }
    for k in range(2):
        sums[OFFSETS[k]] = signed_median_of(found.centre_px[:, k])
        sums[SCALES[k]] = signed_median_of(found.scale[:, k] - 1)
    return sums


def _logit_slopes(found: Partners) -> Floats:
    got, want = (np.clip(one, 2.0**-12, 1 - 2.0**-12) for one in (found.got_scores, found.want_scores))
    mine, theirs = np.log(got / (1 - got)), np.log(want / (1 - want))
    large = np.abs(theirs) > LEAST_LOGIT
    slopes: Floats = mine[large] / theirs[large] - 1
    return slopes


def _sure_boxes(one: Detections) -> Floats:
    xyxy: Floats = one.boxes_xyxy[one.scores >= CONFIDENT].astype(np.float64)
    return xyxy


def _subsets(xyxy: Floats, labels: Ints, size_wh: tuple[int, int], classes: Sequence[str]) -> "list[tuple[str, Bools]]":
    """Name and members of each class, each size and each edge of the picture."""
    area = boxes.area(xyxy)
    share_xy = (xyxy[:, :2] + xyxy[:, 2:]) / 2 / np.array(size_wh, np.float64)
    edges = (share_xy[:, 0] < EDGE, share_xy[:, 0] > 1 - EDGE, share_xy[:, 1] < EDGE, share_xy[:, 1] > 1 - EDGE)
    return [
        *((f"class {name}", labels == k) for k, name in enumerate(classes)),
        *((f"{size} ones", (area >= low) & (area < high)) for size, (low, high) in SIZES_PX2.items()),
        *((f"at the {name}", chosen) for name, chosen in zip(PARTS, edges, strict=True)),
    ]


def _count(lost: Bools, chosen: Bools) -> Sum:
    return count_of((lost & chosen).sum(), chosen.sum())
