"""Order, repeated rows and rounded numbers are seen, each in its own figure."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.agreement import rows as of
from rfcn_lib.agreement.proposals import pairs_of, proposal_sums
from tests.support import agreement_definitions as slow
from tests.support.agreement_scenes import ROWS, changed, rows, source

SEEDS = st.integers(1, 30)


def sums_of(got, want):
    return of.row_sums(got, pairs_of(got, want))


def share(sums, measure):
    part, whole, _ = sums[measure]
    return part / whole


@given(SEEDS, st.permutations(range(ROWS)))
def test_rows_in_another_order_are_seen_by_the_order_only(seed, order):
    want = source(str(seed))
    got = rows(want, [*order, *range(ROWS, len(want.rois))])
    descents = sum(right < left for left, right in pairwise(order))
    plain, found = sums_of(want, want), sums_of(got, want)

    assert found[of.ORDER] == (descents, ROWS - 1, 0)
    for measure in plain:
        assert measure == of.ORDER or found[measure] == pytest.approx(plain[measure])
    assert proposal_sums(pairs_of(got, want)) == proposal_sums(pairs_of(want, want))


def test_a_run_against_itself_is_in_order_and_repeats_nothing():
    found = sums_of(source("1"), source("1"))

    assert share(found, of.ORDER) == share(found, of.REPEATED) == 0
    assert found[of.SUM][0] < 1e-6
    for (name, digits), measure in of.FEW_DIGITS.items():
        assert share(found, measure) < 0.05, (name, digits)
    backwards = rows(source("1"), np.arange(ROWS)[::-1])
    assert share(sums_of(backwards, source("1")), of.ORDER) == 1


@given(SEEDS, st.integers(1, ROWS - 1))
def test_a_row_that_repeats_another_is_counted(seed, times):
    want = source(str(seed))
    got = rows(want, [0] * (times + 1) + list(range(times + 1, len(want.rois))))
    assert sums_of(got, want)[of.REPEATED] == (times, ROWS, 0)


@pytest.mark.parametrize(("name", "digits"), of.FEW_DIGITS)
def test_numbers_rounded_are_seen_at_these_decimals_and_at_more(name, digits):
    want = source("3")
    got = changed(want, **{name: np.round(getattr(want, name).astype(np.float64), digits)})
    found = sums_of(got, want)

    for (other, more), measure in of.FEW_DIGITS.items():
        if other == name and more >= digits:
            assert share(found, measure) == 1
        else:
            assert share(found, measure) < 0.5


@given(SEEDS, st.sampled_from(list(of.FEW_DIGITS)))
def test_few_digits_are_those_of_the_definition(seed, key):
    name, digits = key
    want = source(str(seed))
    mixed = getattr(want, name).copy()
    mixed[::3] = np.round(mixed[::3], digits)
    got = changed(want, **{name: mixed})
    values = getattr(got, name)[: ROWS if name == "rois" else None, 1 if name == "rois" else 0 :].astype(float)
    if name == "cls_prob":
        chosen = [v for v in values.ravel().tolist() if of.LEAST_SCORE < v < 1 - of.LEAST_SCORE]
    elif name == "bbox_pred":
        chosen = [v for v in values.ravel().tolist() if abs(v) > of.LEAST_SCORE]
    else:
        far = [max(values[:, k].max(), values[:, k + 2].max()) for k in (0, 1)]
        chosen = [v for box in values.tolist() for k, v in enumerate(box) if 0 < v < far[k % 2]]
    expected = (sum(slow.has_few_digits(v, digits) for v in chosen), len(chosen), 0)
    assert sums_of(got, want)[of.FEW_DIGITS[key]] == expected


def test_corners_clipped_to_either_side_of_a_canvas_have_no_decimals_to_lose():
    want = source("2")
    want = rows(want, (want.rois[:, 1] < 270) & (want.rois[:, 2] < 190))
    rois = np.minimum(want.rois, np.array([0, 270, 190, 270, 190]))
    assert (rois[:, 3] == 270).any() and (rois[:, 4] == 190).any()
    got = changed(want, rois=rois)
    assert share(sums_of(got, got), of.FEW_DIGITS["rois", 0]) == 0


def test_a_softmax_whose_rows_do_not_add_up_is_seen():
    want = source("1")
    found = sums_of(changed(want, cls_prob=want.cls_prob * 0.99), want)
    assert found[of.SUM][0] == pytest.approx(0.01, rel=1e-3)
