"""What the network is trained on: targets for anchors and rois, and the four losses of Faster R-CNN, in the net frame.

Source of the rules: anchor_target_layer.py and proposal_target_layer.py of RebornL/RFCN-pytorch.1.0; unlike there, anchors
that leave the picture are trained too, for on a small canvas most large ones do. Numbers that only training has are here;
the port's numbers come with the network.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - torch's own idiom

from rfcn_lib import boxes
from rfcn_lib.records import Floats, Ints, Truth
from rfcn_lib.source.anchors import anchors
from rfcn_lib.source.network import Rfcn

RPN_SAMPLES: Final = 256  # TRAIN.RPN_BATCHSIZE, half of them objects at most
RPN_OBJECT_IOU: Final = 0.7
RPN_BACKGROUND_IOU: Final = 0.3
ROI_SAMPLES: Final = 128  # TRAIN.BATCH_SIZE, a quarter of them objects at most
ROI_OBJECT_IOU: Final = 0.5
RPN_BETA: Final = 1.0 / 9.0  # smooth L1 with sigma 3
IGNORED: Final = -100  # cross_entropy's ignore_index


@dataclass(frozen=True, slots=True)
class Losses:
    """One step's four losses, scalars."""

    rpn_class: Tensor
    rpn_box: Tensor
    roi_class: Tensor
    roi_box: Tensor

    @property
    def total(self) -> Tensor:
        """Their plain sum, as upstream minimises it."""
        return self.rpn_class + self.rpn_box + self.roi_class + self.roi_box


def losses(
    network: Rfcn, im_data: Tensor, truths: list[Truth], stds: tuple[float, ...], draws: np.random.Generator
) -> Losses:
    """Run the network's own parts on (B, 3, H, W) float32 and compare with truth in the net frame.

    Difficult objects are no targets. `stds` are the port's delta_stds; `draws` samples anchors and rois.
    """
    canvas_wh = (im_data.shape[3], im_data.shape[2])
    base = network.RCNN_base(im_data)
    scores, deltas = (planes.float() for planes in network.RCNN_rpn(base))
    prior = anchors(network.proposals, canvas_wh)
    plain = [truth.boxes_xyxy[~truth.difficult].astype(np.float32) for truth in truths]
    rpn = [_rpn_losses(scores[i], deltas[i], prior, plain[i], draws) for i in range(len(truths))]
    rois, columns, targets = [], [], []
    for i, truth in enumerate(truths):
        with torch.no_grad():
            proposed = network.propose(scores[i : i + 1], deltas[i : i + 1], canvas_wh, canvas_wh)[0, :, 1:].numpy()
        chosen, column, target = _sample_rois(proposed, plain[i], truth.labels[~truth.difficult], draws)
        rois.append(torch.from_numpy(np.pad(chosen, ((0, 0), (1, 0))))[None])
        columns.append(torch.from_numpy(column))
        targets.append(torch.from_numpy(target / np.asarray(stds, np.float32)))
    top = network.RCNN_conv_new(base)
    maps, shift_maps = network.RCNN_cls_base(top).float(), network.RCNN_bbox_base(top).float()
    heads = [network.vote(maps[i : i + 1], shift_maps[i : i + 1], roi) for i, roi in enumerate(rois)]
    wanted_column, wanted_shift = torch.cat(columns), torch.cat(targets)
    class_score, shifts = (torch.cat(parts) for parts in zip(*heads, strict=True))
    hit = torch.nonzero(wanted_column > 0)[:, 0]
    own = shifts.reshape(len(wanted_column), -1, 4)[hit, wanted_column[hit]]
    return Losses(
        torch.stack([pair[0] for pair in rpn]).mean(),
        torch.stack([pair[1] for pair in rpn]).mean(),
        F.cross_entropy(class_score, wanted_column),
        F.smooth_l1_loss(own, wanted_shift[hit], reduction="sum") / len(wanted_column),
    )


def _rpn_losses(
    scores: Tensor, deltas: Tensor, prior: Floats, truth_xyxy: Floats, draws: np.random.Generator
) -> tuple[Tensor, Tensor]:
    """Planes of one picture, (2A, h, w) and (4A, h, w) -> class loss, box loss."""
    per_cell = len(scores) // 2
    pairs = scores.reshape(2, per_cell, -1).permute(2, 1, 0).reshape(-1, 2)
    by_anchor = deltas.permute(1, 2, 0).reshape(-1, 4)
    labels = np.full(len(prior), IGNORED)
    if not len(truth_xyxy):
        labels[draws.permutation(len(prior))[:RPN_SAMPLES]] = 0
        return F.cross_entropy(pairs, torch.from_numpy(labels)), by_anchor.sum() * 0
    overlap = boxes.iou(prior[:, None], truth_xyxy[None])
    best = overlap.max(1)
    objects = (best >= RPN_OBJECT_IOU) | ((overlap == overlap.max(0)) & (overlap > 0)).any(1)
    hit = _some(np.flatnonzero(objects), RPN_SAMPLES // 2, draws)
    miss = _some(np.flatnonzero((best < RPN_BACKGROUND_IOU) & ~objects), RPN_SAMPLES - len(hit), draws)
    labels[hit], labels[miss] = 1, 0
    wanted = torch.from_numpy(boxes.deltas_between(prior[hit], truth_xyxy[overlap[hit].argmax(1)]).astype(np.float32))
    box = F.smooth_l1_loss(by_anchor[torch.from_numpy(hit)], wanted, reduction="sum", beta=RPN_BETA)
    return F.cross_entropy(pairs, torch.from_numpy(labels)), box / (len(hit) + len(miss))


def _sample_rois(
    proposed_xyxy: Floats, truth_xyxy: Floats, labels: Ints, draws: np.random.Generator
) -> tuple[Floats, Ints, Floats]:
    """Rois of one picture (R, 4), their columns (R,) with 0 for background, and raw deltas (R, 4); truth joins the pool."""
    pool = np.concatenate([proposed_xyxy[proposed_xyxy[:, 2] > 0], truth_xyxy])
    if not len(truth_xyxy):
        chosen = pool[:ROI_SAMPLES]
        return chosen, np.zeros(len(chosen), np.int64), np.zeros((len(chosen), 4), np.float32)
    overlap = boxes.iou(pool[:, None], truth_xyxy[None])
    hit = _some(np.flatnonzero(overlap.max(1) >= ROI_OBJECT_IOU), ROI_SAMPLES // 4, draws)
    miss = _some(np.flatnonzero(overlap.max(1) < ROI_OBJECT_IOU), ROI_SAMPLES - len(hit), draws)
    chosen, owner = np.concatenate([hit, miss]), overlap.argmax(1)
    column = np.where(np.arange(len(chosen)) < len(hit), labels[owner[chosen]] + 1, 0).astype(np.int64)
    return pool[chosen], column, boxes.deltas_between(pool[chosen], truth_xyxy[owner[chosen]]).astype(np.float32)


def _some(rows: Ints, most: int, draws: np.random.Generator) -> Ints:
    return rows if len(rows) <= most else draws.choice(rows, most, replace=False)
