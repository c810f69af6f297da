"""Definitions of the vendor's two operators for a host without an NPU: model-local functions of standard ONNX operators.

They compute what the source model computes, that is upstream's CUDA kernels. The vendor's own kernels differ from that in
rounding and precision; `rfcn_lib.graph.rehearsal` replaces the steps that differ.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import onnx
from onnx import parser

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError

HOST_DOMAIN: Final = "rfcn.host"

# Upstream's NMS counts x2 - x1 + 1 columns. We add 1 to x2 and y2, so NonMaxSuppression computes the same area. For a box
# without area (x2 + 1 < x1) we set x2 + 1 to x1, because that operator would swap its corners.
# Of equal scores the lower row comes first. Only the vendor's kernel reads the node's score_threshold (0.0, strict): upstream
# drops no score, not even a score that underflowed to 0.
NMS: Final = """
<domain: "{domain}", opset_import: ["" : {opset}]>
{name} <score_threshold, iou_threshold, max_size_per_class, max_total_size>
    (boxes, scores) => (nmsed_boxes, nmsed_scores, nmsed_classes, nmsed_num)
{{
    one = Constant <value = float {{1.0}}> ()
    iou_threshold = Constant <value = float[1] {{{iou_threshold}}}> ()
    kept = Constant <value = int64[1] {{{max_total_size}}}> ()
    none = Constant <value = int64[1] {{0}}> ()
    second = Constant <value = int64[1] {{1}}> ()
    row_column = Constant <value = int64 {{2}}> ()
    {prepared}
    by_row = Squeeze <axes = [2]> ({boxes})
    by_class = Transpose <perm = [0, 2, 1]> ({scores})
    x1, y1, x2, y2 = Split <axis = 2, split = [1, 1, 1, 1]> ({measured})
    {ends}
    covered = Concat <axis = 2> (x1, y1, x_end, y_end)
    selected = NonMaxSuppression <center_point_box = 0> (covered, by_class, kept, iou_threshold{limit})
    rows = Gather <axis = 1> (selected, row_column)
    found_boxes = Gather <axis = 1> (by_row, rows)
    found_by_class = Gather <axis = 2> (by_class, rows)
    found_scores = Squeeze <axes = [1]> (found_by_class)
    zero_boxes = Constant <value = float[1, {max_total_size}, 4] {{{zeros_4}}}> ()
    nmsed_classes = Constant <value = float[1, {max_total_size}] {{{zeros}}}> ()
    padded_boxes = Concat <axis = 1> (found_boxes, zero_boxes)
    padded_scores = Concat <axis = 1> (found_scores, nmsed_classes)
    nmsed_boxes = Slice (padded_boxes, none, kept, second)
    nmsed_scores = Slice (padded_scores, none, kept, second)
    count = Shape (rows)
    nmsed_num = Cast <to = 6> (count)
}}
"""

PLUS_ONE: Final = """
    x2_next = Add (x2, one)
    y2_next = Add (y2, one)
    x_end = Max (x2_next, x1)
    y_end = Max (y2_next, y1)
