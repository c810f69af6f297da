"""Reference and candidate compared picture by picture: both saw the same pictures, so their difference has less noise than each.

A picture's own score is the mean, over the classes with objects in it, of the area AP of its own detections. The candidate agrees
on a picture where both scores are equal; it wins or loses where its score is higher or lower. The interval of the drop of mean AP
is that of `intervals`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rfcn_lib.records import Detections, Floats, Ints, Truth
from rfcn_lib.score.arrays import flatten
from rfcn_lib.score.average_precision import VOC07, Protocol, ranked_by_class
from rfcn_lib.score.intervals import ClassInterval, Intervals, intervals
from rfcn_lib.score.resampled import Side, objects_by_picture, side_of
from rfcn_lib.score.ties import TieBracket, tie_bracket


@dataclass(frozen=True, slots=True)
class Paired:
    """The candidate against the reference.

    agree, lose, win  numbers of pictures with objects that count
    drop              how sure the drop of mean AP is
    """

    agree: int
    lose: int
    win: int
    drop: Intervals


def paired(
    reference: Mapping[str, Detections],
    candidate: Mapping[str, Detections],
    truth: Mapping[str, Truth],
    classes: Sequence[str],
    judged: Sequence[str],
    *,
    margin: float,
    class_margin: float,
) -> Paired:
    """Compare two evaluations of the same pictures under the protocol of the criteria.

    Args:
        reference: detections by id.
        candidate: detections by id.
        truth: objects by id; its order is the order of the set.
        classes: of the labels.
        judged: the classes that count; each has an object that counts.
        margin: relative drop of mean AP that is still accepted, 0 to 1.
        class_margin: relative drop of one class's AP that is still accepted, 0 to 1.

    Raises:
        EvaluationError: the ids differ, or the reference finds nothing.
    """
    labels = [list(classes).index(name) for name in judged]
    sides = []
    for one in (reference, candidate):
        found, objects = flatten(one, truth)
        sides.append([side_of(ranked) for ranked in ranked_by_class(found, objects, labels, VOC07)])
    objects_cp = objects_by_picture(objects, labels, len(truth))
    scores = [_picture_scores(side, objects_cp) for side in sides]
    some = objects_cp.any(axis=0)
    change = np.sign(scores[1][some] - scores[0][some])
    agree, lose, win = (int((change == sign).sum()) for sign in (0, -1, 1))
    drop = intervals(sides[0], sides[1], objects_cp, judged, margin=margin, class_margin=class_margin)
    return Paired(agree, lose, win, drop)


def paired_of(content: Mapping[str, Any]) -> Paired:
    """The record that `dataclasses.asdict` turned into mappings."""
    drop = content["drop"]
    classes = {name: ClassInterval(**one) for name, one in drop["classes"].items()}
    return Paired(**{**content, "drop": Intervals(**{**drop, "area": tuple(drop["area"]), "classes": classes})})


def ties(
    detections: Mapping[str, Detections],
    truth: Mapping[str, Truth],
    classes: Sequence[str],
    judged: Sequence[str],
    protocol: Protocol = VOC07,
) -> TieBracket:
    """Mean AP in the worst and in the best order of equal scores. Arguments and errors as of `paired`."""
    found, objects = flatten(detections, truth)
    labels = [list(classes).index(name) for name in judged]
    return tie_bracket([*ranked_by_class(found, objects, labels, protocol)], judged, protocol)


def _picture_scores(side: Sequence[Side], objects_cp: Ints) -> Floats:
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
