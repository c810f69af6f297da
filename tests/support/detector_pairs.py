"""Small sets with two detectors, and a set with each picture really written down as often as a resample draws it."""

import numpy as np

from rfcn_lib.records import Detections, Truth

CLASSES = ("cat", "dog", "cow")
BOXES = np.array([[0, 0, 99, 99], [200, 0, 299, 99], [0, 200, 99, 299]], np.float64)
F = np.float32


def detections_of(boxes, scores, labels):
    return Detections(np.array(boxes, F).reshape(-1, 4), np.array(scores, F), np.array(labels, np.int64))


def truth_of(labels, difficult=()):
    count = len(labels)
    return Truth(BOXES[:count], np.array(labels, np.int64), np.isin(np.arange(count), list(difficult)))


def random_set(seed, count=12):
    """Truth, and two models that find most of it and some more; scores often tie from picture to picture."""
    random = np.random.default_rng(seed)
    truth, sides = {}, ({}, {})
    for number in range(count):
        labels = random.integers(0, 3, random.integers(0, 4))
        truth[f"{number:03d}"] = truth_of(labels, [k for k in range(len(labels)) if random.random() < 0.15])
        for side in sides:
            near = BOXES[: len(labels)] + random.normal(0, 12, (len(labels), 4))
            far = random.uniform(0, 300, (3, 4)).cumsum(axis=1)
            scores = random.choice(10, len(labels) + 3, replace=False) / 10
            found = np.concatenate([labels, random.integers(0, 3, 3)])
            side[f"{number:03d}"] = detections_of(np.vstack([near, far]), scores, found)
    return truth, *sides


def written_down(times, by_id):
    """The same set, each picture as often as `times` says, copies side by side."""
    return {f"{id}_{copy}": one for (id, one), n in zip(by_id.items(), times, strict=True) for copy in range(int(n))}
