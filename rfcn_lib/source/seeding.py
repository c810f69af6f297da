"""A full-size network nobody trained: seeded weights whose numbers stay in a trained network's range.

It exercises the file format, the export, the graph and the clock at full size where the published checkpoint is not at
hand. It detects nothing, so no accuracy is ever judged on it.
"""

from pathlib import Path
from typing import Final

import torch
from torch import nn

from rfcn_lib import spec
from rfcn_lib.port import Port
from rfcn_lib.source.checkpoint import save_checkpoint
from rfcn_lib.source.network import Architecture, Rfcn

BRANCH_SCALE: Final = 0.2  # last norm of a residual branch: 33 blocks of scale 1 would double the variance 33 times


def published_architecture(depth: int, port: Port) -> Architecture:
    """The published network of a depth in spec.BLOCKS_PER_LAYER, for the port's classes and anchors."""
    per_cell = len(port.proposals.anchor_ratios) * len(port.proposals.anchor_scales)
    blocks = spec.BLOCKS_PER_LAYER[depth]
    return Architecture(blocks, 64, (64, 128, 256, 512), 1024, 512, per_cell, len(port.classes) + 1)


def seeded_checkpoint(target: Path, depth: int, port: Port, seed: int) -> None:
    """Write a checkpoint in the upstream format, float32, the same for the same seed."""
    save_checkpoint(target, seeded_network(published_architecture(depth, port), port, seed), epoch=0)


def seeded_network(shape: Architecture, port: Port, seed: int) -> Rfcn:
    """The network with seeded weights, in inference mode; the global random state is left as it was."""
    network = Rfcn(shape, port.proposals)
    draws = torch.Generator().manual_seed(seed)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu", generator=draws)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, nn.BatchNorm2d) and name.endswith("bn3"):
            nn.init.constant_(module.weight, BRANCH_SCALE)
    with torch.no_grad():
        next(network.RCNN_base[0].parameters()).div_(64)  # the mean-free picture's own scale, in grey levels
        network.RCNN_rpn.RPN_bbox_pred.weight.mul_(0.1)
        network.RCNN_bbox_base.weight.mul_(0.1)
    return network.eval()
