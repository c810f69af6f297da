"""The operators' forwards are upstream's CUDA kernels: the fast code beside the slow definition, edges on purpose."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rfcn_lib.source.operators import (
    best_first,
    bin_masks,
    multi_class_nms,
    position_sensitive_pool,
    round_half_away,
)
from tests.support import definitions
from tests.support.definitions import F

MAPS = ((11, 10), (1, 1), (1, 9), (7, 1), (22, 3))  # width, height in cells


def pooled(maps, rois, classes):
    return position_sensitive_pool(torch.from_numpy(maps), torch.from_numpy(rois), classes).numpy()


def kept_boxes(boxes_xyxy, scores, iou_above, kept):
    count = len(scores)
    boxes = torch.from_numpy(boxes_xyxy).reshape(1, count, 1, 4)
    return multi_class_nms(boxes, torch.from_numpy(scores).reshape(1, count, 1), iou_above, kept)[0].numpy()


# -- rounding and bins -----------------------------------------------------------------------------------------------


def test_halves_round_away_from_zero_as_c_s_round_does():
    values = [-2.5, -1.5, -0.5, -0.0, 0.5, 1.5, 2.5, 0.49999997, -0.49999997, 8388607.5, 1343.5]
    got = round_half_away(torch.tensor(values)).tolist()
    assert got == [-3, -2, -1, 0, 1, 2, 3, 0, 0, 8388608, 1344]


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=50))
def test_rounding_is_its_definition(values):
    got = round_half_away(torch.tensor(values, dtype=torch.float32)).numpy()
    np.testing.assert_array_equal(got, [definitions.c_round(F(value)) for value in values])


def test_bins_of_every_whole_span_of_the_published_canvas():
    """All 84 cells, both ends: the spans where a last-digit difference in k * bin + start would show."""
    low = torch.arange(0, 1344, 3, dtype=torch.float32).repeat_interleave(7)
    high = torch.minimum(low + torch.tensor([0, 6, 15, 48, 111, 400, 1343]).repeat(448), torch.tensor(1343.0))
    masks = bin_masks(low, high, 84).numpy()
    for row in range(0, len(low), 5):
        for k in range(7):
            first, behind = definitions.bin_span(low[row].numpy(), high[row].numpy(), k, 84)
            covered = np.flatnonzero(masks[row, k]).tolist()
            assert covered == list(range(first, behind)), f"{low[row]} to {high[row]}, bin {k}"


@pytest.mark.parametrize(
    ("low", "high", "spans"),
    [
        (0.0, 111.0, [(k, k + 1) for k in range(7)]),  # 112 px: seven cells, a bin each
        (0.5, 110.5, [(0, 2), (1, 3), (2, 4), (3, 5), (4, 6), (5, 7), (6, 7)]),  # 1 to 112 of 16: no bin on a border
        (-0.5, -0.5, [(0, 0)] * 4 + [(0, 1)] * 3),  # -1 to 0 px, left of the map; widened to 0.1 cells it looks in
        (50.0, 20.0, [(3, 4)] * 7),  # inverted: 0.1 cells wide, all in the cell of x1
        (0.0, 0.0, [(0, 1)] * 7),  # the zero row: 1 px wide, the first cell
        (400.0, 500.0, [(8, 8)] * 7),  # right of the map
    ],
)
def test_bins_known_by_hand(low, high, spans):
    masks = bin_masks(torch.tensor([low]), torch.tensor([high]), 8)[0]
    got = [np.flatnonzero(mask).tolist() for mask in masks.numpy()]
    assert got == [list(range(*span)) for span in spans]


# -- position-sensitive pooling --------------------------------------------------------------------------------------


@pytest.mark.parametrize("cells_wh", MAPS)
def test_pooling_is_its_definition_to_the_last_bit(cells_wh):
    """Maps of whole numbers: sums are exact in any order, so only a wrong cell, area or channel can differ."""
    width, height = cells_wh
    draws = np.random.default_rng(width * 100 + height)
    maps = draws.integers(-999, 1000, (1, 2 * 49, height, width)).astype(F)
    rois = definitions.awkward_rois(draws, 20, (16 * width, 16 * height))
    want = definitions.pool(maps, rois, 2)
    assert np.count_nonzero(want) > want.size // 10, "most rois must lie on the map, or the comparison is of zeros"
    np.testing.assert_array_equal(pooled(maps, rois, 2), want)


def test_pooling_of_real_numbers_is_its_definition_within_summation_noise():
    """A float32 sum of n numbers errs by at most (n - 1) * 2**-24 times the sum of their sizes, then one division."""
    draws = np.random.default_rng(3)
    maps = draws.normal(size=(1, 3 * 49, 12, 15)).astype(F)
    rois = definitions.awkward_rois(draws, 20, (240, 192))
    largest = definitions.pool(np.abs(maps), rois, 3)  # the mean size in each bin
    noise = 12 * 15 * 2.0**-24 * largest + 1e-9
    assert np.all(np.abs(pooled(maps, rois, 3) - definitions.pool(maps, rois, 3)) <= noise)


def test_a_bin_reads_its_own_map_and_no_other():
    maps = np.zeros((1, 3 * 49, 7, 7), F)
    maps[0] = np.arange(3 * 49)[:, None, None]
    whole = np.array([[0], [0], [0], [111], [111]], F)[None]
    got = pooled(maps, whole, 3)
    want = [[[(number * 7 + row) * 7 + column for column in range(7)] for row in range(7)] for number in range(3)]
    assert got[0].tolist() == want


def test_a_float64_network_covers_the_same_cells():
    draws = np.random.default_rng(4)
    maps = draws.integers(-99, 99, (1, 49, 10, 11))
    rois = definitions.awkward_rois(draws, 30, (176, 160))
    single = position_sensitive_pool(torch.from_numpy(maps).float(), torch.from_numpy(rois), 1)
    double = position_sensitive_pool(torch.from_numpy(maps).double(), torch.from_numpy(rois).double(), 1)
    assert double.dtype == torch.float64
    np.testing.assert_array_equal(single.numpy(), double.float().numpy())


def test_pooling_s_gradient_is_the_numerical_one():
    draws = np.random.default_rng(5)
    maps = torch.from_numpy(draws.normal(size=(1, 49, 3, 2))).requires_grad_()
    rois = torch.from_numpy(definitions.awkward_rois(draws, 1, (32, 48))).double()
    assert torch.autograd.gradcheck(lambda x: position_sensitive_pool(x, rois, 1), (maps,))


def test_no_gradient_reaches_the_rois():
    maps = torch.randn(1, 49, 4, 4, requires_grad=True)
    rois = torch.tensor([[[0.0], [1.0], [2.0], [30.0], [40.0]]], requires_grad=True)
    position_sensitive_pool(maps, rois, 1).sum().backward()
    assert rois.grad is None
    assert maps.grad is not None
    assert maps.grad.abs().sum() > 0


# -- suppression -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", definitions.SCORE_KINDS)
@pytest.mark.parametrize("iou_above", [0.0, 0.3, 0.7, 1.0])
def test_nms_is_its_definition(kind, iou_above):
    for seed in range(12):
        draws = np.random.default_rng([seed, int(iou_above * 10)])
        count, kept = int(draws.integers(1, 70)), int(draws.integers(1, 40))
        boxes, scores = definitions.eighths(draws, count, 40), definitions.scores_of(kind, draws, count)
        rows = definitions.nms(boxes, scores, iou_above, kept)
        got = kept_boxes(boxes, scores, iou_above, kept)
        np.testing.assert_array_equal(got, definitions.padded(boxes, rows, kept), err_msg=f"seed {seed}")


def test_nms_of_six_thousand_is_its_definition():
    draws = np.random.default_rng(6)
    boxes, scores = definitions.eighths(draws, 6000, 300), definitions.scores_of("ties", draws, 6000)
    rows, _ = definitions.nms_by_rows(boxes, scores, 0.7, 300)
    assert len(rows) == 300
    np.testing.assert_array_equal(kept_boxes(boxes, scores, 0.7, 300), boxes[rows])


@pytest.mark.parametrize(
    ("second", "survives"),
    [
        ((0, 0, 9, 6), True),  # 70 of 100: IoU is 0.7 in float32, and suppression is strictly above
        ((0, 0, 9, 7), False),  # 80 of 100
        ((9, 9, 20, 20), True),  # one common pixel
    ],
)
def test_the_limit_is_strict_and_corners_are_inclusive(second, survives):
    boxes = np.array([(0, 0, 9, 9), second], F)
    got = kept_boxes(boxes, np.array([0.9, 0.8], F), 0.7, 2)
    assert got.tolist() == [list(boxes[0]), list(boxes[1]) if survives else [0] * 4]


def test_a_single_common_pixel_is_an_overlap():
    boxes = np.array([(0, 0, 9, 9), (9, 9, 20, 20)], F)
    assert not kept_boxes(boxes, np.array([0.9, 0.8], F), 0.004, 2)[1].any(), "1 of 243 pixels, 0.0041"


def test_scores_of_zero_are_proposals_as_any_other():
    boxes = np.array([(0, 0, 9, 9), (20, 20, 29, 29), (40, 40, 49, 49)], F)
    got = kept_boxes(boxes, np.array([0.0, 0.0, 1e-30], F), 0.7, 4)
    assert got.tolist() == [list(boxes[2]), list(boxes[0]), list(boxes[1]), [0] * 4]


# -- sorting ---------------------------------------------------------------------------------------------------------


@given(st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0]), min_size=1, max_size=60), st.data())
def test_best_first_keeps_the_rows_of_equal_scores_in_order(scores, data):
    count = data.draw(st.integers(1, len(scores)))
    values, rows = best_first(torch.tensor(scores), count)
    want = sorted(range(len(scores)), key=lambda row: (-scores[row], row))[:count]
    assert rows.tolist() == want
    assert values.tolist() == [scores[row] for row in want]


def test_best_first_of_many_equal_scores_is_stable():
    """Sorts of a thousand numbers and more take other paths than short ones."""
    scores = torch.from_numpy(np.random.default_rng(7).integers(0, 20, 20000).astype(F))
    values, rows = best_first(scores, 6000)
    order = np.lexsort((np.arange(20000), -scores.numpy()))[:6000]
    np.testing.assert_array_equal(rows.numpy(), order)
    assert math.isclose(values[0].item(), scores.max().item())
