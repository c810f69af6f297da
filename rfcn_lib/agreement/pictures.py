"""Every picture of the set by itself against the reference, to find one that went wrong alone.

The reference clips proposals to the picture, the port to the canvas: an announced difference. It is taken out here, so that all
pictures can be held against the reference's own dumps. The candidate's proposals are clipped to the picture too. Then a proposal
of the reference should cover each of them. (The reverse is not asked: boxes outside the picture took places among the
candidate's proposals.) The reference's row that covers a proposal best also says which scores and deltas to expect.

A packet has detections only. Then detections take the place of proposals, as `apart_by_detections` says.

A picture's three numbers are compared with the worst picture of the floor. In a larger set the worst picture lies further out.
Limits follow the tail of an exponential distribution, whose largest of n values grows as log n.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log
from typing import Final

import numpy as np

from rfcn_lib import boxes
from rfcn_lib.agreement.figures import DEVIATIONS, FACTOR, FEW
from rfcn_lib.agreement.proposals import PARTNER_IOU
from rfcn_lib.records import Detections, Floats, Ints, Outputs, Picture
from rfcn_lib.score.partners import partners

LEAST_SIDE_PX: Final = 2.0  # net frame; what the clip makes thinner than this lay outside the picture
CLOSE_IOU: Final = 0.9  # rows of so equal boxes should have nearly equal scores


@dataclass(frozen=True, slots=True)
class Apart:
    """One picture: how far the candidate is from the reference.

    uncovered  share of its proposals, clipped to the picture, that no proposal of the reference covers
    scores     median over the covered ones of the largest |difference| of cls_prob in the row
    deltas     the same of bbox_pred
    """

    uncovered: float
    scores: float
    deltas: float


NAMES: Final[Mapping[str, str]] = {
    "uncovered": "share of a picture's proposals that the reference has not",
    "scores": "a picture's median |difference| of cls_prob",
    "deltas": "a picture's median |difference| of bbox_pred",
}
LEAST: Final[Mapping[str, float]] = {"uncovered": 0.03, "scores": 1e-4, "deltas": 1e-3}


def apart(got: Outputs, want: Outputs, picture: Picture) -> Apart:
    """One picture against the reference's outputs of it."""
    mine, mine_rows = _inside(got, picture)
    theirs, their_rows = _inside(want, picture)
    if not len(mine) or not len(theirs):
        return Apart(float(len(mine) != len(theirs)), 0.0, 0.0)
    table = boxes.iou(mine[:, None], theirs[None])
    best = table.argmax(axis=1)
    iou = table[np.arange(len(mine)), best]
    close = iou >= CLOSE_IOU
    rows, wanted = mine_rows[close], their_rows[best[close]]
    return Apart(
        float((iou < PARTNER_IOU).mean()),
        _median_apart(got.cls_prob[rows], want.cls_prob[wanted]),
        _median_apart(got.bbox_pred[rows], want.bbox_pred[wanted]),
    )


def apart_by_detections(got: Detections, want: Detections) -> Apart:
    """The same from detections: confident ones without a partner among all of both sides and two more, scores, 1 - IoU.

    "Two more": of a picture with one object, one lost detection is not yet the whole picture.

    Raises:
        ValueError: a number that is not finite.
    """
    found = partners(got, want)
    has = np.concatenate([found.got_has_partner, found.want_has_partner])
    some = len(found.ious) > 0
    return Apart(
        float((~has).sum()) / (len(has) + 2),
        float(np.median(np.abs(found.scores))) if some else 0.0,
        float(np.median(1 - found.ious)) if some else 0.0,
    )


def limits(floors: Sequence[Mapping[str, Apart]], pictures: int) -> dict[str, float]:
    """The largest that each number of a picture may be, among so many pictures: from floors, each by id.

    A floor of one picture says nothing of a tail; then the limit is only widened by FEW.
    """
    found = {}
    for name in NAMES:
        worst = max(max((getattr(one, name) for one in floor.values()), default=0.0) for floor in floors)
        count = min(len(floor) for floor in floors)
        tail = max(1.0, log(max(pictures, 2)) / log(max(count, 2)))
        found[name] = max(LEAST[name], worst * FACTOR * tail * (1 + FEW / max(count, 1) / DEVIATIONS))
    return found


def alone(found: Mapping[str, Apart], limit: Mapping[str, float]) -> list[tuple[str, str, float]]:
    """(id, number's name, times its limit) of every picture beyond a limit, worst first."""
    beyond = [
        (id, name, getattr(one, name) / limit[name])
        for id, one in found.items()
        for name in NAMES
        if getattr(one, name) > limit[name]
    ]
    return sorted(beyond, key=lambda row: (-row[2], row[0]))


def worst_times(found: Mapping[str, Apart], limit: Mapping[str, float]) -> float:
    """The worst picture's worst number, as a multiple of its limit."""
    return max((getattr(one, name) / limit[name] for one in found.values() for name in NAMES), default=0.0)


def _inside(outputs: Outputs, picture: Picture) -> tuple[Floats, Ints]:
    """The proposals clipped to the picture, and their row numbers; without those that lie outside it."""
    rows = np.flatnonzero(outputs.rois[:, 1:].any(axis=1))
    shown_wh = (
        min(picture.scaled_wh[0], picture.canvas_wh[0]),
        min(picture.scaled_wh[1], picture.canvas_wh[1]),
    )
    xyxy = boxes.clip(outputs.rois[rows, 1:].astype(np.float64), shown_wh)
    large = ((xyxy[:, 2:] - xyxy[:, :2]) >= LEAST_SIDE_PX).all(axis=1)
    return xyxy[large], rows[large]


def _median_apart(got: Floats, want: Floats) -> float:
    if not len(got):
        return 0.0
    return float(np.median(np.abs(got.astype(np.float64) - want).max(axis=1)))
