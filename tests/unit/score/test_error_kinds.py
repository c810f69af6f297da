"""Kinds of errors and their costs: known answers, and the definition, one detection after the other."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.score.arrays import classes_with_truth
from rfcn_lib.score.average_precision import evaluate
from rfcn_lib.score.curves import curve_of
from rfcn_lib.score.error_kinds import KINDS, error_kinds
from rfcn_lib.score.marked import mark
from tests.support.detector_pairs import CLASSES, detections_of, random_set, truth_of
from tests.support.error_kinds import costs_by_hand

CAT, DOG = 0, 1
ON_FIRST, ON_SECOND = [0, 0, 99, 99], [200, 0, 299, 99]


def kinds_of(boxes, scores, labels, truth=None):
    """The errors of one picture with a cat and a dog."""
    truth = {"1": truth_of([CAT, DOG]) if truth is None else truth}
    found = {"1": detections_of(boxes, scores, labels)}
    return error_kinds(mark(found, truth, CLASSES, classes_with_truth(truth, CLASSES)))


@pytest.mark.parametrize(
    ("boxes", "scores", "labels", "kind", "count", "cost"),
    [
        ([ON_FIRST, ON_SECOND], [0.9, 0.8], [CAT, CAT], "classification", 1, 0.5),  # the dog is called cat
        ([ON_FIRST, [240, 0, 339, 99]], [0.9, 0.8], [CAT, DOG], "localisation", 1, 0.5),  # IoU 0.43
        ([ON_FIRST, [240, 0, 339, 99]], [0.9, 0.8], [CAT, CAT], "both", 1, 0.0),
        ([ON_FIRST, ON_FIRST], [0.9, 0.8], [CAT, CAT], "duplicate", 1, 0.0),
        ([[500, 500, 600, 600], ON_FIRST], [0.9, 0.8], [CAT, CAT], "background", 1, 0.25),  # precision 1/2 of the cat
        ([ON_FIRST], [0.9], [CAT], "missed", 1, 0.5),
    ],
)
def test_each_kind_has_its_known_answer(boxes, scores, labels, kind, count, cost):
    found = kinds_of(boxes, scores, labels)

    assert found.counts[kind] == count
    assert found.costs[kind] == pytest.approx(cost, abs=1e-9)
    missed = kind in ("both", "duplicate", "background", "missed") and DOG not in labels
    assert {k: n for k, n in found.counts.items() if n} == {kind: 1} | ({"missed": 1} if missed else {})


def test_a_detection_on_a_difficult_object_is_no_error():
    found = kinds_of([ON_FIRST, ON_SECOND], [0.9, 0.8], [CAT, DOG], truth_of([CAT, DOG], difficult=[1]))

    assert not any(found.counts.values())


def test_nothing_found_is_all_missed():
    found = kinds_of([], [], [])

    assert found.counts == dict.fromkeys(KINDS, 0) | {"missed": 2}
    assert found.costs["missed"] == pytest.approx(1.0)


@given(st.integers(0, 10**6))
def test_the_definition_gives_the_same_kinds_and_costs(seed):
    truth, one, _ = random_set(seed, count=6)
    judged = classes_with_truth(truth, CLASSES)
    if not judged:
        return
    found = error_kinds(mark(one, truth, CLASSES, judged))
    wanted = costs_by_hand(one, truth, [CLASSES.index(name) for name in judged], KINDS)

    assert {kind: found.counts[kind] for kind in KINDS} == {kind: wanted[kind][0] for kind in KINDS}
    assert [found.costs[kind] for kind in KINDS] == pytest.approx([wanted[kind][1] for kind in KINDS], abs=1e-12)


def test_a_curve_ends_at_the_recall_of_the_evaluation():
    truth, one, _ = random_set(5)
    judged = classes_with_truth(truth, CLASSES)
    counts = evaluate(one, truth, CLASSES, judged=judged).counts
    for name, ranked in zip(judged, mark(one, truth, CLASSES, judged).ranked, strict=True):
        curve = curve_of(ranked)
        assert len(curve.recall) == counts[name].right
        assert curve.recall[-1] == counts[name].right / counts[name].objects
        last = np.flatnonzero(ranked.right)[-1]
        assert curve.precision[-1] == counts[name].right / (counts[name].right + ranked.wrong[:last].sum())
        thinned = curve_of(ranked, points=2)
        assert (thinned.recall[0], thinned.recall[-1]) == (curve.recall[0], curve.recall[-1])
