"""Anchors lie where upstream's generate_anchors.py puts them, and there are as many as the network has cells."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rfcn_lib.port import PUBLISHED, read_port
from rfcn_lib.source.anchors import anchors, base_anchors, cells

PUBLISHED_PROPOSALS = read_port(PUBLISHED).proposals
NINE = (
    (-84, -40, 99, 55), (-176, -88, 191, 103), (-360, -184, 375, 199),
    (-56, -56, 71, 71), (-120, -120, 135, 135), (-248, -248, 263, 263),
    (-36, -80, 51, 95), (-80, -168, 95, 183), (-168, -344, 183, 359),
)  # printed by upstream's generate_anchors()  # fmt: skip

# The strided layers of the Caffe ResNet, as upstream builds them; on the meta device only their shapes are computed.
STRIDED = nn.Sequential(
    nn.Conv2d(1, 1, 7, stride=2, padding=3),
    nn.MaxPool2d(3, stride=2, padding=0, ceil_mode=True),
    nn.Conv2d(1, 1, 1, stride=2),
    nn.Conv2d(1, 1, 1, stride=2),
).to("meta")


def proposals_of(**numbers):
    return PUBLISHED_PROPOSALS.model_copy(update=numbers)


def by_definition(base_px, ratios, scales):
    """generate_anchors.py step by step: ratio anchors with rounded sides around the cell's centre, each then scaled."""
    found = []
    for ratio in ratios:
        width = round((base_px * base_px / ratio) ** 0.5)  # Python, like numpy, rounds a half to even
        height = round(width * ratio)
        for scale in scales:
            centre, half_w, half_h = (base_px - 1) / 2, (width * scale - 1) / 2, (height * scale - 1) / 2
            found.append((centre - half_w, centre - half_h, centre + half_w, centre + half_h))
    return found


def test_the_nine_published_base_anchors():
    assert base_anchors(PUBLISHED_PROPOSALS).tolist() == [list(map(float, box)) for box in NINE]


@given(
    base_px=st.integers(1, 64),
    ratios=st.lists(st.floats(0.1, 10), min_size=1, max_size=4).map(tuple),
    scales=st.lists(st.floats(0.5, 64), min_size=1, max_size=4).map(tuple),
)
def test_base_anchors_are_their_definition(base_px, ratios, scales):
    proposals = proposals_of(anchor_base_px=base_px, anchor_ratios=ratios, anchor_scales=scales)
    np.testing.assert_allclose(base_anchors(proposals), by_definition(base_px, ratios, scales), rtol=0, atol=1e-9)


def test_the_order_is_row_column_anchor_and_a_cell_is_16_px():
    rows, columns = cells(64), cells(112)
    assert rows != columns, "a canvas on which rows and columns cannot be mistaken for one another"
    want = [
        (x1 + 16 * column, y1 + 16 * row, x2 + 16 * column, y2 + 16 * row)
        for row in range(rows)
        for column in range(columns)
        for x1, y1, x2, y2 in NINE
    ]
    got = anchors(PUBLISHED_PROPOSALS, (112, 64))
    assert got.dtype == np.float32
    assert got.tolist() == [list(map(float, box)) for box in want]


def test_the_published_canvas_has_63504_anchors():
    assert cells(1344) == 84
    assert anchors(PUBLISHED_PROPOSALS, (1344, 1344)).shape == (84 * 84 * 9, 4) == (63504, 4)


def test_cells_are_the_network_s_own_for_every_side():
    for side in range(32, 1800):
        height, width = STRIDED(torch.empty(1, 1, side, 64, device="meta")).shape[2:]
        assert (cells(side), cells(64)) == (height, width), f"side {side} px"


@pytest.mark.parametrize(("side", "count"), [(512, 32), (688, 43), (800, 50), (1344, 84), (1696, 106)])
def test_cells_of_the_canvases_in_use(side, count):
    assert cells(side) == count