"""
NMS_STEPS: Final = {  # the steps in which a kernel may differ; `measured` (1, N, 4) has the corners whose IoU counts
    "prepared": "", "boxes": "boxes", "scores": "scores", "measured": "by_row", "ends": PLUS_ONE, "limit": "",
}  # fmt: skip

# First compute the cells that each of the k bins covers, as masks of 0 and 1 along both axes. Then one matrix product per bin:
# the bin's own maps, (classes, H*W), times the cells it covers, (H*W, R). One row of bins at a time keeps the masks small.
POOL: Final = """
<domain: "{domain}", opset_import: ["" : {opset}]>
{name} <pooled_height, pooled_width, spatial_scale, group_size, output_dim> (maps, rois) => (pooled)
{{
    scale = Constant <value = float {{{spatial_scale}}}> ()
    half = Constant <value = float {{0.5}}> ()
    one = Constant <value = float {{1.0}}> ()
    least = Constant <value = float {{0.1}}> ()
    group = Constant <value = float {{{group_size}}}> ()
    bin = Constant <value = float[{group_size}, 1] {{{bins}}}> ()
    next_bin = Constant <value = float[{group_size}, 1] {{{next_bins}}}> ()
    {prepared}
    corners = Squeeze <axes = [0]> ({rois})
    {rounding}
    batch, x1, y1, x2, y2 = Split <axis = 0, split = [1, 1, 1, 1, 1]> (rounded)
    sides = Shape (maps)
    first = Constant <value = int64 {{0}}> ()
    step = Constant <value = int64 {{1}}> ()
    height_at = Constant <value = int64 {{2}}> ()
    width_at = Constant <value = int64 {{3}}> ()
    height = Gather <axis = 0> (sides, height_at)
    width = Gather <axis = 0> (sides, width_at)
    {axis_x}
    {axis_y}
    area_cells = Mul (cells_x, cells_y)
    area_least = Max (area_cells, one)
    area = Unsqueeze <axes = [2]> (area_least)
    cell_count = Mul (height, width)
    cell_count_1d = Unsqueeze <axes = [0]> (cell_count)
    some_by_group = Constant <value = int64[3] {{-1, {group_size}, {group_size}}}> ()
    bins_shape = Concat <axis = 0> (some_by_group, cell_count_1d)
    by_class = Reshape ({maps}, bins_shape)
    by_bin = Transpose <perm = [1, 2, 0, 3]> (by_class)
    {maps_rows} = Split <axis = 0, split = [{ones}]> (by_bin)
    {mask_rows} = Split <axis = 0, split = [{ones}]> (mask_y)
    group_1d = Constant <value = int64[1] {{{group_size}}}> ()
    rest = Constant <value = int64[1] {{-1}}> ()
    mask_shape = Concat <axis = 0> (group_1d, cell_count_1d, rest)
    {products}
    sums = Concat <axis = 0> ({sums})
    means = Div (sums, area)
    pooled = Transpose <perm = [3, 2, 0, 1]> (means)
}}
"""
HALF_AWAY: Final = """
    size = Abs (corners)
    whole = Floor (size)
    part = Sub (size, whole)
    under_half = Less (part, half)
    whole_up = Add (whole, one)
    away = Where (under_half, whole, whole_up)
    sign = Sign (corners)
    rounded = Mul (away, sign)
"""
POOL_STEPS: Final = {  # the steps in which a kernel may differ
    "prepared": "", "maps": "maps", "rois": "rois", "rounding": HALF_AWAY,
}  # fmt: skip

# start = round(low) / 16, end = (round(high) + 1) / 16; bin i from floor(i * bin + start) to ceil((i + 1) * bin + start).
# No mask has cells outside the map, so this also clips. mask_x has shape (1, k, 1, W, R), mask_y (k, 1, H, 1, R).
AXIS: Final = """
    start_{a} = Mul ({a}1, scale)
    past_{a} = Add ({a}2, one)
    end_{a} = Mul (past_{a}, scale)
    given_{a} = Sub (end_{a}, start_{a})
    extent_{a} = Max (given_{a}, least)
    step_{a} = Div (extent_{a}, group)
    low_{a} = Mul (bin, step_{a})
    low_at_{a} = Add (low_{a}, start_{a})
    low_cell_{a} = Floor (low_at_{a})
    from_{a} = Unsqueeze <axes = [1]> (low_cell_{a})
    high_{a} = Mul (next_bin, step_{a})
    high_at_{a} = Add (high_{a}, start_{a})
    high_cell_{a} = Ceil (high_at_{a})
    to_{a} = Unsqueeze <axes = [1]> (high_cell_{a})
    counted_{a} = Range (first, {side}, step)
    numbers_{a} = Cast <to = 1> (counted_{a})
    cell_{a} = Unsqueeze <axes = [0, 2]> (numbers_{a})
    before_{a} = Less (cell_{a}, from_{a})
    not_before_{a} = Not (before_{a})
    not_after_{a} = Less (cell_{a}, to_{a})
    inside_{a} = And (not_before_{a}, not_after_{a})
    covered_{a} = Cast <to = 1> (inside_{a})
    mask_{a} = Unsqueeze <axes = {mask_axes}> (covered_{a})
    sum_{a} = ReduceSum <axes = [1], keepdims = 0> (covered_{a})
    cells_{a} = Unsqueeze <axes = {cells_axes}> (sum_{a})
