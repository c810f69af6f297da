"""The reference device: the source model in PyTorch, float32, proposals clipped to the resized picture (im_info)."""

from pathlib import Path

import torch

from rfcn_lib.port import Port
from rfcn_lib.records import Floats, Outputs, Picture, RunPicture
from rfcn_lib.source.checkpoint import network_from_checkpoint
from rfcn_lib.source.network import Rfcn


def load_model(weights: Path, port: Port, where: str = "cpu") -> RunPicture:
    """Load the checkpoint once; the function returned runs one picture. `where`: "cpu" or "cuda".

    On CUDA in plain float32: the T4 of the published figure has no TF32.

    Raises:
        CheckpointError: the file is no checkpoint of this port.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    network = network_from_checkpoint(weights, port).to(where)
    return lambda im_data, picture: run(network, im_data, picture.scaled_wh, picture)


def run(network: Rfcn, im_data: Floats, clip_wh: tuple[int, int] | None, picture: Picture) -> Outputs:
    """One picture, (1, 3, H, W) in the network's own dtype, through the source model; outputs in that dtype."""
    width, height = picture.canvas_wh
    if im_data.shape != (1, 3, height, width):  # a canvas on its side has as many anchors, all in the wrong places
        raise ValueError(f"{picture.id}: im_data is {im_data.shape}, but should be (1, 3, {height}, {width})")
    with torch.inference_mode():
        shown = torch.from_numpy(im_data).to(next(network.parameters()).device)
        rois, cls_prob, bbox_pred = (array[0].cpu().numpy() for array in network(shown, clip_wh, picture.canvas_wh))
    return Outputs(rois, cls_prob, bbox_pred)
