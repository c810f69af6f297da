"""The R-FCN network: a bottleneck ResNet with dilation, as RebornL/RFCN-pytorch.1.0 computes it.

Papers: Dai et al. 2016; He et al. 2015. The attribute names are upstream's, because they are the checkpoint's keys.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from rfcn_lib import spec
from rfcn_lib.port import Proposals
from rfcn_lib.source.anchors import anchors, cells
from rfcn_lib.source.operators import best_first, multi_class_nms, position_sensitive_pool


@dataclass(frozen=True, slots=True)
class Architecture:
    """The sizes of a network. In brackets: the published port, a ResNet-101.

    blocks            blocks of layer1 to layer4 (3, 4, 23, 3)
    stem              channels of the first convolution (64)
    widths            channels of the 3x3 convolutions in layer1 to layer4 (64, 128, 256, 512)
    reduced           channels after RCNN_conv_1x1 (1024)
    rpn_width         channels of the RPN's 3x3 convolution (512)
    anchors_per_cell  anchors at each cell of layer3
    columns           classes and background (21)
    """

    blocks: tuple[int, int, int, int]
    stem: int
    widths: tuple[int, int, int, int]
    reduced: int
    rpn_width: int
    anchors_per_cell: int
    columns: int


class Bottleneck(nn.Module):
    """A residual block: 1x1, 3x3 and 1x1 convolution, plus the input or its projection.

    The first convolution has the stride (the Caffe arrangement).
    """

    def __init__(self, inside: int, width: int, stride: int = 1, dilation: int = 1, project: bool = False) -> None:
        super().__init__()
        outside = width * spec.EXPANSION
        self.conv1 = nn.Conv2d(inside, width, 1, stride, bias=False)
        self.bn1 = _norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=dilation, dilation=dilation, bias=False)
        self.bn2 = _norm(width)
        self.conv3 = nn.Conv2d(width, outside, 1, bias=False)
        self.bn3 = _norm(outside)
        self.relu = nn.ReLU()
        self.downsample = (
            nn.Sequential(nn.Conv2d(inside, outside, 1, stride, bias=False), _norm(outside)) if project else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, inside, H, W) -> (B, 4 * width, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.bn3(self.conv3(out))
        shortcut = x if self.downsample is None else self.downsample(x)
        result: Tensor = self.relu(out + shortcut)
        return result


def _norm(width: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(width, eps=spec.BATCH_NORM_EPS)


def _layer(inside: int, width: int, count: int, stride: int, dilation: int = 1) -> nn.Sequential:
    """A layer of `count` blocks. The first one has the projection, the stride and dilation 1; the others have `dilation`."""
    first = Bottleneck(inside, width, stride, project=True)
    others = [Bottleneck(width * spec.EXPANSION, width, dilation=dilation) for _ in range(count - 1)]
    return nn.Sequential(first, *others)


class _Rpn(nn.Module):
    """The region proposal network: 2 * A score planes (background first) and 4 * A delta planes."""

    def __init__(self, inside: int, width: int, per_cell: int) -> None:
        super().__init__()
        self.RPN_Conv = nn.Conv2d(inside, width, 3, padding=1)
        self.RPN_cls_score = nn.Conv2d(width, 2 * per_cell, 1)
        self.RPN_bbox_pred = nn.Conv2d(width, 4 * per_cell, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        shared = torch.relu(self.RPN_Conv(x))
        return self.RPN_cls_score(shared), self.RPN_bbox_pred(shared)


class Rfcn(nn.Module):
    """The whole detector. Reference and export call `forward`; the training calls the parts of it with rois of its own."""

    def __init__(self, shape: Architecture, proposals: Proposals) -> None:
        super().__init__()
        first, second, third, fourth = (width * spec.EXPANSION for width in shape.widths)
        self.shape, self.proposals = shape, proposals
        self.RCNN_rpn = _Rpn(third, shape.rpn_width, shape.anchors_per_cell)
        self.RCNN_base = nn.Sequential(
            nn.Conv2d(3, shape.stem, 7, 2, 3, bias=False),
            _norm(shape.stem),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=0, ceil_mode=True),
            _layer(shape.stem, shape.widths[0], shape.blocks[0], 1),
            _layer(first, shape.widths[1], shape.blocks[1], 2),
            _layer(second, shape.widths[2], shape.blocks[2], 2),
        )
        self.RCNN_conv_1x1 = nn.Conv2d(fourth, shape.reduced, 1, bias=False)
        self.RCNN_conv_new = nn.Sequential(
            _layer(third, shape.widths[3], shape.blocks[3], 1, dilation=2), self.RCNN_conv_1x1, nn.ReLU()
        )
        maps = spec.GROUP * spec.GROUP
        self.RCNN_bbox_base = nn.Conv2d(shape.reduced, 4 * shape.columns * maps, 1, bias=False)
        self.RCNN_cls_base = nn.Conv2d(shape.reduced, shape.columns * maps, 1, bias=False)
        self.average = nn.AvgPool2d(spec.GROUP)

    def forward(
        self, im_data: Tensor, clip_wh: tuple[int, int] | None, canvas_wh: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Detect in one picture.

        im_data    (1, 3, H, W) float32, BGR minus means
        clip_wh    the proposals are clipped to this size: the resized picture (im_info) in the reference, the canvas in the
                   exported graph, which has no input for the picture's size. None: not clipped, as in the published graph
        canvas_wh  (W, H)

        Returns rois (1, R, 5) in the net frame, cls_prob (1, R, C), bbox_pred (1, R, 4 * C), R = port.proposals.kept.
        """
        base = self.RCNN_base(im_data)
        scores, deltas = self.RCNN_rpn(base)
        rois = self.propose(scores, deltas, clip_wh, canvas_wh)
        cls_score, bbox_pred = self.classify(base, rois)
        kept, columns = self.proposals.kept, self.shape.columns
        cls_prob = torch.softmax(cls_score, 1)
        return rois, cls_prob.reshape(1, kept, columns), bbox_pred.reshape(1, kept, 4 * columns)

    def propose(
        self, scores: Tensor, deltas: Tensor, clip_wh: tuple[int, int] | None, canvas_wh: tuple[int, int]
    ) -> Tensor:
        """RPN planes of one picture, (1, 2A, h, w) and (1, 4A, h, w) -> rois (1, R, 5). Rows without a proposal are 0."""
        settings = self.proposals
        columns, rows = (cells(side) for side in canvas_wh)
        per_cell = self.shape.anchors_per_cell
        pairs = scores.reshape(2, per_cell * rows * columns).transpose(0, 1)
        foreground = torch.softmax(pairs, 1)[:, 1].reshape(per_cell, rows * columns).transpose(0, 1).reshape(-1)
        by_anchor = deltas.permute(0, 2, 3, 1).reshape(-1, 4)
        prior = prior_boxes(settings, canvas_wh).to(deltas.dtype).to(deltas.device)
        boxes = apply_deltas(prior, by_anchor)
        if clip_wh is not None:
            boxes = clip(boxes, clip_wh)
        count = min(settings.before_nms, rows * columns * per_cell)
        best, order = best_first(foreground, count)
        boxes = boxes.index_select(0, order)
        kept = multi_class_nms(
            boxes.reshape(1, count, 1, 4), best.reshape(1, count, 1), settings.nms_iou, settings.kept
        )
        batch_index = torch.zeros(1, settings.kept, 1, dtype=kept.dtype, device=kept.device)
        return torch.cat([batch_index, kept], 2)

    def classify(self, base: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
        """Features of layer3 of one picture, and rois (1, R, 5) -> class scores (R, C) and deltas (R, 4 * C)."""
        top = self.RCNN_conv_new(base)
        return self.vote(self.RCNN_cls_base(top), self.RCNN_bbox_base(top), rois)

    def vote(self, score_maps: Tensor, shift_maps: Tensor, rois: Tensor) -> tuple[Tensor, Tensor]:
        """Position-sensitive maps of one picture and rois (1, R, 5) -> class scores (R, C) and deltas (R, 4 * C)."""
        by_row = rois.permute(0, 2, 1)  # (1, 5, R), the vendor operator's layout
        votes = position_sensitive_pool(score_maps, by_row, self.shape.columns)
        shifts = position_sensitive_pool(shift_maps, by_row, 4 * self.shape.columns)
        return self.average(votes).flatten(1), self.average(shifts).flatten(1)


@lru_cache(maxsize=8)
def prior_boxes(proposals: Proposals, canvas_wh: tuple[int, int]) -> Tensor:
    """The anchors of a canvas, (N, 4) float32. The cache keeps them, so the export's trace sees a constant tensor."""
    with torch.inference_mode(False):  # the cache may serve a caller that wants gradients
        return torch.from_numpy(anchors(proposals, canvas_wh))


def apply_deltas(prior_xyxy: Tensor, deltas: Tensor) -> Tensor:
    """Move and resize anchors (N, 4) by dx dy dw dh (N, 4) -> (N, 4), net frame, "+1" widths."""
    size = prior_xyxy[:, 2:] - prior_xyxy[:, :2] + 1.0
    centre = prior_xyxy[:, :2] + 0.5 * size
    middle = deltas[:, :2] * size + centre
    half = 0.5 * (torch.exp(deltas[:, 2:]) * size)
    return torch.cat([middle - half, middle + half], 1)


def clip(boxes_xyxy: Tensor, size_wh: tuple[int, int]) -> Tensor:
    """Clip boxes: (N, 4) -> (N, 4), x in [0, width - 1], y in [0, height - 1]."""
    limit = _last_pixel(size_wh).to(boxes_xyxy.dtype).to(boxes_xyxy.device)
    return torch.minimum(torch.maximum(boxes_xyxy, torch.zeros_like(limit)), limit)


@lru_cache(maxsize=1024)
def _last_pixel(size_wh: tuple[int, int]) -> Tensor:
    with torch.inference_mode(False):  # as above
        return torch.tensor([*size_wh, *size_wh], dtype=torch.float32) - 1
