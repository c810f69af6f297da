"""The reference device: the source model in PyTorch, float32, proposals clipped to the resized picture (im_info)."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from rfcn_lib import spec
from rfcn_lib.port import Port
from rfcn_lib.records import Floats, Outputs, Picture, RunPicture
from rfcn_lib.source.checkpoint import network_from_checkpoint
from rfcn_lib.source.network import Rfcn

Clip = Literal["picture", "canvas", "none"]  # what proposals are clipped to; upstream: the resized picture


def load_model(
    weights: Path, port: Port, where: str = "cpu", *, clip: Clip = "picture", double: bool = False
) -> RunPicture:
    """Load the checkpoint once; the function returned runs one picture. `where`: "cpu" or "cuda".

    On CUDA in plain float32: the T4 of the published figure has no TF32. `double`: computed in float64, given as float32.

    Raises:
        CheckpointError: the file is no checkpoint of this port.
    """
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    network = _network(weights, port, double=double).to(where)
    return lambda im_data, picture: _single(
        run(network, im_data.astype(_dtype(network), copy=False), _clip_wh(clip, picture), picture)
    )


def load_heads(weights: Path, port: Port, outputs_of: Callable[[str], Outputs], *, double: bool = False) -> RunPicture:
    """Load the checkpoint once; the function returned scores the proposals that `outputs_of` has of a picture's id.

    Its outputs are these rois, and the source model's cls_prob and bbox_pred of them, row by row.

    Raises:
        CheckpointError: the file is no checkpoint of this port.
    """
    network = _network(weights, port, double=double)
    return lambda im_data, picture: _single(run_heads(network, im_data, outputs_of(picture.id).rois))


def run(network: Rfcn, im_data: Floats, clip_wh: tuple[int, int] | None, picture: Picture) -> Outputs:
    """One picture, (1, 3, H, W) in the network's own dtype, through the source model; outputs in that dtype."""
    width, height = picture.canvas_wh
    if im_data.shape != (1, 3, height, width):  # a canvas on its side has as many anchors, all in the wrong places
        raise ValueError(f"{picture.id}: im_data is {im_data.shape}, but should be (1, 3, {height}, {width})")
    with torch.inference_mode():
        shown = torch.from_numpy(im_data).to(next(network.parameters()).device)
        rois, cls_prob, bbox_pred = (array[0].cpu().numpy() for array in network(shown, clip_wh, picture.canvas_wh))
    return Outputs(rois, cls_prob, bbox_pred)


def run_heads(network: Rfcn, im_data: Floats, rois: Floats) -> Outputs:
    """The heads on given proposals (R, 5), net frame, of a picture (1, 3, H, W); computed in the network's own dtype."""
    dtype = _dtype(network)
    with torch.inference_mode():
        base = network.RCNN_base(torch.from_numpy(im_data.astype(dtype, copy=False)))
        scores, deltas = network.classify(base, torch.from_numpy(rois.astype(dtype))[None])
        return Outputs(rois, torch.softmax(scores, 1).numpy(), deltas.numpy())


def _network(weights: Path, port: Port, *, double: bool) -> Rfcn:
    network = network_from_checkpoint(weights, port)
    return network.double() if double else network


def _dtype(network: Rfcn) -> type[np.floating]:
    return np.float64 if next(network.parameters()).dtype == torch.float64 else np.float32


def _clip_wh(clip: Clip, picture: Picture) -> tuple[int, int] | None:
    return {"picture": picture.scaled_wh, "canvas": picture.canvas_wh, "none": None}[clip]


def _single(outputs: Outputs) -> Outputs:
    """The same as float32, as every dump is."""
    return Outputs(*(getattr(outputs, name).astype(np.float32, copy=False) for name in spec.OUTPUTS))
