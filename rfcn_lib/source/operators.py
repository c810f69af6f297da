"""The two operators for which the vendor has kernels, and the sort before NMS: computed in PyTorch, exported as ONNX nodes.

Each is one `torch.autograd.Function`. Every run calls `forward`: training, reference and export. The export also calls
`symbolic`, which writes the node: the vendor's operator, or TopK. In the published patch `forward` returns zeros, so that
model detects nothing in PyTorch.
"""

from typing import Any

import torch
from torch import Tensor

from rfcn_lib import spec


def best_first(scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """(N,) -> the `count` best scores and their rows, best first. Of equal scores the lower row comes first, as in TopK."""
    values, rows = _BestFirst.apply(scores, count)  # type: ignore[no-untyped-call]
    return values, rows


def multi_class_nms(boxes_xyxy: Tensor, scores: Tensor, iou_above: float, kept: int) -> Tensor:
    """NMS over one picture's proposals: (1, N, 1, 4), (1, N, 1) float32 -> (1, kept, 4), zero rows last.

    It drops a box if its IoU with a better kept box is > `iou_above`, with "+1" areas (upstream's CUDA kernel). Of equal
    scores the lower row comes first. Upstream drops no box because of its score, not even with score 0. Only the vendor's
    kernel reads the score_threshold of 0.0 in the published node.
    """
    boxes: Tensor = _MultiClassNms.apply(boxes_xyxy, scores, iou_above, kept)[0]  # type: ignore[no-untyped-call]
    return boxes


def position_sensitive_pool(maps: Tensor, rois: Tensor, classes: int) -> Tensor:
    """Mean over each of a roi's k x k bins; each bin reads its own map.

    maps (1, classes * k * k, H, W), rois (1, 5, R) -> (R, classes, k, k). The rows of rois are batch index, x1, y1, x2, y2 in
    the net frame, float32. For rounding and borders see `bin_masks`.
    Source: PSROIPool_cuda.cu of RebornL/RFCN-pytorch.1.0.
    """
    pooled: Tensor = _PositionSensitivePool.apply(maps, rois, classes)  # type: ignore[no-untyped-call]
    return pooled


def bin_masks(start_px: Tensor, end_px: Tensor, cells: int) -> Tensor:
    """The cells that each of a roi's k bins covers along one axis: (R,), (R,) net px -> (R, k, cells) of 0 and 1.

    start = round(x1) / 16, end = (round(x2) + 1) / 16, half away from zero; size = max(end - start, 0.1);
    bin i runs from floor(i * bin + start) to ceil((i + 1) * bin + start), clipped to the map. float32 arithmetic.
    """
    scale = 1.0 / spec.FEATURE_STRIDE
    start = round_half_away(start_px) * scale
    end = (round_half_away(end_px) + 1.0) * scale
    extent = (end - start).clamp(min=0.1)
    size = extent / torch.full_like(
        extent, spec.GROUP
    )  # with a plain number CUDA multiplies by 1 / number, which differs in the last bit
    index = torch.arange(spec.GROUP, dtype=start.dtype, device=start.device)
    low = torch.floor(index * size[:, None] + start[:, None]).clamp(0, cells)
    high = torch.ceil((index + 1) * size[:, None] + start[:, None]).clamp(0, cells)
    cell = torch.arange(cells, dtype=start.dtype, device=start.device)
    return ((cell >= low[..., None]) & (cell < high[..., None])).to(start.dtype)


def round_half_away(values: Tensor) -> Tensor:
    """C's round(): halves away from zero (torch and numpy round them to even)."""
    size = values.abs()
    whole = size.floor()
    return torch.copysign(torch.where(size - whole >= 0.5, whole + 1, whole), values)


class _BestFirst(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, count: int) -> tuple[Tensor, Tensor]:
        values, rows = torch.sort(scores, stable=True, descending=True)
        ctx.mark_non_differentiable(values, rows)
        return values[:count], rows[:count]

    @staticmethod
    def symbolic(g: Any, scores: Any, count: int) -> Any:
        k = g.op("Constant", value_t=torch.tensor([count], dtype=torch.int64))
        return g.op("TopK", scores, k, axis_i=0, largest_i=1, sorted_i=1, outputs=2)


class _MultiClassNms(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, boxes_xyxy: Tensor, scores: Tensor, iou_above: float, kept: int) -> tuple[Tensor, ...]:
        order = torch.sort(scores[0, :, 0], stable=True, descending=True)[1]
        boxes = boxes_xyxy[0, order, 0]
        chosen = _greedy(boxes, iou_above, kept)
        nmsed_boxes, nmsed_scores = boxes.new_zeros(1, kept, 4), boxes.new_zeros(1, kept)
        nmsed_boxes[0, : len(chosen)] = boxes[chosen]
        nmsed_scores[0, : len(chosen)] = scores[0, order[chosen], 0]
        count = torch.tensor([len(chosen)], dtype=torch.int32, device=boxes.device)
        found = (nmsed_boxes, nmsed_scores, torch.zeros_like(nmsed_scores), count)
        ctx.mark_non_differentiable(*found)
        return found

    @staticmethod
    def symbolic(g: Any, boxes_xyxy: Any, scores: Any, iou_above: float, kept: int) -> Any:
        return g.op(
            spec.NMS_OPERATOR,
            boxes_xyxy,
            scores,
            score_threshold_f=0.0,
            iou_threshold_f=iou_above,
            max_size_per_class_i=kept,
            max_total_size_i=kept,
            outputs=4,
        )


def _greedy(boxes_xyxy: Tensor, iou_above: float, kept: int) -> Tensor:
    """(N, 4), best first -> at most `kept` rows. Each step keeps the best remaining box and drops the boxes it overlaps."""
    x1, y1, x2, y2 = boxes_xyxy.unbind(1)
    areas = (x2 - x1 + 1) * (y2 - y1 + 1)
    left = torch.arange(len(boxes_xyxy), device=boxes_xyxy.device)
    chosen: list[Tensor] = []
    while len(left) and len(chosen) < kept:
        best, left = left[0], left[1:]
        chosen.append(best)
        width = (torch.minimum(x2[best], x2[left]) - torch.maximum(x1[best], x1[left]) + 1).clamp(min=0)
        height = (torch.minimum(y2[best], y2[left]) - torch.maximum(y1[best], y1[left]) + 1).clamp(min=0)
        inside = width * height
        left = left[~(inside / (areas[best] + areas[left] - inside) > iou_above)]
    return torch.stack(chosen) if chosen else left


class _PositionSensitivePool(torch.autograd.Function):
    """One matrix product per bin: the bin's own maps, (classes, H*W), times the mask of its cells, (H*W, R)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, rois: Tensor, classes: int) -> Tensor:
        height, width = maps.shape[2:]
        corners = rois[0].float()  # upstream computes the bins in float32; we do so in a float64 network too
        columns = bin_masks(corners[1], corners[3], width).to(maps.dtype)
        rows = bin_masks(corners[2], corners[4], height).to(maps.dtype)
        bins = maps.reshape(classes, spec.GROUP, spec.GROUP, height * width)
        sums = [
            bins[:, row].transpose(0, 1) @ _row_of_masks(rows, columns, row)  # (k, classes, H*W) @ (k, H*W, R)
            for row in range(spec.GROUP)  # one row of bins at a time: all 49 masks of a full-size picture need 0.4 GB
        ]
        area = _areas(rows, columns)
        ctx.save_for_backward(rows, columns, area)
        ctx.maps_shape = maps.shape
        return (torch.stack(sums) / area).permute(3, 2, 0, 1).contiguous()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        rows, columns, area = ctx.saved_tensors
        shares = grads[0].permute(2, 3, 1, 0) / area  # (k, k, classes, R)
        wanted = [shares[row] @ _row_of_masks(rows, columns, row).mT for row in range(spec.GROUP)]
        return torch.stack(wanted).permute(2, 0, 1, 3).reshape(ctx.maps_shape), None, None

    @staticmethod
    def symbolic(g: Any, maps: Any, rois: Any, classes: int) -> Any:
        return g.op(
            spec.POOL_OPERATOR,
            maps,
            rois,
            pooled_height_i=spec.GROUP,
            pooled_width_i=spec.GROUP,
            spatial_scale_f=1.0 / spec.FEATURE_STRIDE,
            group_size_i=spec.GROUP,
            output_dim_i=classes,
        )


def _row_of_masks(rows: Tensor, columns: Tensor, row: int) -> Tensor:
    """(R, k, H), (R, k, W) -> (k, H*W, R): the cells that the k bins in one row of bins cover."""
    return (rows[:, row].T[:, None] * columns.permute(1, 2, 0)[:, None]).flatten(1, 2)


def _areas(rows: Tensor, columns: Tensor) -> Tensor:
    """(R, k, H), (R, k, W) -> (k, k, 1, R) cells per bin. It is 1 for an empty bin, so that its mean is 0 / 1 = 0."""
    tall, wide = rows.sum(2).T, columns.sum(2).T
    return (tall[:, None] * wide[None]).clamp(min=1)[:, :, None]
