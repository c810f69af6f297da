from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rfcn_lib.records import Detections, Truth
from rfcn_lib.score.arrays import EvaluationError, Found, Objects, check, classes_with_truth, flatten

CLASSES = ("cat", "dog")
FOUND = Found(np.array([0, 1]), np.array([[0, 0, 9, 9], [1, 1, 9, 9.0]]), np.array([0.5, 0.6]), np.array([0, 1]))
OBJECTS = Objects(np.array([0, 1]), np.array([[0, 0, 9, 9], [1, 1, 9, 9.0]]), np.array([0, 1]), np.zeros(2, bool))


def detections_of(count: int) -> Detections:
    return Detections(np.full((count, 4), 7.0, np.float32), np.full(count, 0.5, np.float32), np.arange(count))


def truth_of(count: int) -> Truth:
    return Truth(np.full((count, 4), 3.0), np.arange(count), np.arange(count) == 1)


def test_both_sides_are_joined_by_id_in_the_order_of_the_truth() -> None:
    found, objects = flatten(
        {"b": detections_of(1), "c": detections_of(0), "a": detections_of(2)},
        {"a": truth_of(1), "b": truth_of(2), "c": truth_of(0)},
    )
    assert found.pictures.tolist() == [0, 0, 1]
    assert found.labels.tolist() == [0, 1, 0]
    assert objects.pictures.tolist() == [0, 1, 1]
    assert objects.difficult.tolist() == [False, False, True]
    assert found.scores.dtype == np.float32
    assert found.labels.dtype == np.int64


def test_empty_pictures_do_not_turn_labels_into_fractions() -> None:
    empty = Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0))  # type: ignore[arg-type]
    found, _ = flatten({"a": empty, "b": detections_of(2)}, {"a": truth_of(0), "b": truth_of(0)})
    assert found.labels.dtype == np.int64
    found, objects = flatten({"a": empty}, {"a": truth_of(0)})
    assert found.labels.dtype == np.int64
    assert objects.boxes_xyxy.shape == (0, 4)


def test_a_missing_picture_and_an_unknown_id_are_errors() -> None:
    truth = {id: truth_of(1) for id in "abcdef"}
    detections = {id: detections_of(1) for id in "fgh"}
    with pytest.raises(EvaluationError) as caught:
        flatten(detections, truth)
    said = str(caught.value)
    assert "5 missing, first ['a', 'b', 'c'] and 2 unknown, first ['g', 'h']" in said
    assert "should be those of the 6 pictures of the set" in said


def test_classes_with_truth_leaves_out_what_is_only_difficult() -> None:
    truth = {"a": truth_of(2), "b": truth_of(0)}
    assert classes_with_truth(truth, ("cat", "dog", "cow")) == ("cat",)
    assert classes_with_truth({"a": truth_of(3)}, ("cat", "dog", "cow")) == ("cat", "cow")


def test_fair_questions_pass() -> None:
    check(FOUND, OBJECTS, ["a", "b"], CLASSES, CLASSES)


@pytest.mark.parametrize(
    ("found", "objects", "said"),
    [
        (
            {"labels": np.array([0, 2])},
            {},
            r"detections: label is 2 \(1 such\), but should be a whole number from 0 to 1",
        ),
        ({"labels": np.array([-1, -1])}, {}, r"detections: label is -1 \(2 such\)"),
        ({"labels": np.array([0.0, 1.0])}, {}, r"detections: label is 0.0 \(2 such\)"),
        ({"pictures": np.array([0, 2])}, {}, "detections: picture index is 2"),
        ({}, {"labels": np.array([0, 7])}, "truth: label is 7"),
        ({}, {"pictures": np.array([-1, 0])}, "truth: picture index is -1"),
        ({"scores": np.array([0.5, np.nan])}, {}, "scores of detections hold NaN or Inf, first in picture b"),
        ({"scores": np.array([np.inf, 1])}, {}, "scores of detections hold NaN or Inf, first in picture a"),
        ({"boxes_xyxy": np.full((2, 4), np.nan)}, {}, "boxes of detections hold NaN or Inf, first in picture a"),
        ({}, {"boxes_xyxy": np.full((2, 4), np.inf)}, "boxes of truth hold NaN or Inf"),
        (
            {},
            {"labels": np.array([1, 1])},
            "1 classes without an object that counts in 2 pictures: cat; .*undefined, not 0",
        ),
        ({}, {"difficult": np.array([False, True])}, "1 classes without an object that counts in 2 pictures: dog"),
    ],
)
def test_unfair_questions_are_errors(found: Any, objects: Any, said: str) -> None:
    with pytest.raises(EvaluationError, match=said):
        check(replace(FOUND, **found), replace(OBJECTS, **objects), ["a", "b"], CLASSES, CLASSES)


def test_no_pictures_and_no_or_strange_classes_are_errors() -> None:
    with pytest.raises(EvaluationError, match=r"no pictures to judge"):
        check(FOUND, OBJECTS, [], CLASSES, CLASSES)
    for judged in ((), ("cow",)):
        with pytest.raises(EvaluationError, match=r"should be some of \['cat', 'dog'\]"):
            check(FOUND, OBJECTS, ["a", "b"], CLASSES, judged)


def test_arrays_of_unequal_length_cannot_exist() -> None:
    with pytest.raises(ValueError, match=r"scores has shape \(1,\), but should be \(2\)"):
        replace(FOUND, scores=np.zeros(1))
    with pytest.raises(ValueError, match=r"difficult has shape \(3,\), but should be \(2\)"):
        replace(OBJECTS, difficult=np.zeros(3, bool))