"""

PRODUCT: Final = """
    cover_{i} = Mul (mask_row_{i}, mask_x)
    flat_{i} = Reshape (cover_{i}, mask_shape)
    maps_of_{i} = Squeeze <axes = [0]> (maps_row_{i})
    sum_of_{i} = MatMul (maps_of_{i}, flat_{i})
    sums_{i} = Unsqueeze <axes = [0]> (sum_of_{i})
"""


class TwinError(SuiteError):
    """The twin cannot be made: a vendor node has attributes that the host definition does not support."""


def nms_function(
    score_threshold: float,
    iou_threshold: float,
    max_size_per_class: int,
    max_total_size: int,
    changed: Mapping[str, str] = MappingProxyType({}),
) -> onnx.FunctionProto:
    """BatchMultiClassNMS for one picture and one class: boxes (1, N, 1, 4), scores (1, N, 1), "+1" areas, IoU > limit.

    `changed` replaces steps of NMS_STEPS by other ONNX text.

    Raises:
        TwinError: the two sizes differ, or score_threshold is above 0.
    """
    if max_size_per_class != max_total_size:
        raise TwinError(
            f"max_size_per_class is {max_size_per_class}, but should be max_total_size, {max_total_size}: one class"
        )
    if score_threshold > 0:
        raise TwinError(
            f"score_threshold is {score_threshold}, but should be 0: upstream drops no proposal because of its score, but the "
            "compiled graph would; export the port again"
        )
    text = NMS.format(
        domain=HOST_DOMAIN,
        opset=spec.OPSET,
        name=spec.NMS_OPERATOR,
        iou_threshold=_float(iou_threshold),
        max_total_size=max_total_size,
        zeros=", ".join(["0"] * max_total_size),
        zeros_4=", ".join(["0"] * 4 * max_total_size),
        **NMS_STEPS | dict(changed),
    )
    return parser.parse_function(text)


def pool_function(
    pooled_height: int,
    pooled_width: int,
    spatial_scale: float,
    group_size: int,
    changed: Mapping[str, str] = MappingProxyType({}),
) -> onnx.FunctionProto:
    """PSROIPooling of one picture: maps (1, C * k * k, H, W), rois (1, 5, R) -> (R, C, k, k).

    `changed` replaces steps of POOL_STEPS by other ONNX text.

    Raises:
        TwinError: the pooled size is not group_size x group_size.
    """
    if not pooled_height == pooled_width == group_size:
        raise TwinError(
            f"pooled size is {pooled_height} x {pooled_width}, but should be group_size {group_size}: the vendor's plugin "
            "ignores the pooled size"
        )
    bins = range(group_size)
    text = POOL.format(
        domain=HOST_DOMAIN,
        opset=spec.OPSET,
        name=spec.POOL_OPERATOR,
        spatial_scale=_float(spatial_scale),
        group_size=group_size,
        bins=", ".join(str(i) for i in bins),
        next_bins=", ".join(str(i + 1) for i in bins),
        ones=", ".join("1" for _ in bins),
        axis_x=AXIS.format(a="x", side="width", mask_axes="[0, 2]", cells_axes="[0]"),
        axis_y=AXIS.format(a="y", side="height", mask_axes="[1, 3]", cells_axes="[1]"),
        maps_rows=", ".join(f"maps_row_{i}" for i in bins),
        mask_rows=", ".join(f"mask_row_{i}" for i in bins),
        products="".join(PRODUCT.format(i=i) for i in bins),
        sums=", ".join(f"sums_{i}" for i in bins),
        **POOL_STEPS | dict(changed),
    )
    return parser.parse_function(text)


def _float(value: float) -> str:
    """A float32 as decimal digits; a reader gets the same float32 from them."""
    return f"{value:.9g}"
