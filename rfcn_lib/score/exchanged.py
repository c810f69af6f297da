"""Names of classes that the port file has exchanged: each of them finds the objects of the next one, and next to none of its own.

Such a port lowers reference and candidate alike, so no comparison of the two shows it. The annotations show it, because they name
each object.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.arrays import Found, Objects, flatten
from rfcn_lib.score.average_precision import evaluate_arrays

# A class is another one's when it finds the other's objects more than twice as well as its own, and at least half as well as a
# class of this model finds its objects in the mean.
TIMES: Final = 2.0


def exchanged_names(
    detections: Mapping[str, Detections], truth: Mapping[str, Truth], classes: Sequence[str], ap: Mapping[str, float]
) -> list[tuple[str, ...]]:
    """Groups of names that are exchanged among each other; each name's detections find the objects of the next one in its group.

    A class alone that finds another's objects is a weak class and is not named: an exchange is a closed round.

    Args:
        detections: of the source model, by id.
        truth: by id, of the same pictures.
        classes: the port's.
        ap: of each class that was judged; a class above 1 / TIMES cannot be another one's, so it costs nothing here.
    """
    low = [name for name, value in ap.items() if value * TIMES < 1]
    if len(low) < 2:
        return []
    found, objects = flatten(detections, truth)
    least = float(np.mean(list(ap.values()))) / TIMES
    takes = {
        name: _better(name, low, found, objects, tuple(truth), classes, max(TIMES * ap[name], least)) for name in low
    }
    rounds: list[tuple[str, ...]] = []
    for start in low:
        way = [start]
        while (following := takes[way[-1]]) is not None and following not in way:
            way.append(following)
        if len(way) > 1 and following == start and not any(start in done for done in rounds):
            rounds.append(tuple(way))
    return rounds


def _better(
    name: str,
    others: Sequence[str],
    found: Found,
    objects: Objects,
    ids: Sequence[str],
    classes: Sequence[str],
    above: float,
) -> str | None:
    """The class whose objects the detections of `name` find best, where their AP on these is above `above`."""
    mine = found.labels == list(classes).index(name)
    reached = {}
    for other in others:
        if other != name:
            label = np.full(int(mine.sum()), list(classes).index(other), found.labels.dtype)
            as_other = Found(found.pictures[mine], found.boxes_xyxy[mine], found.scores[mine], label)
            reached[other] = evaluate_arrays(as_other, objects, ids, classes, judged=[other]).ap[other]
    best = max(reached, key=reached.__getitem__)
    return best if reached[best] > above else None
