"""The pictures on which the candidate loses most against the reference, each with the one fact that made it lose.

The loss of a picture is a sum of scores. An object costs the score of the reference's right detection less that of the
candidate's; 0 stands for an object that was not found. A wrong detection of the candidate costs its score less that of the
reference's wrong detection at the same place. What the reference has worse counts the other way. The largest part that
the candidate has worse is the fact.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from rfcn_lib import boxes, spec
from rfcn_lib.records import Bools, Ints
from rfcn_lib.score.error_kinds import BACKGROUND_IOU
from rfcn_lib.score.marked import Marked
from rfcn_lib.score.partners import CONFIDENT, PARTNER_IOU, best_pairs

Why = Literal["missed", "moved", "other class", "lower score", "double", "nothing there"]
LEAST: Final = 0.01  # a loss below it shows nothing to a person


@dataclass(frozen=True, slots=True)
class Loss:
    """One picture.

    picture  index into the set
    loss     sum of scores
    why      the kind of its largest part
    fact     the same as a sentence
    """

    picture: int
    loss: float
    why: Why
    fact: str


Part = tuple[float, Why, str]


def losses(reference: Marked, candidate: Marked, classes: Sequence[str]) -> tuple[Loss, ...]:
    """Every picture on which the candidate loses LEAST or more, the largest loss first; equal ones in the order of the set.

    Both sides are marked with the same truth.
    """
    mine, theirs = (_by_picture(side.found.pictures, side.wrong) for side in (candidate, reference))
    objects = _by_picture(candidate.objects.pictures, candidate.counts)
    takers = reference.taker, candidate.taker
    found = []
    for picture in sorted(mine.keys() | theirs.keys() | objects.keys()):
        empty = np.zeros(0, np.int64)
        wrong_got, wrong_want = mine.get(picture, empty), theirs.get(picture, empty)
        parts = [*_of_objects(reference, candidate, takers, objects.get(picture, empty), wrong_got, classes)]
        parts += _of_wrong(candidate, reference, wrong_got, wrong_want, takers[1], classes)
        better = sum(cost for cost, *_ in _of_wrong(reference, candidate, wrong_want, wrong_got, takers[0], classes))
        loss = sum(cost for cost, *_ in parts) - better
        if loss >= LEAST:
            _, why, fact = max(parts, key=lambda part: part[0])
            found.append(Loss(picture, loss, why, fact))
    return tuple(sorted(found, key=lambda one: -one.loss))


def _by_picture(pictures: Ints, some: Bools) -> dict[int, Ints]:
    rows = np.flatnonzero(some)
    rows = rows[np.argsort(pictures[rows], kind="stable")]
    names, begin = np.unique(pictures[rows], return_index=True)
    return dict(zip(names.tolist(), np.split(rows, begin[1:]), strict=True)) if len(rows) else {}


def _of_objects(
    reference: Marked,
    candidate: Marked,
    takers: tuple[Ints, Ints],
    objects: Ints,
    wrong: Ints,
    classes: Sequence[str],
) -> Iterator[Part]:
    """What each object of a picture costs; below 0 where the candidate is better."""
    for at in objects:
        want, got = takers[0][at], takers[1][at]
        before = float(reference.found.scores[want]) if want >= 0 else 0.0
        after = float(candidate.found.scores[got]) if got >= 0 else 0.0
        name = classes[int(candidate.objects.labels[at])]
        if got >= 0 or want < 0:
            yield before - after, "lower score", f"{name}: score {after:.2f}, reference {before:.2f}"
            continue
        yield before, *_why_lost(candidate, int(at), wrong, before, classes)


def _why_lost(candidate: Marked, at: int, wrong: Ints, before: float, classes: Sequence[str]) -> tuple[Why, str]:
    """Why an object was not found: the best wrong detection near it that has at least half of the reference's score."""
    scores, name = candidate.found.scores, classes[int(candidate.objects.labels[at])]
    sure = wrong[scores[wrong] >= before / 2]
    beside = sure[(candidate.same_object[sure] == at) & (candidate.same_iou[sure] >= BACKGROUND_IOU)]
    called = sure[(candidate.other_object[sure] == at) & (candidate.other_iou[sure] > spec.MATCH_IOU)]
    if len(beside):
        best = beside[np.argmax(scores[beside])]
        return (
            "moved",
            f"{name}: the box has IoU {candidate.same_iou[best]:.2f} with the object, the reference finds it",
        )
    if len(called):
        best = called[np.argmax(scores[called])]
        other = classes[int(candidate.found.labels[best])]
        return "other class", f"{name} is called {other}, score {scores[best]:.2f}"
    return "missed", f"{name}, which the reference finds with score {before:.2f}"


def _of_wrong(
    side: Marked, against: Marked, rows: Ints, theirs: Ints, taker: Ints, classes: Sequence[str]
) -> Iterator[Part]:
    """What each confident wrong detection of `side` costs beyond the other side's wrong detection at the same place."""
    rows = rows[side.found.scores[rows] >= CONFIDENT]
    if not len(rows):
        return
    mine_xyxy, theirs_xyxy = (
        one.found.boxes_xyxy[chosen].astype(np.float64) for one, chosen in ((side, rows), (against, theirs))
    )
    table = boxes.iou(mine_xyxy[:, None], theirs_xyxy[None])
    alike = side.found.labels[rows][:, None] == against.found.labels[theirs][None]
    left, right = best_pairs(table, alike & (table >= PARTNER_IOU))
    before = np.zeros(len(rows))
    before[left] = against.found.scores[theirs[right]]
    for row, other in zip(rows, before, strict=True):
        score, name = float(side.found.scores[row]), classes[int(side.found.labels[row])]
        cost = max(score - float(other), 0.0)
        if side.same_iou[row] > spec.MATCH_IOU:
            yield cost, "double", f"{name} is found twice, the second time with score {score:.2f}"
        elif side.other_iou[row] > spec.MATCH_IOU:
            is_a = classes[int(side.objects.labels[side.other_object[row]])]
            yield cost, "other class", f"{is_a} is called {name}, score {score:.2f}"
        elif side.same_iou[row] >= BACKGROUND_IOU and taker[side.same_object[row]] < 0:
            yield cost, "moved", f"{name}: the box has IoU {side.same_iou[row]:.2f} with the object"
        else:
            yield cost, "nothing there", f"{name} with score {score:.2f}, where the truth has none"
