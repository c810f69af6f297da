"""Average precision of PASCAL VOC: the protocol of the published figure, and its named variants.

The rules, from voc_eval.py of py-faster-rcnn (which RFCN-pytorch.1.0 uses) and VOCcode/VOCevaldet.m:

- corners are inclusive, so widths are x2 - x1 + 1;
- a detection is compared with the object of its class with the LARGEST IoU, the first among equals, taken or not;
- it is right when that IoU exceeds 0.5 and the object was not taken by a better detection, wrong otherwise;
- when that object is `difficult` the detection counts neither way; difficult objects are never missed;
- recall marks are `arange(0, 1.1, 0.1)`: three (0.3, 0.6, 0.7) lie a hair above the decimal, so a recall of exactly
  3/10 does not reach its mark. This is kept, because exact marks would give another figure than the published one.

Ties of score are broken by the order of the pictures in the set, then by the order within the picture (upstream: by a
sort that is not stable). All arithmetic is float64; scores are used as they come.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from rfcn_lib import boxes, spec
from rfcn_lib.records import Bools, Detections, Floats, Ints, Truth
from rfcn_lib.score.arrays import Found, Objects, check, flatten


@dataclass(frozen=True, slots=True)
class Protocol:
    """How an average precision is computed. Every Evaluation names its protocol.

    overlap  an IoU of exactly 0.5 is wrong (">") or right (">=")
    area     "11 marks": mean of the best precision at 11 recall marks; "area": area under the falling envelope
    """

    name: str
    overlap: Literal[">", ">="]
    area: Literal["11 marks", "area"]


VOC07: Final = Protocol("VOC2007 AP, 11 recall marks, IoU > 0.5", ">", "11 marks")  # voc_eval.py: the published one
VOC07_DEVKIT: Final = Protocol("VOC2007 AP, 11 recall marks, IoU >= 0.5", ">=", "11 marks")  # VOCevaldet.m's overlap
VOC10_AREA: Final = Protocol("VOC2010+ area AP, IoU > 0.5", ">", "area")  # voc_eval.py, use_07_metric=False
VOC10_DEVKIT: Final = Protocol("VOC2010+ area AP, IoU >= 0.5", ">=", "area")  # VOCevaldet.m of 2010 and later

RECALL_MARKS: Final = np.arange(0.0, 1.1, 0.1)


@dataclass(frozen=True, slots=True)
class Counts:
    """One class: objects that are not difficult, detections, and how many of those are right."""

    objects: int
    detections: int
    right: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Average precision per class over exactly `ids`, 0 to 1, in the order of the classes."""

    protocol: Protocol
    ids: tuple[str, ...]
    ap: Mapping[str, float]
    mean_ap: float
    counts: Mapping[str, Counts]

    def __str__(self) -> str:
        worst_first = sorted(self.ap, key=lambda name: self.ap[name])
        rows = [
            f"{name:>16} {self.ap[name]:.4f}  {c.right:,} right of {c.detections:,}, {c.objects:,} objects"
            for name in worst_first
            for c in [self.counts[name]]
        ]
        return "\n".join([*rows, f"{'mean':>16} {self.mean_ap:.4f}  {len(self.ids):,} pictures; {self.protocol.name}"])


def evaluate(
    detections: Mapping[str, Detections],
    truth: Mapping[str, Truth],
    classes: Sequence[str],
    protocol: Protocol = VOC07,
    *,
    judged: Sequence[str] | None = None,
) -> Evaluation:
    """Average precision of detections by id against truth by id; the order of `truth` is the order of the set.

    `judged`: the classes that count, all of them unless given; for a part of a set, see `arrays.classes_with_truth`.

    Raises:
        EvaluationError: no pictures, a picture without detections entry (an empty one is fine), detections for an
            unknown id, a label out of range, a number that is not finite, or a judged class without truth that counts.
    """
    found, objects = flatten(detections, truth)
    return evaluate_arrays(found, objects, tuple(truth), classes, protocol, judged=judged)


def evaluate_arrays(
    found: Found,
    objects: Objects,
    ids: Sequence[str],
    classes: Sequence[str],
    protocol: Protocol = VOC07,
    *,
    judged: Sequence[str] | None = None,
) -> Evaluation:
    """As `evaluate`, from flat arrays (a full-size set within a second).

    Raises:
        EvaluationError: see `evaluate`.
    """
    names = tuple(classes if judged is None else judged)
    check(found, objects, ids, classes, names)
    ap: dict[str, float] = {}
    counts: dict[str, Counts] = {}
    labels = [list(classes).index(name) for name in names]
    for name, one in zip(names, ranked_by_class(found, objects, labels, protocol), strict=True):
        ap[name] = average_precision(one.right, one.wrong, one.objects, protocol)
        counts[name] = Counts(one.objects, len(one.pictures), int(one.right.sum()))
    return Evaluation(protocol, tuple(ids), ap, float(np.mean(list(ap.values()))), counts)


