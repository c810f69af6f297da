"""The specimen's training loop: pictures drawn on the fly, the library's own network and losses, a fixed seed."""

import argparse
import math
import time
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from rfcn_lib.port import Port, read_port
from rfcn_lib.progress import progress
from rfcn_lib.records import Floats, Truth
from rfcn_lib.source.checkpoint import save_checkpoint
from rfcn_lib.source.network import Architecture, Rfcn
from tools.draw import draw
from tools.losses import losses

SEED = 2007
SHAPE = Architecture((2, 2, 4, 2), 32, (24, 48, 96, 96), 96, 128, 9, 21)
BATCH = 8
STEPS = 5000
WARM_UP = 200
RATE = 2e-3
DECAY = 1e-2
FROZEN_NORM = 0.8  # share of the steps after which batch norm stays in inference mode, as it will be used
TRAIN_SIZE_WH = ((256, 192), (192, 256))
TRAIN_BEFORE_NMS, TRAIN_KEPT = 600, 96


def main() -> None:
    """Train from nothing and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=Path, default=Path("specimen/port.toml"))
    parser.add_argument("--target", type=Path, default=Path("specimen/rfcn_specimen.pth"))
    parser.add_argument("--steps", type=int, default=STEPS)
    options = parser.parse_args()
    network = train(read_port(options.port), options.steps)
    save_checkpoint(options.target, network, epoch=1)


def train(port: Port, steps: int) -> Rfcn:
    """A trained network in inference mode. Progress goes to stderr, losses to stdout."""
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # one order of summation; and two threads on a busy machine wait for one another
    draws = np.random.default_rng(SEED)
    network = seeded(port)
    network.proposals = port.proposals.model_copy(update={"before_nms": TRAIN_BEFORE_NMS, "kept": TRAIN_KEPT})
    network.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    plain = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    groups = [{"params": plain, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=RATE)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps))
    shown, since = np.zeros(4), time.monotonic()
    for step in progress(range(steps), steps, "training", unit="step"):
        if step == int(steps * FROZEN_NORM):
            for module in network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        im_data, truths = batch(port, draws, TRAIN_SIZE_WH[step % len(TRAIN_SIZE_WH)])
        with torch.autocast("cpu", torch.bfloat16):
            found = losses(network, im_data, truths, port.detections.delta_stds, draws)
        optimizer.zero_grad(set_to_none=True)
        found.total.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimizer.step()
        schedule.step()
        shown += [part.item() for part in (found.rpn_class, found.rpn_box, found.roi_class, found.roi_box)]
        if step % 100 == 99:
            parts = " ".join(f"{part:.3f}" for part in shown / 100)
            print(f"step {step + 1}: losses {parts}, {time.monotonic() - since:.0f} s", flush=True)
            shown[:] = 0
    network.proposals = port.proposals
    return network.eval().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


def seeded(port: Port) -> Rfcn:
    """The specimen's network with He-normal convolutions, residual branches starting small, heads as upstream draws them."""
    network = Rfcn(SHAPE, port.proposals)
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if name.endswith("bn3"):
            nn.init.constant_(module.weight, 0.2)
    heads = (
        network.RCNN_rpn.RPN_cls_score,
        network.RCNN_rpn.RPN_bbox_pred,
        network.RCNN_cls_base,
        network.RCNN_bbox_base,
    )
    for head in heads:
        nn.init.normal_(head.weight, std=0.01)
    return network


def batch(port: Port, draws: np.random.Generator, size_wh: tuple[int, int]) -> tuple[torch.Tensor, list[Truth]]:
    """Draw BATCH pictures: (B, 3, H, W) float32 BGR minus means, channels last, and their truth in the net frame.

    Some are drawn larger and brought down with the resize of the protocol, as the test pictures will be.
    """
    tensors, truths = [], []
    for _ in range(BATCH):
        zoom = draws.uniform(0.75, 1.25)
        drawn_wh = (round(size_wh[0] * zoom), round(size_wh[1] * zoom))
        drawn = draw(draws, drawn_wh, grey=bool(draws.random() < 0.05))
        ratio = np.asarray(size_wh) / drawn_wh
        bgr = drawn.image_rgb[:, :, ::-1].astype(np.float32) - np.asarray(port.pictures.means_bgr, np.float32)
        tensors.append(cv2.resize(bgr, size_wh, interpolation=cv2.INTER_LINEAR))
        truths.append(Truth(_scaled(drawn.boxes_xyxy, ratio), drawn.labels, drawn.difficult))
    stacked = torch.from_numpy(np.stack(tensors)).permute(0, 3, 1, 2)
    return stacked, truths


def _scaled(boxes_xyxy: Floats, ratio_wh: Floats) -> Floats:
    result: Floats = (boxes_xyxy * np.tile(ratio_wh, 2)).astype(np.float32)
    return result


def _rate(step: int, steps: int) -> float:
    if step < WARM_UP:
        return (step + 1) / WARM_UP
    return 0.5 * (1 + math.cos(math.pi * (step - WARM_UP) / max(1, steps - WARM_UP)))


if __name__ == "__main__":
    main()
