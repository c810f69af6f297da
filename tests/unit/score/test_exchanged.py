"""Names that a port file has exchanged are found by the annotations, and a class that is merely weak is not accused."""

import numpy as np
import pytest

from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.average_precision import evaluate
from rfcn_lib.score.exchanged import exchanged_names

CLASSES = ("bird", "cat", "dog", "cow", "sheep")
PICTURES = 40
DRAWS = np.random.default_rng(7)
TRUTH = {}
for number in range(PICTURES):
    left = DRAWS.uniform(0, 300, (3, 2))
    TRUTH[f"{number:06}"] = Truth(
        np.concatenate([left, left + DRAWS.uniform(40, 120, (3, 2))], axis=1),
        (np.arange(3) * 2 + number) % len(CLASSES),
        np.zeros(3, bool),
    )


def found_by(names):
    """Detections of a good model in which each class of the truth has the label that `names` gives it; {} leaves all right."""
    labels = [CLASSES.index(names.get(name, name)) for name in CLASSES]
    draws, found = np.random.default_rng(11), {}
    for id, truth in TRUTH.items():
        boxes = truth.boxes_xyxy + draws.uniform(-3, 3, truth.boxes_xyxy.shape)
        false = draws.uniform(0, 300, (2, 2))
        boxes = np.concatenate([boxes, np.concatenate([false, false + 60], axis=1)])
        of = np.concatenate([np.take(labels, truth.labels), draws.integers(0, len(CLASSES), 2)])
        found[id] = Detections(boxes, np.concatenate([draws.uniform(0.5, 1, 3), draws.uniform(0, 0.6, 2)]), of)
    return found


def exchanged_in(found):
    return exchanged_names(found, TRUTH, CLASSES, evaluate(found, TRUTH, CLASSES).ap)


def test_a_good_model_has_no_name_exchanged():
    assert exchanged_in(found_by({})) == []


@pytest.mark.parametrize(
    "rounds",
    [
        [("cat", "dog")],
        [("bird", "cow", "sheep")],
        [("bird", "cat"), ("cow", "sheep")],
        [CLASSES],  # as when the background is counted as a class
    ],
)
def test_exchanged_names_are_found_and_each_points_to_the_objects_that_it_finds(rounds):
    as_named = {}
    for group in rounds:
        as_named |= dict(zip((*group[1:], group[0]), group, strict=True))
    found = {frozenset(group) for group in exchanged_in(found_by(as_named))}

    assert found == {frozenset(group) for group in rounds}
    first = next(group for group in exchanged_in(found_by(as_named)) if rounds[0][0] in group)
    at = first.index(rounds[0][0])
    assert (*first[at:], *first[:at]) == tuple(rounds[0])


def test_a_class_that_finds_another_s_objects_too_is_weak_and_not_exchanged():
    """Dogs are called cats; cats stay cats."""
    assert exchanged_in(found_by({"dog": "cat"})) == []


def test_two_classes_that_find_nothing_are_not_exchanged():
    found = {}
    for id, one in found_by({}).items():
        kept = one.labels < 3
        found[id] = Detections(one.boxes_xyxy[kept], one.scores[kept], one.labels[kept])

    assert exchanged_in(found) == []
