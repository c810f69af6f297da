"""The reference device: the source model in PyTorch, float32, proposals clipped to the resized picture (im_info)."""

from pathlib import Path

import torch

from rfcn_lib.devices.filling import Run
from rfcn_lib.port import Port
from rfcn_lib.records import Floats, Outputs, Picture
from rfcn_lib.source.checkpoint import network_from_checkpoint
from rfcn_lib.source.network import Rfcn

NAME = "torch"


def device(weights: Path, port: Port) -> Run:
    """Load the checkpoint once; the function returned runs one picture. Errors: CheckpointError."""
    network = network_from_checkpoint(weights, port)
    return lambda im_data, picture: run(network, im_data, picture.scaled_wh, picture)


def run(network: Rfcn, im_data: Floats, clip_wh: tuple[int, int], picture: Picture) -> Outputs:
    """One picture, (1, 3, H, W) in the network's own dtype, through the source model; outputs in that dtype."""
    width, height = picture.canvas_wh
    if im_data.shape != (1, 3, height, width):  # a canvas on its side has as many anchors, all in the wrong places
        raise ValueError(f"{picture.id}: im_data is {im_data.shape}, but should be (1, 3, {height}, {width})")
    with torch.inference_mode():
        rois, cls_prob, bbox_pred = network(torch.from_numpy(im_data), clip_wh, picture.canvas_wh)
    return Outputs(rois[0].numpy(), cls_prob[0].numpy(), bbox_pred[0].numpy())


def describe() -> str:
    """What ran, for header and verdict."""
    return f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads, host CPU"
