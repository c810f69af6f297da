"""One picture that went wrong among many is found, and the announced difference of the clip is none."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.agreement.pictures import LEAST, Apart, alone, apart, apart_by_detections, limits, worst_times
from rfcn_lib.records import Detections
from tests.support.agreement_scenes import ROWS, boxes_changed, changed, noisy, picture_of, rows, source

PICTURE = picture_of()
SEEDS = st.integers(1, 30)
NOTHING = Apart(0.0, 0.0, 0.0)


@given(SEEDS, st.randoms())
def test_a_picture_against_itself_is_not_apart_in_any_order(seed, draws):
    want = source(str(seed))
    order = list(range(len(want.rois)))
    draws.shuffle(order)
    assert apart(want, want, PICTURE) == NOTHING
    assert apart(rows(want, order), want, PICTURE) == NOTHING


@given(SEEDS, st.integers(0, ROWS))
def test_proposals_that_the_reference_has_not_are_a_share(seed, moved):
    want = source(str(seed))
    away = np.arange(ROWS)[:, None] < moved
    got = boxes_changed(want, lambda xyxy: np.where(away, np.array([0, 390, 590, 399.0]), xyxy))
    assert apart(got, want, PICTURE).uncovered == pytest.approx(moved / ROWS)


@given(SEEDS, st.floats(0.0009765625, 0.25))
def test_scores_and_deltas_are_medians_of_the_rows_largest_differences(seed, by):
    want = source(str(seed))
    scores, deltas = want.cls_prob.astype(np.float64), want.bbox_pred.astype(np.float64)
    scores[:, 1] += by
    deltas[:, 5] -= by
    found = apart(changed(want, cls_prob=scores, bbox_pred=deltas), want, PICTURE)
    assert found == Apart(0.0, pytest.approx(by, abs=1e-6), pytest.approx(by, abs=1e-6))


def test_the_clip_to_the_canvas_is_taken_out():
    """The port's proposals may reach below the picture's 400 rows and right of its 600 columns; the reference's may not."""
    got = boxes_changed(source("1"), lambda xyxy: xyxy + np.where(xyxy > [550, 340, 550, 340], 35.0, 0.0))
    want = boxes_changed(got, lambda xyxy: np.clip(xyxy, 0, np.array([599, 399, 599, 399])))
    assert (got.rois[:, 4] > 400).any() and (got.rois[:, 3] > 600).any()

    assert apart(got, changed(want, cls_prob=got.cls_prob), PICTURE).uncovered == 0


def test_a_proposal_outside_the_picture_and_padding_do_not_count():
    want = source("1")
    outside = np.arange(ROWS)[:, None] == 0
    got = boxes_changed(want, lambda xyxy: np.where(outside, np.array([10, 450, 80, 500.0]), xyxy))
    assert apart(got, want, PICTURE) == NOTHING


def test_a_picture_without_proposals():
    want = source("1")
    none = rows(want, slice(ROWS, None))

    assert apart(none, none, PICTURE) == NOTHING
    assert apart(none, want, PICTURE) == apart(want, none, PICTURE) == Apart(1.0, 0.0, 0.0)


def test_by_detections_a_lost_one_is_a_share_of_both_sides_and_two_more():
    boxes = np.array([[0, 0, 50, 50], [100, 100, 180, 150]], float)
    want = Detections(boxes, np.array([0.9, 0.8]), np.array([0, 1]))
    got = Detections(boxes[:1] + np.array([0, 0, 0, 10]), np.array([0.7]), np.array([0]))
    nothing = Detections(boxes[:0], np.zeros(0), np.zeros(0, int))

    assert apart_by_detections(want, want) == NOTHING
    assert apart_by_detections(got, want) == Apart(1 / 5, pytest.approx(0.2), pytest.approx(1 - 51 / 61))
    assert apart_by_detections(nothing, want) == Apart(2 / 4, 0.0, 0.0)
    assert apart_by_detections(nothing, nothing) == NOTHING
    with pytest.raises(ValueError, match="NaN"):
        apart_by_detections(Detections(boxes * np.nan, want.scores, want.labels), want)


FLOOR = {f"{n:06}": Apart(0.01 * n, 0.002 * n, 0.03) for n in range(1, 11)}


def test_a_limit_is_twice_the_worst_picture_and_grows_with_the_logarithm_of_their_number():
    few = 1 + 10 / 10 / 4
    found = {count: limits([FLOOR], count) for count in (1, 10, 100, 10_000)}

    for count, tail in ((1, 1), (10, 1), (100, 2), (10_000, 4)):
        expected = {"uncovered": 0.1, "scores": 0.02, "deltas": 0.03}
        assert found[count] == pytest.approx({name: 2 * worst * tail * few for name, worst in expected.items()})
    assert limits([{"1": NOTHING}], 5000) == dict(LEAST), "no limit is below what a number format does"


def test_of_several_floors_the_worst_picture_counts():
    small = {id: Apart(0.001, 0.001, 0.9) for id in FLOOR}
    found = limits([FLOOR, small], 10)
    assert found == pytest.approx(limits([FLOOR], 10) | {"deltas": 0.9 / 0.03 * limits([FLOOR], 10)["deltas"]})
    assert found == limits([small, FLOOR], 10)


def test_of_a_floor_of_one_picture_the_limit_is_wide():
    assert limits([{"1": Apart(0.1, 0.1, 0.1)}], 1)["scores"] == pytest.approx(2 * 0.1 * (1 + 10 / 4))


def test_one_spoilt_picture_among_many_is_named():
    floor = {id: apart(noisy(1)(id), source(id), PICTURE) for id in (f"{n:06}" for n in range(1, 9))}
    ids = [f"{n:06}" for n in range(1, 41)]
    found = {id: apart(noisy(2)(id), source(id), PICTURE) for id in ids}
    limit = limits([floor], len(ids))
    assert alone(found, limit) == []
    assert 0 < worst_times(found, limit) <= 1

    found["000017"] = apart(source("18"), source("000017"), PICTURE)
    named = alone(found, limit)
    assert {id for id, *_ in named} == {"000017"}
    assert [times for *_, times in named] == sorted((times for *_, times in named), reverse=True)
    assert named[0][2] == worst_times(found, limit) > 1
    assert math.isfinite(named[0][2])


def test_scores_are_compared_only_where_the_boxes_are_nearly_the_same():
    """A box that moved by an eighth of its width covers other pixels, so its scores may be others."""
    want = source("1")
    away = np.arange(ROWS)[:, None] < 25
    width = (want.rois[:ROWS, 3] - want.rois[:ROWS, 1] + 1)[:, None] / 8
    got = boxes_changed(want, lambda xyxy: xyxy + np.where(away, width * np.array([1, 0, 1, 0]), 0.0))
    scores = got.cls_prob.copy()
    scores[:25] += 0.5
    assert apart(changed(got, cls_prob=scores), want, PICTURE) == NOTHING
