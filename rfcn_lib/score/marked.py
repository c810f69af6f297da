"""Each detection of a set with its mark: right, wrong or neither, and the objects that it overlaps most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rfcn_lib import boxes
from rfcn_lib.records import Bools, Detections, Floats, Ints, Truth
from rfcn_lib.score.arrays import Found, Objects, flatten
from rfcn_lib.score.average_precision import VOC07, Protocol, Ranked, ranked_by_class


@dataclass(frozen=True, slots=True)
class Marked:
    """The detections of one model over a set. A detection of a class that does not count is neither right nor wrong.

    ranked         by class that counts, in the order of `labels`
    labels         of the classes that count
    counts         (M,) bool: objects that count, so not the difficult ones
    right, wrong   (N,) bool
    same_iou       (N,) largest IoU with an object that counts of its own class in its picture; 0 where there is none
    same_object    (N,) int index of that object, the first among equals; -1 where there is none
    other_iou, other_object  the same with the objects of the other classes
    """

    found: Found
    objects: Objects
    protocol: Protocol
    ranked: tuple[Ranked, ...]
    labels: tuple[int, ...]
    counts: Bools
    right: Bools
    wrong: Bools
    same_iou: Floats
    same_object: Ints
    other_iou: Floats
    other_object: Ints

    @property
    def taker(self) -> Ints:
        """(M,) int: the right detection of each object; -1 where no detection found it."""
        taken = np.full(len(self.counts), -1)
        rows = np.flatnonzero(self.right)
        taken[self.same_object[rows]] = rows
        return taken


def mark(
    detections: Mapping[str, Detections],
    truth: Mapping[str, Truth],
    classes: Sequence[str],
    judged: Sequence[str],
    protocol: Protocol = VOC07,
) -> Marked:
    """Mark every detection under a protocol.

    Args:
        detections: by id.
        truth: objects by id; its order is the order of the set.
        classes: of the labels.
        judged: the classes that count.
        protocol: which IoU is enough.

    Raises:
        EvaluationError: the ids differ.
    """
    found, objects = flatten(detections, truth)
    labels = tuple(list(classes).index(name) for name in judged)
    ranked = tuple(ranked_by_class(found, objects, labels, protocol))
    right, wrong = np.zeros(len(found.labels), bool), np.zeros(len(found.labels), bool)
    for one in ranked:
        right[one.rows], wrong[one.rows] = one.right, one.wrong
    counts = ~objects.difficult.astype(bool) & np.isin(objects.labels, labels)
    rows, targets = _pairs(found.pictures, np.flatnonzero(counts), objects.pictures)
    overlap = boxes.iou(found.boxes_xyxy[rows].astype(np.float64), objects.boxes_xyxy[targets].astype(np.float64))
    same = found.labels[rows] == objects.labels[targets]
    of_same = _largest(rows[same], targets[same], overlap[same], len(right))
    of_others = _largest(rows[~same], targets[~same], overlap[~same], len(right))
    return Marked(found, objects, protocol, ranked, labels, counts, right, wrong, *of_same, *of_others)


def _pairs(pictures: Ints, counted: Ints, owners: Ints) -> tuple[Ints, Ints]:
    """Every detection with every object that counts of its picture: (row, object), two (P,)."""
    counted = counted[np.argsort(owners[counted], kind="stable")]
    begin = np.searchsorted(owners[counted], pictures, side="left")
    many = np.searchsorted(owners[counted], pictures, side="right") - begin
    rows = np.repeat(np.arange(len(pictures)), many)
    first = np.repeat(np.cumsum(many) - many, many)
    return rows, counted[np.repeat(begin, many) + np.arange(len(rows)) - first]


def _largest(rows: Ints, targets: Ints, overlap: Floats, count: int) -> tuple[Floats, Ints]:
    """Of each detection the largest overlap above 0 and its object, two (count,)."""
    iou, target = np.zeros(count), np.full(count, -1)
    some = overlap > 0
    rows, targets, overlap = rows[some], targets[some], overlap[some]
    order = np.lexsort((-targets, overlap, rows))  # the last of each row is the largest, the first object among equals
    last = order[np.append(rows[order][1:] != rows[order][:-1], True)] if len(order) else order
    iou[rows[last]], target[rows[last]] = overlap[last], targets[last]
    return iou, target
