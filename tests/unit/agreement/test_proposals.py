"""Proposals are compared as sets: what was moved, scaled or lost is seen, and the order of rows is not."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.agreement import proposals as of
from rfcn_lib.records import Outputs
from tests.support import agreement_definitions as slow
from tests.support.agreement_scenes import ROWS, boxes_changed, noisy, rows, source

SEEDS = st.integers(1, 30)


def sums_of(got, want):
    return of.proposal_sums(of.pairs_of(got, want))


def crowded(seed, count):
    """Proposals that overlap, so that several could be partners."""
    draws = np.random.default_rng(seed)
    corner, size = draws.integers(0, 12, (count, 2)), draws.integers(8, 14, (count, 2))
    rois = np.concatenate([np.zeros((count, 1)), corner + 1, corner + size], 1).astype(np.float32)
    return Outputs(rois, np.full((count, 2), 0.5, np.float32), np.zeros((count, 8), np.float32))


@given(SEEDS, st.integers(0, 12), st.integers(0, 12))
def test_partners_are_those_of_the_definition(seed, got, want):
    mine, theirs = crowded(seed, got), crowded(-seed % 1000, want)
    found = of.pairs_of(mine, theirs)
    boxes = [one.rois[:, 1:].astype(float).tolist() for one in (mine, theirs)]

    assert list(zip(found.left, found.right, strict=True)) == slow.pairs(*boxes, of.PARTNER_IOU)


@given(SEEDS)
def test_the_figures_are_those_of_the_definition(seed):
    got, want = noisy(seed, px=3.0)(f"{seed:06}"), source(f"{seed:06}")
    mine, theirs = (one.rois[:ROWS, 1:].astype(float).tolist() for one in (got, want))
    partners = slow.pairs(mine, theirs, of.PARTNER_IOU)
    moved = [slow.moved(mine[g], theirs[w]) for g, w in partners]
    apart = [1 - slow.iou(mine[g], theirs[w]) for g, w in partners]
    found = sums_of(got, want)

    assert found[of.LOST] == (2 * ROWS - 2 * len(partners), 2 * ROWS, 0)
    assert found[of.APART][0] == pytest.approx(np.median(apart))
    assert found[of.APART_95][0] == pytest.approx(np.percentile(apart, 95))
    for k, measure in enumerate((*of.OFFSETS, *of.SCALES)):
        middle, scatter = slow.middle_and_scatter([one[k] for one in moved])
        assert found[measure] == pytest.approx((middle, 1.0, scatter))
    with_partner = {w for _, w in partners}
    for size, (low, high) in of.SIZES_PX.items():
        here = [w for w, box in enumerate(theirs) if low <= side_of(box) < high]
        assert found[of.LOST_BY_SIZE[size]] == (sum(w not in with_partner for w in here), len(here), 0)


def side_of(box):
    return ((box[2] - box[0] + 1) * (box[3] - box[1] + 1)) ** 0.5


@given(SEEDS)
def test_a_run_against_itself_gives_0(seed):
    found = sums_of(source(str(seed)), source(str(seed)))

    assert {one[0] for one in found.values()} == {0.0}
    assert {one[2] for one in found.values()} == {0.0}
    assert found[of.LOST][1] == 2 * ROWS, "padding is no proposal"


@given(SEEDS, st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))
def test_boxes_moved_give_the_offset(seed, dx, dy):
    want = source(str(seed))
    found = sums_of(boxes_changed(want, lambda xyxy: xyxy + np.array([dx, dy, dx, dy])), want)

    assert [found[one][0] for one in of.OFFSETS] == pytest.approx([dx, dy], abs=1e-4)
    assert [found[one][0] for one in of.SCALES] == pytest.approx([0, 0], abs=1e-5)
    assert found[of.ALIVE][0] == found[of.LOST][0] == 0


@given(SEEDS, st.floats(0.92, 1.08), st.floats(0.92, 1.08))
def test_boxes_scaled_about_their_centres_give_the_scale(seed, wider, higher):
    def scaled(xyxy):
        grown = (xyxy[:, 2:] - xyxy[:, :2] + 1) * [wider - 1, higher - 1] / 2
        return np.concatenate([xyxy[:, :2] - grown, xyxy[:, 2:] + grown], 1)

    want = source(str(seed))
    found = sums_of(boxes_changed(want, scaled), want)
    assert [found[one][0] for one in of.SCALES] == pytest.approx([wider - 1, higher - 1], abs=1e-5)
    assert [found[one][0] for one in of.OFFSETS] == pytest.approx([0, 0], abs=1e-4)


@given(SEEDS, st.integers(0, ROWS))
def test_rows_cut_are_seen_as_fewer_and_lost(seed, kept):
    want = source(str(seed))
    found = sums_of(rows(want, np.arange(kept)), want)

    assert found[of.ALIVE] == (ROWS - kept, ROWS, 0)
    assert found[of.LOST] == (ROWS - kept, ROWS + kept, 0)


@given(SEEDS, st.randoms())
def test_the_order_of_rows_is_not_seen(seed, draws):
    got, want = noisy(1)(str(seed)), source(str(seed))
    order = list(range(len(got.rois)))
    draws.shuffle(order)
    assert sums_of(rows(got, order), want) == sums_of(got, want)


@given(SEEDS)
def test_small_ones_lost_are_seen_in_their_size(seed):
    want = source(str(seed))
    small = np.array([side_of(box) < 48 for box in want.rois[:, 1:].astype(float)])
    found = sums_of(rows(want, ~small), want)
    shares = {size: found[one][0] / max(found[one][1], 1) for size, one in of.LOST_BY_SIZE.items()}
    assert shares == {"small": 1.0, "medium": 0.0, "large": 0.0}
