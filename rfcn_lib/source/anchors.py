"""Anchors of the region proposal network, in the net frame. Source: generate_anchors.py of RebornL/RFCN-pytorch.1.0."""

import numpy as np

from rfcn_lib import spec
from rfcn_lib.port import Proposals
from rfcn_lib.records import Floats


def cells(side_px: int) -> int:
    """Number of cells of layer3 along a side: after conv1, max-pool (no padding, ceil), two 1x1 convolutions with stride 2."""
    after_stem = (side_px + 2 * 3 - 7) // 2 + 1
    after_pool = -(-(after_stem - 3) // 2) + 1
    for _ in range(2):
        after_pool = (after_pool - 1) // 2 + 1
    return after_pool


def base_anchors(proposals: Proposals) -> Floats:
    """The anchors of the first cell, (A, 4) float64 x1 y1 x2 y2. The order is: for each ratio, each scale.

    Like upstream, this rounds the width (numpy's round, half to even), then computes and rounds the height from that width.
    """
    side = float(proposals.anchor_base_px)
    centre = 0.5 * (side - 1)
    ratios = np.asarray(proposals.anchor_ratios)
    widths = np.round(np.sqrt(side * side / ratios))
    heights = np.round(widths * ratios)
    scales = np.asarray(proposals.anchor_scales)
    half_w = 0.5 * ((widths[:, None] * scales).ravel() - 1)
    half_h = 0.5 * ((heights[:, None] * scales).ravel() - 1)
    return np.stack([centre - half_w, centre - half_h, centre + half_w, centre + half_h], axis=1)


def anchors(proposals: Proposals, canvas_wh_px: tuple[int, int]) -> Floats:
    """All anchors of a canvas, (rows * columns * A, 4) float32 in the net frame, in the order (row, column, anchor)."""
    columns, rows = (cells(side) for side in canvas_wh_px)
    x, y = np.meshgrid(np.arange(columns) * spec.FEATURE_STRIDE, np.arange(rows) * spec.FEATURE_STRIDE)
    shifts = np.stack([x, y, x, y], axis=-1).reshape(-1, 1, 4)
    return (shifts + base_anchors(proposals)[None]).reshape(-1, 4).astype(np.float32)
