"""Matched boxes of a set: pairs picture by picture, and any number of them in a bounded number of cells."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.records import Detections
from rfcn_lib.score.matched import PER_AXIS, cells, matched, place_px, place_score
from tests.support import matched as slow

ROW = st.tuples(
    st.integers(0, 3),
    st.integers(0, 3),
    st.sampled_from([19, 20, 28]),
    st.sampled_from([0.1, 0.31, 0.9]),
    st.integers(0, 1),
)


def detections(rows):
    boxes = np.array([[2 * x, 2 * y, 2 * x + side, 2 * y + side] for x, y, side, *_ in rows], np.float32).reshape(-1, 4)
    scores = np.array([score for *_, score, _ in rows], np.float32)
    return Detections(boxes, scores, np.array([label for *_, label in rows], int))


SIDE = st.lists(ROW, max_size=6).map(detections)


@given(st.dictionaries(st.sampled_from("abc"), st.tuples(SIDE, SIDE)))
def test_it_equals_the_slow_definition(pictures):
    got, want = ({id: pair[side] for id, pair in pictures.items()} for side in (0, 1))
    rows, lost, extra = slow.matched(got, want)
    found = matched(got, want)

    seen = np.column_stack([found.got_scores, found.want_scores, found.centre_px, found.size_px])
    np.testing.assert_allclose(seen, np.array(rows).reshape(-1, 6), atol=1e-12)
    assert (found.lost, found.extra) == (lost, extra)


def test_a_box_that_moved_and_grew_says_so():
    want = {"a": Detections(np.array([[10, 10, 49, 49]], np.float32), np.array([0.9], np.float32), np.array([0]))}
    got = {"a": Detections(np.array([[12, 11, 53, 50]], np.float32), np.array([0.8], np.float32), np.array([0]))}
    found = matched(got, want)

    np.testing.assert_allclose(found.centre_px, [[3, 1]])
    np.testing.assert_allclose(found.size_px, [[2, 0]])
    np.testing.assert_allclose(found.got_scores - found.want_scores, [-0.1], atol=1e-6)
    assert (found.lost, found.extra) == (0, 0)


def test_a_picture_that_one_run_lacks_is_no_set():
    with pytest.raises(KeyError):
        matched({}, {"a": detections([])})


@pytest.mark.parametrize(("place", "by_hand", "low", "high"), [
    (place_score, lambda score: score, 0, 1), (place_px, slow.place_px, -3000, 3000),
])  # fmt: skip
def test_cells_hold_every_point_once_at_the_mean_of_its_cell(place, by_hand, low, high):
    random = np.random.default_rng(0)
    x, y = random.uniform(low, high, (2, 500)) * random.uniform(0, 1, (2, 500)) ** 6
    found, wanted = cells(x, y, place, 8), slow.cells(zip(x, y, strict=True), by_hand, 8)

    assert found.counts.tolist() == [len(points) for _, points in sorted(wanted.items())]
    np.testing.assert_allclose(found.x, [np.mean([x for x, _ in points]) for _, points in sorted(wanted.items())])
    np.testing.assert_allclose(found.y, [np.mean([y for _, y in points]) for _, points in sorted(wanted.items())])


def test_any_number_of_pairs_gives_a_bounded_number_of_cells():
    random = np.random.default_rng(0)
    found = cells(*random.uniform(-2000, 2000, (2, 200_000)), place_px)

    assert found.counts.sum() == 200_000
    assert len(found.counts) <= PER_AXIS**2
    assert len(cells(np.zeros(0), np.zeros(0), place_px).counts) == 0


def test_a_shift_to_the_right_and_one_to_the_left_are_not_put_together():
    found = cells(np.array([-0.001, 0.001]), np.zeros(2), place_px)

    assert found.x.tolist() == [-0.001, 0.001]
