"""Average precision on many resamples of the pictures, from detections that were matched once.

A resample draws as many pictures as there are, with replacement. A picture that is drawn twice counts as two pictures. Its AP is
that of `evaluate` on the pictures really written down so often, to the last bit: the counts of right and of all detections are
whole numbers, and their division and the sum over the marks are the evaluator's own. (Of two detections of one class and one
picture with equal scores the evaluator would rank the copies otherwise. Full-precision scores have no such pair.)
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.records import Bools, Floats, Ints
from rfcn_lib.score.arrays import Objects
from rfcn_lib.score.average_precision import RECALL_MARKS, Ranked

SEED: Final = 2007
BLOCK: Final = 1000  # resamples at once: 20 MB for 4,952 pictures; half as many take a third longer
FLOAT32_EXACT: Final = 2**24  # whole numbers below it are exact
FARTHER: Final = 2.0**40  # than any count; BLOCK times as much is exact in float64


@dataclass(frozen=True, slots=True)
class Side:
    """One class of one system, best detection first. Those on difficult objects are left out.

    Detections after the last right one change no AP, so they are left out too.

    pictures  (N,) int index of the picture
    right     (N,) bool
    """

    pictures: Ints
    right: Bools


def side_of(ranked: Ranked) -> Side:
    """The detections of one class that an AP depends on."""
    counts = ranked.right | ranked.wrong
    pictures, right = ranked.pictures[counts], ranked.right[counts]
    end = int(np.flatnonzero(right).max(initial=-1)) + 1
    return Side(pictures[:end], right[:end])


def objects_by_picture(objects: Objects, labels: Sequence[int], pictures: int) -> Ints:
    """(classes, pictures): objects that count."""
    counted = ~objects.difficult.astype(bool)
    of_class = (objects.pictures[counted & (objects.labels == label)] for label in labels)
    return np.array([np.bincount(one, minlength=pictures) for one in of_class])


def drawn(pictures: int, many: int, bits: np.random.PCG64) -> Floats:
    """(pictures, many) float32: how often each of `many` resamples has each picture.

    Raw bits, because numpy promises that their stream stays as it is; it does not promise that of `Generator.integers`.
    """
    times = np.empty((pictures, many), np.float32)
    for number in range(many):
        fraction = (bits.random_raw(pictures) >> np.uint64(11)) * 2.0**-53
        times[:, number] = np.bincount((fraction * pictures).astype(np.int64), minlength=pictures)
    return times


def resampled_ap(
    systems: Sequence[Sequence[Side]], objects_cp: Ints, many: int, bits: np.random.PCG64
) -> Iterator[tuple[Floats, Floats]]:
    """Blocks of resamples: AP at 11 recall marks and area AP, each (systems, some resamples, classes).

    Every system gets the same resamples. NaN where a resample has no object of the class.

    Args:
        systems: for each, its classes in the order of `objects_cp`.
        objects_cp: (classes, pictures), as `objects_by_picture` counts.
        many: resamples altogether.
        bits: where the draws come from; it moves on.
    """
    for begin in range(0, many, BLOCK):
        times = drawn(objects_cp.shape[1], min(BLOCK, many - begin), bits)
        both = class_by_class(systems, objects_cp, times)
        yield both[0], both[1]


def class_by_class(systems: Sequence[Sequence[Side]], objects_cp: Ints, times: Floats) -> Floats:
    """(2, systems, resamples, classes): AP at 11 marks and area AP on the resamples of `times`, as `drawn` gives them."""
    rows, totals = list(times), objects_cp.astype(np.float64) @ times
    found = np.empty((2, len(systems), times.shape[1], len(objects_cp)))
    for number, system in enumerate(systems):
        for label, (side, total) in enumerate(zip(system, totals, strict=True)):
            found[:, number, :, label] = _both_aps(side, rows, total)
    return found


def _both_aps(side: Side, rows: Sequence[Floats], total: Floats) -> Floats:
    """(2, B): one class's AP at 11 marks and its area AP on B resamples. Precision is highest at right detections."""
    resamples, rights = len(total), int(side.right.sum())
    if not rights:
        return np.where(total > 0, np.zeros((2, resamples)), np.nan)
    counted, seen = _counts(side, rows, resamples)
    best_from = counted / np.maximum(seen, 1).astype(np.float64)
    for rank in range(rights - 2, -1, -1):
        np.maximum(best_from[rank], best_from[rank + 1], out=best_from[rank])
    columns = np.arange(resamples)
    apart = FARTHER * columns[:, None].astype(np.float64)  # then one search serves every resample
    reached = np.searchsorted((counted.T + apart).ravel(), (_least_rights(total) + apart).ravel())
    reached = reached.reshape(resamples, -1) - rights * columns[:, None]
    at_marks = np.zeros(resamples)
    for at in reached.T:  # in the evaluator's order: a sum of floats depends on it
        precision = best_from[np.minimum(at, rights - 1), columns]
        at_marks += np.where(at < rights, precision, 0.0) / spec.RECALL_MARKS
    best_from[1:] *= np.diff(counted, axis=0)
    best_from[0] *= counted[0]
    area = best_from.sum(axis=0) / np.maximum(total, 1)
    return np.where(total > 0, np.stack([at_marks, area]), np.nan)


def _counts(side: Side, rows: Sequence[Floats], resamples: int) -> tuple[Floats, Floats]:
    """At each right detection: right ones so far, and all detections so far; two (rights, resamples).

    A loop over detections, because each step is one addition over all resamples: as fast as compiled code.
    """
    most = len(rows) * int(np.bincount(side.pictures).max())
    kind = np.float32 if most < FLOAT32_EXACT else np.float64
    rights = int(side.right.sum())
    counted, seen = np.empty((rights, resamples), kind), np.empty((rights, resamples), kind)
    right_now, all_now, rank = np.zeros(resamples, kind), np.zeros(resamples, kind), 0
    add = np.add
    for picture, right in zip(side.pictures.tolist(), side.right.tolist(), strict=True):
        row = rows[picture]
        add(all_now, row, out=all_now)
        if right:
            add(right_now, row, out=right_now)
            counted[rank], seen[rank] = right_now, all_now
            rank += 1
    return counted, seen


def _least_rights(total: Floats) -> Floats:
    """(B, 11): the least whole number of right detections whose recall, divided as the evaluator does, reaches each mark."""
    objects = np.maximum(total, 1.0)[:, None]
    least = np.ceil(RECALL_MARKS * total[:, None])
    least = np.where((least - 1) / objects >= RECALL_MARKS, least - 1, least)
    found: Floats = np.where(least / objects >= RECALL_MARKS, least, least + 1)
    return found
