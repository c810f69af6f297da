from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.records import Detections
from rfcn_lib.score.partners import Partners, partners
from tests.support import partners as slow


def found(*rows: tuple[list[float], float, int]) -> Detections:
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array([row[1] for row in rows], np.float32), np.array([row[2] for row in rows], int))


BOX = [10.0, 20.0, 49.0, 99.0]  # 40 x 80


@st.composite
def crowd(draw: st.DrawFn) -> Detections:
    """Up to nine boxes on a coarse grid, so that equal boxes, equal IoUs and boxes at the limit are frequent."""
    corner = st.integers(0, 3)
    side = st.sampled_from([19, 20, 24, 28])
    rows = draw(
        st.lists(
            st.tuples(corner, corner, side, side, st.sampled_from([0.1, 0.29, 0.3, 0.31, 0.9]), st.integers(0, 1)),
            max_size=9,
        )
    )
    return found(*(([2.0 * x, 2.0 * y, 2.0 * x + w, 2.0 * y + h], score, label) for x, y, w, h, score, label in rows))


@given(crowd(), crowd())
def test_it_equals_the_slow_definition(got: Detections, want: Detections) -> None:
    seen, by_hand = partners(got, want), slow.pairs(got, want)
    left, right = [pair[0] for pair in by_hand], [pair[1] for pair in by_hand]

    assert seen.labels.tolist() == got.labels[left].tolist()
    assert seen.scores.tolist() == (got.scores[left].astype(float) - want.scores[right].astype(float)).tolist()
    assert seen.corners_px.tolist() == (got.boxes_xyxy[left].astype(float) - want.boxes_xyxy[right]).tolist()
    assert seen.ious.tolist() == [slow.iou(got.boxes_xyxy[g].tolist(), want.boxes_xyxy[w].tolist()) for g, w in by_hand]
    for side, rows, labels, has in (
        (got, left, seen.got_labels, seen.got_has_partner),
        (want, right, seen.want_labels, seen.want_has_partner),
    ):
        sure = [row for row in range(len(side.scores)) if side.scores[row] >= np.float32(0.3)]
        assert labels.tolist() == side.labels[sure].tolist()
        assert has.tolist() == [row in rows for row in sure]


@given(crowd(), crowd())
def test_a_run_is_its_own_partner_and_the_sides_may_change_places(got: Detections, want: Detections) -> None:
    own = partners(got, got)
    assert own.got_has_partner.all() and own.want_has_partner.all()

    there, back = partners(got, want), partners(want, got)
    assert there.ious.tolist() == back.ious.tolist()
    assert (len(there.got_labels), len(there.want_labels)) == (len(back.want_labels), len(back.got_labels))


def shares(seen: Partners) -> tuple[list[bool], list[bool]]:
    return seen.got_has_partner.tolist(), seen.want_has_partner.tolist()


def test_a_partner_has_the_same_class_and_overlaps() -> None:
    assert shares(partners(found((BOX, 0.9, 1)), found((BOX, 0.9, 2)))) == ([False], [False])
    at_the_limit = [10.0, 20.0, 49.0, 75.0]  # 56 of 80 rows: IoU 0.7
    assert shares(partners(found((at_the_limit, 0.9, 1)), found((BOX, 0.9, 1)))) == ([True], [True])
    below = [10.0, 20.0, 49.0, 74.0]
    assert shares(partners(found((below, 0.9, 1)), found((BOX, 0.9, 1)))) == ([False], [False])


def test_a_confident_detection_is_not_lost_because_its_partner_fell_below_the_limit() -> None:
    seen = partners(found((BOX, 0.2998, 1)), found((BOX, 0.3002, 1)))
    assert shares(seen) == ([], [True])
    assert seen.scores.tolist() == pytest.approx([-0.0004], abs=1e-6)
    assert shares(partners(found((BOX, 0.29, 1)), found((BOX, 0.29, 1)))) == ([], [])


def test_an_offset_and_a_scale_are_seen() -> None:
    want = found((BOX, 0.5, 1))
    seen = partners(found(([14.0, 18.0, 53.0, 97.0], 0.75, 1)), want)
    assert seen.centre_px.tolist() == [[4, -2]]
    assert seen.centre_share.tolist() == [[0.1, -0.025]]
    assert seen.scale.tolist() == [[1, 1]]
    assert seen.scores.tolist() == [0.25]

    seen = partners(found(([6.0, 20.0, 53.0, 99.0], 0.5, 1)), want)  # 48 x 80, the centre stays
    assert seen.centre_px.tolist() == [[0, 0]]
    assert seen.scale.tolist() == [[1.2, 1]]


def test_nothing_found_has_no_partners() -> None:
    seen = partners(found(), found())
    assert shares(seen) == ([], [])
    assert seen.corners_px.shape == (0, 4)
    assert seen.scale.shape == seen.centre_share.shape == (0, 2)


@pytest.mark.parametrize("side", ["got", "want"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused(side: str, bad: float) -> None:
    sides: dict[str, Any] = {"got": found((BOX, 0.5, 1)), "want": found((BOX, 0.5, 1))}
    for broken in (found((BOX, bad, 1)), found(([bad, *BOX[1:]], 0.5, 1))):
        with pytest.raises(ValueError, match=rf"detections of `{side}` hold NaN or Inf"):
            partners(**{**sides, side: broken})