@dataclass(frozen=True, slots=True)
class Ranked:
    """The detections of one class, best first.

    rows      (N,) int index into the flat arrays of the detections
    pictures  (N,) int index of the picture
    scores    (N,) never rising
    right     (N,) bool
    wrong     (N,) bool; on a difficult object both are False
    objects   number of objects that are not difficult
    """

    rows: Ints
    pictures: Ints
    scores: Floats
    right: Bools
    wrong: Bools
    objects: int


def ranked_by_class(found: Found, objects: Objects, labels: Sequence[int], protocol: Protocol) -> Iterator[Ranked]:
    """Rank and judge the detections of each class, in the order of `labels`; both sides must have passed `arrays.check`."""
    by_picture = np.argsort(found.pictures, kind="stable")
    ranking = by_picture[np.argsort(-found.scores[by_picture].astype(np.float64), kind="stable")]
    for label in labels:
        ranked = ranking[found.labels[ranking] == label]
        mine = np.flatnonzero(objects.labels == label)
        mine = mine[np.argsort(objects.pictures[mine], kind="stable")]
        difficult = objects.difficult[mine].astype(bool)
        right, wrong = _judge(
            (found.pictures[ranked], found.boxes_xyxy[ranked].astype(np.float64)),
            (objects.pictures[mine], objects.boxes_xyxy[mine].astype(np.float64)),
            difficult,
            protocol,
        )
        counted = len(mine) - int(difficult.sum())
        yield Ranked(ranked, found.pictures[ranked], found.scores[ranked], right, wrong, counted)


def _judge(
    found: tuple[Ints, Floats], objects: tuple[Ints, Floats], difficult: Bools, protocol: Protocol
) -> tuple[Bools, Bools]:
    """Which detections of one class are right and which are wrong, (N,) bool each. On a difficult object both are False.

    Both sides are (picture index, boxes): detections best first, objects by picture.
    """
    (pictures, boxes_xyxy), (owners, truth_xyxy) = found, objects
    begin = np.searchsorted(owners, pictures, side="left")
    many = np.searchsorted(owners, pictures, side="right") - begin
    some = np.flatnonzero(many)  # detections in a picture with objects of the class
    first_pair = np.cumsum(many[some]) - many[some]
    detection = np.repeat(some, many[some])  # one entry per pair of a detection and an object of its picture
    target = np.arange(len(detection)) + np.repeat(begin[some] - first_pair, many[some])
    overlap = boxes.iou(boxes_xyxy[detection], truth_xyxy[target])
    hit, taken_by = np.zeros(0, np.int64), np.zeros(0, np.int64)
    if len(some):
        largest = np.maximum.reduceat(overlap, first_pair)
        is_largest = overlap == np.repeat(largest, many[some])
        best = np.minimum.reduceat(np.where(is_largest, target, len(owners)), first_pair)  # the first among equals
        enough = largest > spec.MATCH_IOU if protocol.overlap == ">" else largest >= spec.MATCH_IOU
        hit, taken_by = some[enough], best[enough]
    right, neither = np.zeros(len(pictures), bool), np.zeros(len(pictures), bool)
    neither[hit[difficult[taken_by]]] = True
    _, winners = np.unique(taken_by, return_index=True)  # the first, so the best, detection on each object
    right[hit[winners]] = True
    right &= ~neither
    return right, ~(right | neither)


def average_precision(right: Bools, wrong: Bools, objects: int, protocol: Protocol) -> float:
    """AP of one class from its detections, best first: two (N,) bool; `objects`, the number that counts, is above 0."""
    rights, wrongs = np.cumsum(right.astype(np.float64)), np.cumsum(wrong.astype(np.float64))
    recall = rights / float(objects)
    precision = rights / np.maximum(rights + wrongs, np.finfo(np.float64).eps)
    if protocol.area == "11 marks":
        best_from = np.append(
            np.maximum.accumulate(precision[::-1])[::-1], 0.0
        )  # recall never falls: `>= mark` is a tail
        ap = 0.0
        for position in np.searchsorted(recall, RECALL_MARKS, side="left"):
            ap += float(best_from[position]) / spec.RECALL_MARKS
        return ap
    recall = np.concatenate([[0.0], recall, [1.0]])
    envelope = np.maximum.accumulate(np.concatenate([[0.0], precision, [0.0]])[::-1])[::-1]
    step = np.flatnonzero(recall[1:] != recall[:-1])
    return float(np.sum((recall[step + 1] - recall[step]) * envelope[step + 1]))
