"""Detections without a partner are counted in all, and in each class, size and edge that they belong to."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.agreement import detections as of
from rfcn_lib.records import Detections
from rfcn_lib.score.partners import CONFIDENT
from tests.support import agreement_definitions as slow
from tests.support import partners as slow_partners

SIZE_WH, CLASSES = (500, 375), ("cat", "dog")
SEEDS = st.integers(0, 10**6)


def some(seed, count=24):
    """Detections on a grid, with sides from 10 to 60 px, scores from 0.1 to 0.98."""
    draws = np.random.default_rng(seed)
    corner = np.stack([np.arange(count) % 6 * 80, np.arange(count) // 6 * 90], 1) + draws.uniform(0, 15, (count, 2))
    boxes = np.concatenate([corner, corner + draws.uniform(10, 60, (count, 2))], 1)
    return Detections(boxes, draws.uniform(0.1, 0.98, count), draws.integers(0, 2, count))


def chosen(one, rows):
    return Detections(one.boxes_xyxy[rows], one.scores[rows], one.labels[rows])


def with_boxes(one, boxes_xyxy):
    return Detections(boxes_xyxy, one.scores, one.labels)


def sums_of(got, want):
    return of.detection_sums(got, want, SIZE_WH, CLASSES)


def lost_in(sums):
    """words of the subset -> lost, and how many there are."""
    return {
        measure.name.split(", ")[1]: one[:2]
        for measure, one in sums.items()
        if measure.events and measure.name.count(",") == 2
    }


@given(SEEDS)
def test_a_run_against_itself_gives_0(seed):
    found = sums_of(some(seed), some(seed))

    assert {(one[0], one[2]) for one in found.values()} == {(0.0, 0.0)}
    assert set(lost_in(found)) == {
        *("class cat", "class dog", "small ones", "medium ones", "large ones"),
        *("at the left", "at the right", "at the top", "at the bottom"),
    }


@given(SEEDS, SEEDS)
def test_what_is_lost_is_counted_as_in_the_definition(seed, other):
    want = some(seed)
    draws = np.random.default_rng(other)
    moved = with_boxes(want, want.boxes_xyxy + draws.normal(0, 3, (24, 1)))
    got = chosen(moved, draws.random(24) < 0.8)
    partners = slow_partners.pairs(got, want)
    sides = [
        (one, row, row not in {pair[k] for pair in partners})
        for k, one in enumerate((got, want))
        for row in range(len(one.scores))
        if one.scores[row] >= CONFIDENT
    ]

    def count(belongs):
        here = [lost for one, row, lost in sides if belongs(one.boxes_xyxy[row].tolist(), one.labels[row])]
        return sum(here), len(here)

    def area(box):
        return (box[2] - box[0] + 1) * (box[3] - box[1] + 1)

    found = sums_of(got, want)
    assert found[of.LOST][:2] == count(lambda box, label: True)
    assert lost_in(found) == {
        "class cat": count(lambda box, label: label == 0),
        "class dog": count(lambda box, label: label == 1),
        "small ones": count(lambda box, label: area(box) < 32**2),
        "medium ones": count(lambda box, label: 32**2 <= area(box) < 96**2),
        "large ones": count(lambda box, label: area(box) >= 96**2),
        "at the left": count(lambda box, label: (box[0] + box[2]) / 2 < 0.25 * 500),
        "at the right": count(lambda box, label: (box[0] + box[2]) / 2 > 0.75 * 500),
        "at the top": count(lambda box, label: (box[1] + box[3]) / 2 < 0.25 * 375),
        "at the bottom": count(lambda box, label: (box[1] + box[3]) / 2 > 0.75 * 375),
    }
    scores = [float(got.scores[g] - want.scores[w]) for g, w in partners]
    assert found[of.SCORES][0] == pytest.approx(np.median(np.abs(scores)))
    assert found[of.SCORES_95][0] == pytest.approx(np.percentile(np.abs(scores), 95))
    moves = [slow.moved(got.boxes_xyxy[g].tolist(), want.boxes_xyxy[w].tolist()) for g, w in partners]
    for k, measure in enumerate((*of.OFFSETS, *of.SCALES)):
        middle, scatter = slow.middle_and_scatter([one[k] for one in moves])
        assert found[measure] == pytest.approx((middle, 1, scatter), abs=1e-9)


@given(SEEDS, st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_boxes_moved_give_the_offset(seed, dx, dy):
    want = some(seed)
    found = sums_of(with_boxes(want, want.boxes_xyxy + np.array([dx, dy, dx, dy])), want)

    assert [found[one][0] for one in of.OFFSETS] == pytest.approx([dx, dy])
    assert [found[one][0] for one in of.SCALES] == pytest.approx([0, 0], abs=1e-9)
    assert found[of.LOST][0] == 0


@given(SEEDS, st.floats(0.95, 1.05))
def test_wider_boxes_give_the_scale(seed, wider):
    want = some(seed)
    grown = (want.boxes_xyxy[:, 2] - want.boxes_xyxy[:, 0] + 1) * (wider - 1)
    boxes = want.boxes_xyxy + np.stack([-grown / 2, 0 * grown, grown / 2, 0 * grown], 1)
    found = sums_of(with_boxes(want, boxes), want)
    assert [found[one][0] for one in of.SCALES] == pytest.approx([wider - 1, 0], abs=1e-9)


@given(SEEDS, st.floats(0.8, 1.25))
def test_scores_through_another_temperature_give_the_slope(seed, temperature):
    want = some(seed)
    want.scores[0] = 0.95  # one score at least whose logit is large enough to divide by
    scores = 1 / (1 + np.exp(-np.log(want.scores / (1 - want.scores)) / temperature))
    found = sums_of(Detections(want.boxes_xyxy, scores, want.labels), want)
    assert found[of.TEMPERATURE][0] == pytest.approx(1 / temperature - 1)


@pytest.mark.parametrize(
    ("subset", "is_in"),
    [
        ("at the left", lambda one: (one.boxes_xyxy[:, 0] + one.boxes_xyxy[:, 2]) / 2 < 0.25 * 500),
        ("small ones", lambda one: np.prod(one.boxes_xyxy[:, 2:] - one.boxes_xyxy[:, :2] + 1, axis=1) < 32**2),
        ("class dog", lambda one: one.labels == 1),
    ],
)
def test_what_is_lost_in_one_part_is_seen_there(subset, is_in):
    want = some(1)
    found = lost_in(sums_of(chosen(want, ~is_in(want)), want))

    assert found[subset][0] == found[subset][1] > 0
    other = {"at the left": "at the right", "small ones": "medium ones", "class dog": "class cat"}[subset]
    assert found[other][0] == 0 < found[other][1]


def test_nothing_found_on_either_side_adds_nothing():
    nothing = chosen(some(0), np.zeros(24, bool))
    assert {one[:2] for one in sums_of(nothing, nothing).values()} == {(0.0, 0.0)}
