"""Reference and candidate compared picture by picture: both saw the same pictures, so their difference has less noise than each.

- A picture's own score is the mean, over the classes with objects in it, of the area AP of its own detections. The candidate
  agrees on a picture where both scores are equal; it wins or loses where its score is higher or lower.
- The interval of the mean AP difference is a paired bootstrap (Efron, percentile method): the set is drawn again with
  replacement, picture by picture, both sides with the same draw. A picture that is drawn twice counts as two pictures; the two
  copies of a detection have neighbouring ranks. A class of which a draw has no object is left out of it, on both sides.

Nothing here is a criterion.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from rfcn_lib import spec
from rfcn_lib.records import Bools, Detections, Floats, Ints, Truth
from rfcn_lib.score.arrays import Found, Objects, flatten
from rfcn_lib.score.average_precision import RECALL_MARKS, VOC07, ranked_by_class

RESAMPLES: Final = 1000
INTERVAL: Final = (2.5, 97.5)  # percentiles: 95 % of the draws lie between
SEED: Final = 2007
LARGEST_BLOCK: Final = 4_000_000  # numbers in one block of weights


@dataclass(frozen=True, slots=True)
class Paired:
    """The candidate against the reference.

    agree, lose, win  numbers of pictures with objects that count
    difference        mean AP of the candidate minus that of the reference
    low, high         between these lies the difference in 95 % of `resamples` draws
    """

    agree: int
    lose: int
    win: int
    difference: float
    low: float
    high: float
    resamples: int


@dataclass(frozen=True, slots=True)
class _Side:
    """One class of one side: pictures of its detections that are right or wrong, best first, and whether each is right."""

    pictures: Ints
    right: Bools


def paired(
    reference: Mapping[str, Detections],
    candidate: Mapping[str, Detections],
    truth: Mapping[str, Truth],
    classes: Sequence[str],
    judged: Sequence[str],
    *,
    resamples: int = RESAMPLES,
) -> Paired:
    """Compare two evaluations of the same pictures under the protocol of the criteria.

    Args:
        reference: detections by id.
        candidate: detections by id.
        truth: objects by id; its order is the order of the set.
        classes: of the labels.
        judged: the classes that count; each has an object that counts.
        resamples: how many times the set is drawn again. VOC2007 test takes 4 ms a draw.

    Raises:
        EvaluationError: the ids differ.
    """
    labels = [list(classes).index(name) for name in judged]
    found, objects = flatten(reference, truth)
    sides = [_by_class(found, objects, labels), _by_class(flatten(candidate, truth)[0], objects, labels)]
    count = len(truth)
    counted = ~objects.difficult.astype(bool)
    objects_cp = np.array(  # objects that count, class by picture
        [np.bincount(objects.pictures[counted & (objects.labels == label)], minlength=count) for label in labels]
    )
    scores = [_picture_scores(side, objects_cp) for side in sides]
    some = objects_cp.any(axis=0)
    change = np.sign(scores[1][some] - scores[0][some])
    whole = _difference(sides, objects_cp, np.ones((count, 1), np.int32))
    draws = np.concatenate([_difference(sides, objects_cp, weights) for weights in _draws(count, resamples)])
    low, high = np.percentile(draws, INTERVAL)
    agree, lose, win = (int((change == sign).sum()) for sign in (0, -1, 1))
    return Paired(agree, lose, win, float(whole[0]), float(low), float(high), resamples)


def _draws(count: int, resamples: int) -> Iterator[Ints]:
    """How often each picture is drawn, (count, some draws) int32; in blocks, so that the memory does not grow with the set."""
    random = np.random.default_rng(SEED)
    block = max(1, min(resamples, LARGEST_BLOCK // (20 * count)))
    for start in range(0, resamples, block):
        drawn = random.integers(0, count, (min(block, resamples - start), count))
        yield np.stack([np.bincount(one, minlength=count) for one in drawn], axis=1).astype(np.int32)


def _by_class(found: Found, objects: Objects, labels: Sequence[int]) -> list[_Side]:
    ranked = ranked_by_class(found, objects, labels, VOC07)
    return [_Side(one.pictures[one.right | one.wrong], one.right[one.right | one.wrong]) for one in ranked]


def _difference(sides: Sequence[Sequence[_Side]], objects_cp: Ints, weights_pd: Ints) -> Floats:
    """Mean AP of the second side minus that of the first, for each draw of pictures (columns of weights)."""
    totals_cd = objects_cp @ weights_pd
    means = []
    for side in sides:
        ap_cd = np.array([_ap(one, weights_pd, total_d) for one, total_d in zip(side, totals_cd, strict=True)])
        means.append(np.array([np.mean(ap[total > 0]) for ap, total in zip(ap_cd.T, totals_cd.T, strict=True)]))
    difference: Floats = means[1] - means[0]
    return difference


def _ap(side: _Side, weights_pd: Ints, total_d: Ints) -> Floats:
    """AP at 11 recall marks of one class in each draw. Precision is highest at right detections, so only those are looked at."""
    ap = np.zeros(len(total_d))
    if not side.right.any():
        return ap
    weights_nd = weights_pd[side.pictures]
    rights_nd = np.cumsum(weights_nd[side.right], axis=0)
    all_nd = np.cumsum(weights_nd, axis=0, out=weights_nd)[side.right]
    recall = rights_nd / np.maximum(total_d, 1)
    best_from = np.maximum.accumulate((rights_nd / np.maximum(all_nd, 1))[::-1], axis=0)[::-1]
    for mark in RECALL_MARKS:
        first = (recall < mark).sum(axis=0)
        reached = np.flatnonzero(first < len(recall))
        ap[reached] += best_from[first[reached], reached] / spec.RECALL_MARKS
    return ap


def _picture_scores(side: Sequence[_Side], objects_cp: Ints) -> Floats:
    """Each picture's own score: mean, over the classes with objects in it, of its area AP. 0 for a picture without any."""
    count = objects_cp.shape[1]
    total = np.zeros(count)
    for one, objects in zip(side, objects_cp, strict=True):
        order = np.argsort(one.pictures, kind="stable")  # picture by picture, best first
        pictures, right = one.pictures[order], one.right[order]
        begin = np.searchsorted(pictures, np.arange(count))
        at = np.flatnonzero(right)
        owner = pictures[at]
        rank = at - begin[owner] + 1
        number = (
            np.arange(len(at)) - np.searchsorted(owner, np.arange(count))[owner] + 1
        )  # of rights so far in this picture
        apart = 2.0 * (count - owner)  # then the maximum from the end goes no further than the picture
        best_from = np.maximum.accumulate((number / rank + apart)[::-1])[::-1] - apart
        total += np.bincount(owner, best_from, minlength=count) / np.maximum(objects, 1)
    scores: Floats = total / np.maximum((objects_cp > 0).sum(axis=0), 1)
    return scores
