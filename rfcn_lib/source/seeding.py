"""Make a network of full size with random weights, for tests and benchmarks without the published checkpoint.

Its activations stay in the range of a trained network, so file format, export, graph and speed can be tested at full size. It
detects nothing, so the suite never judges accuracy on it.
"""

from pathlib import Path
from typing import Final

import torch
from torch import nn

from rfcn_lib import spec
from rfcn_lib.port import Port
from rfcn_lib.source.checkpoint import save_checkpoint
from rfcn_lib.source.network import Architecture, Rfcn

BRANCH_SCALE: Final = 0.2  # weight of a branch's last norm: with 1, each of the 33 blocks would double the variance


def published_architecture(depth: int, port: Port) -> Architecture:
    """The published network for the port's classes and anchors. `depth`: 50, 101 or 152 (spec.BLOCKS_PER_LAYER)."""
    per_cell = len(port.proposals.anchor_ratios) * len(port.proposals.anchor_scales)
    blocks = spec.BLOCKS_PER_LAYER[depth]
    return Architecture(blocks, 64, (64, 128, 256, 512), 1024, 512, per_cell, len(port.classes) + 1)


def seeded_checkpoint(target: Path, depth: int, port: Port, seed: int) -> None:
    """Write a checkpoint in upstream's format, float32. The same seed gives the same weights."""
    save_checkpoint(target, seeded_network(published_architecture(depth, port), port, seed), epoch=0)


def seeded_network(shape: Architecture, port: Port, seed: int) -> Rfcn:
    """The network with random weights from `seed`, in inference mode. PyTorch's global random state does not change."""
    network = Rfcn(shape, port.proposals)
    generator = torch.Generator().manual_seed(seed)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu", generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, nn.BatchNorm2d) and name.endswith("bn3"):
            nn.init.constant_(module.weight, BRANCH_SCALE)
    with torch.no_grad():
        next(network.RCNN_base[0].parameters()).div_(64)  # the input's standard deviation, in grey levels
        network.RCNN_rpn.RPN_bbox_pred.weight.mul_(0.1)
        network.RCNN_bbox_base.weight.mul_(0.1)
    return network.eval()
