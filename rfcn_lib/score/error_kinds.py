"""Kinds of errors of a detector, and what each costs: TIDE (Bolya, Foley, Hays, Hoffman, ECCV 2020), section 2.2 and 2.3.

Each wrong detection has one kind, the first that fits. Its IoU with an object of its own class is `same`, of others `other`:

    localisation    0.1 <= same <= 0.5     right class, wrong box
    classification  other > 0.5            right box, wrong class
    duplicate       same > 0.5             a better detection has the object
    background      same, other <= 0.1     there is nothing
    both            else                   class and box are wrong

An object is `missed` if no detection found it and no localisation or classification error points at it. Objects of other
classes are those that count: difficult ones explain no error.

The cost of a kind is the rise of mean AP once every error of this kind is mended, the others staying: the best detection of an
object that nobody found becomes right, the others go; a duplicate, a background or a both-error goes; a missed object no longer
counts. A class of which no object is left then has AP 1. Costs do not add up to 1 - mean AP: errors hide each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from rfcn_lib import spec
from rfcn_lib.records import Bools, Ints
from rfcn_lib.score.average_precision import average_precision
from rfcn_lib.score.marked import Marked

Kind = Literal["classification", "localisation", "both", "duplicate", "background", "missed"]
KINDS: Final[tuple[Kind, ...]] = ("classification", "localisation", "both", "duplicate", "background", "missed")
BACKGROUND_IOU: Final = 0.1


@dataclass(frozen=True, slots=True)
class ErrorKinds:
    """counts: how many detections (missed: objects) are of each kind. costs: mean AP, 0 to 1, that each kind costs."""

    counts: Mapping[Kind, int]
    costs: Mapping[Kind, float]


def error_kinds(marked: Marked) -> ErrorKinds:
    """Count the errors of each kind, and compute what each costs under the protocol of `marked`."""
    rows_of, missed = kinds_of(marked)
    before = _mean_ap(marked, marked.right, ~(marked.right | marked.wrong), marked.found.labels, np.zeros(0, np.int64))
    counts: dict[Kind, int] = {}
    costs: dict[Kind, float] = {}
    for kind in KINDS:
        right, gone, labels = marked.right.copy(), ~(marked.right | marked.wrong), marked.found.labels.copy()
        uncounted: Ints = np.zeros(0, np.int64)
        if kind == "missed":
            counts[kind], uncounted = len(missed), missed
        else:
            rows = rows_of[kind]
            counts[kind] = len(rows)
            gone[rows] = True
            if kind in ("classification", "localisation"):
                target = marked.same_object if kind == "localisation" else marked.other_object
                best = _best_of_free_objects(marked, rows, target)
                right[best], gone[best], labels[best] = True, False, marked.objects.labels[target[best]]
        costs[kind] = _mean_ap(marked, right, gone, labels, uncounted) - before
    return ErrorKinds(counts, costs)


def kinds_of(marked: Marked) -> tuple[dict[Kind, Ints], Ints]:
    """(kind -> rows of its detections, indices of the missed objects)."""
    found = marked
    enough = np.greater if found.protocol.overlap == ">" else np.greater_equal
    same, other = enough(found.same_iou, spec.MATCH_IOU), enough(found.other_iou, spec.MATCH_IOU)
    near_same, near_other = found.same_iou >= BACKGROUND_IOU, found.other_iou > BACKGROUND_IOU
    left = found.wrong.copy()
    rows_of: dict[Kind, Ints] = {}
    tests: tuple[tuple[Kind, Bools], ...] = (
        ("localisation", near_same & ~same),
        ("classification", other),
        ("duplicate", same),
        ("background", ~near_same & ~near_other),
        ("both", np.ones(len(left), bool)),
    )
    for kind, fits in tests:
        rows_of[kind] = np.flatnonzero(left & fits)
        left[rows_of[kind]] = False
    pointed = np.zeros(len(found.counts), bool)
    pointed[found.same_object[rows_of["localisation"]]] = True
    pointed[found.other_object[rows_of["classification"]]] = True
    return rows_of, np.flatnonzero(found.counts & (found.taker < 0) & ~pointed)


def _best_of_free_objects(marked: Marked, rows: Ints, target: Ints) -> Ints:
    """Of the detections that point at an object that nobody found, the best one of each object."""
    free = rows[marked.taker[target[rows]] < 0]
    order = free[np.argsort(_place(marked)[free], kind="stable")]
    _, first = np.unique(target[order], return_index=True)
    return order[first]


def _place(marked: Marked) -> Ints:
    """(N,) int: the place of each detection among all, best first; equal scores in the order of pictures, then of rows."""
    by_picture = np.argsort(marked.found.pictures, kind="stable")
    ranking = by_picture[np.argsort(-marked.found.scores[by_picture].astype(np.float64), kind="stable")]
    place = np.empty(len(ranking), np.int64)
    place[ranking] = np.arange(len(ranking))
    return place


def _mean_ap(marked: Marked, right: Bools, gone: Bools, labels: Ints, uncounted: Ints) -> float:
    """Mean AP of the detections that are not `gone`; those that are not right are wrong."""
    kept = np.flatnonzero(~gone)
    kept = kept[np.argsort(_place(marked)[kept], kind="stable")]
    counts = marked.counts.copy()
    counts[uncounted] = False
    found = []
    for label in marked.labels:
        mine = right[kept[labels[kept] == label]]
        objects = int((counts & (marked.objects.labels == label)).sum())
        found.append(average_precision(mine, ~mine, objects, marked.protocol) if objects else 1.0)
    return float(np.mean(found))
