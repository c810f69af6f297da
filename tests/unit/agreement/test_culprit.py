"""The stage that departs first, from the groups that are beyond; and the fault that explains half of what departs."""

import numpy as np
import pytest

from rfcn_lib.agreement import detections as found_in
from rfcn_lib.agreement import heads, proposals, rows
from rfcn_lib.agreement.culprit import Explanation, explained, explanation, first_stage, rows_alike, share_alike
from rfcn_lib.agreement.figures import Figure
from rfcn_lib.faults.fault import STAGES
from tests.support.agreement_scenes import ROWS, changed, noisy, source
from tests.support.agreement_scenes import rows as chosen


def figure(measure, times=3.0):
    return Figure(measure, times, 0.1, 1.0, 10.0)


HOLDS = [figure(one, 0.5) for one in (proposals.LOST, rows.ORDER, heads.SCORES, heads.DELTAS, found_in.LOST)]
FEW_DIGITS = rows.FEW_DIGITS["cls_prob", 2]


@pytest.mark.parametrize(
    ("beyond", "alone", "stage"),
    [
        ((), 0, ""),
        ((), 1, "files"),
        ((found_in.LOST,), 1, "files"),
        ((), 40, "files"),
        ((proposals.LOST,), 0, "proposals"),
        ((proposals.LOST, found_in.LOST), 0, "proposals"),
        ((proposals.LOST,), 1, "proposals"),
        ((proposals.LOST, heads.SCORES), 0, "backbone"),
        ((proposals.LOST, heads.SCORES), 1, "backbone"),
        ((heads.SCORES, heads.DELTAS), 0, "pooling"),
        ((heads.SCORES, heads.DELTAS, rows.SUM), 0, "pooling"),
        ((heads.SCORES, heads.TEMPERATURE), 0, "heads"),
        ((heads.DELTAS, *heads.DELTA_SLOPES), 0, "heads"),
        ((FEW_DIGITS,), 0, "files"),
        ((FEW_DIGITS, rows.ORDER), 0, "files"),
        ((rows.ORDER,), 0, "proposals"),
        ((found_in.LOST,), 0, "post-processing"),
        ((found_in.LOST,), 40, "post-processing"),
    ],
)
def test_the_stage_that_departs_first(beyond, alone, stage):
    found, why = first_stage([figure(one) for one in beyond] + HOLDS, alone, 40)

    assert found == stage
    assert found in ("", *STAGES)
    assert bool(why) is bool(stage)


def test_the_words_name_the_output_that_departs_and_count_the_pictures():
    assert "bbox_pred" in first_stage([figure(heads.DELTAS)], 0, 40)[1]
    assert "cls_prob" in first_stage([figure(heads.SCORES)], 0, 40)[1]
    assert "2 of 40 pictures" in first_stage(HOLDS, 2, 40)[1]


def test_rows_are_alike_by_box_place_scores_and_deltas():
    want = source("1")
    assert rows_alike(want, want) == ((ROWS,) * 3, ROWS), "padding is no row"
    exchanged = np.arange(len(want.rois))
    exchanged[:2], exchanged[[5, 5 + ROWS // 2]] = (1, 0), (5 + ROWS // 2, 5)
    assert rows_alike(chosen(want, exchanged), want) == ((ROWS - 2,) * 3, ROWS), "neighbours may be exchanged"
    assert rows_alike(noisy(1)("000001"), want)[0][0] == ROWS, "arithmetic moves no row out"

    scores, deltas, rois = want.cls_prob.copy(), want.bbox_pred.copy(), want.rois.copy()
    scores[:7, 1] += 0.03
    deltas[:9, 0] += 0.15
    rois[:11, 1:] += 20
    assert rows_alike(changed(want, cls_prob=scores), want) == ((ROWS - 7,) * 3, ROWS)
    assert rows_alike(changed(want, bbox_pred=deltas), want) == ((ROWS - 9,) * 3, ROWS)
    assert rows_alike(changed(want, rois=rois), want) == ((ROWS - 11,) * 3, ROWS)
    few = chosen(want, np.arange(10))
    assert rows_alike(few, want) == rows_alike(want, few) == ((10,) * 3, ROWS), "rows that one side has not"


def test_small_differences_count_at_the_finer_tolerances_only():
    want = source("1")
    scores, deltas, rois = want.cls_prob.copy(), want.bbox_pred.copy(), want.rois.copy()
    scores[:7, 1] += 0.018
    scores[7:10, 1] += 0.004
    deltas[10:12, 0] += 0.05
    rois[12:17, 3:] += (rois[12:17, 3:] - rois[12:17, 1:3]) * 0.008
    got = changed(want, cls_prob=scores, bbox_pred=deltas, rois=rois)
    assert rows_alike(got, want) == ((ROWS, ROWS - 9, ROWS - 17), ROWS)


def test_a_share_is_of_the_rows_of_all_pictures():
    one, two, none = source("1"), source("2"), chosen(source("2"), slice(ROWS, None))
    assert share_alike({"1": one, "2": two}, {"1": one, "2": two, "3": one}) == (1, 1, 1)
    assert share_alike({"1": one, "2": one}, {"1": one, "2": two}) == pytest.approx((0.5,) * 3, abs=0.05)
    assert share_alike({"2": none}, {"2": none}) == (0, 0, 0)


def test_the_largest_tolerance_that_tells_a_fault_explains():
    coarse = explanation((0.4, 0.1, 0.1), {"rgb": (0.99, 0.98, 0.97), "pad": (0.4, 0.4, 0.99)})
    assert coarse == Explanation(("rgb",), 0.99, 0.4, 0.02)
    fine = explanation((1.0, 0.9, 0.2), {"steps": (1.0, 0.9, 0.9), "pad": (1.0, 0.9, 0.3)})
    assert fine == Explanation(("steps",), 0.9, 0.2, 0.02 / 16)
    two_px, half_px = (1.0, 0.98, 0.96), (1.0, 0.97, 0.5)
    assert explanation((0.4, 0.1, 0.1), {"half px": half_px, "2 px": two_px}).names == ("2 px",)
    assert explanation((0.4, 0.1, 0.1), {"also": two_px, "2 px": two_px}).names == ("2 px", "also")
    assert explanation((1.0, 0.9, 0.2), {"pad": (1.0, 0.9, 0.3)}) is None
    assert explanation((1.0, 1.0, 1.0), {}) is None


@pytest.mark.parametrize(
    ("as_given", "shares", "names"),
    [
        (0.4, {"rgb": 0.997, "pad": 0.45}, ("rgb",)),
        (0.4, {"rgb": 0.997, "bgr": 0.996, "pad": 0.9}, ("bgr", "rgb")),
        (0.5, {"rgb": 0.75}, ("rgb",)),
        (0.5, {"rgb": 0.74}, ()),
        (0.99, {"rgb": 0.992}, ()),
        (0.99, {"rgb": 0.996}, ("rgb",)),
        (1.0, {"rgb": 1.0}, ()),
        (0.9, {"rgb": 0.2}, ()),
        (0.4, {}, ()),
    ],
)
def test_a_fault_explains_a_run_if_it_explains_half_of_what_departs(as_given, shares, names):
    assert explained(as_given, shares) == names
