"""Export the PyTorch network as ONNX: opset 11, static shapes, one input, three outputs."""

import warnings
from pathlib import Path
from typing import Literal

import onnx
import torch
from torch import Tensor, nn

from rfcn_lib import spec
from rfcn_lib.port import Port
from rfcn_lib.source.checkpoint import network_from_checkpoint
from rfcn_lib.source.network import Rfcn

Clip = Literal["canvas", "none"]


class _OnCanvas(nn.Module):
    """The network for one canvas size. It clips the proposals to the canvas or not at all, but not to the picture.

    The graph has no input for the picture's size: the published port removes im_info from the trace, and loses the clip with
    it. The post-processing clips the boxes to the picture.
    """

    def __init__(self, network: Rfcn, canvas_wh: tuple[int, int], clip: Clip) -> None:
        super().__init__()
        self.network, self.canvas_wh, self.clip = network, canvas_wh, clip

    def forward(self, im_data: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        clip_wh = self.canvas_wh if self.clip == "canvas" else None
        found: tuple[Tensor, Tensor, Tensor] = self.network(im_data, clip_wh, self.canvas_wh)
        return found


def onnx_from_checkpoint(target: Path, weights: Path, port: Port, clip: Clip = "canvas") -> None:
    """Write the checkpoint's network as the ONNX file `target`. `clip`: as for `onnx_from_network`.

    Raises:
        CheckpointError: as `network_from_checkpoint`; and the errors of `onnx_from_network`.
    """
    onnx_from_network(target, network_from_checkpoint(weights, port), port.pictures.canvas_wh_px, clip)


def onnx_from_network(target: Path, network: Rfcn, canvas_wh: tuple[int, int], clip: Clip = "canvas") -> None:
    """Write `network` as ONNX: input im_data (1, 3, H, W) float32, outputs rois, cls_prob, bbox_pred.

    clip  what the proposals are clipped to: the canvas, or nothing, as in the published graph

    A warning of the tracer is an error here, because it usually means that the trace froze a number as a constant. Three
    kinds are harmless, and this function ignores them: two say that the exporter is old; the third comes from the `forward`
    of the vendor operators, and the file does not contain that code, because `symbolic` writes the vendor's node instead.

    Raises:
        ValueError: the network is in training mode.
        Warning: the tracer warns.
    """
    if network.training:
        raise ValueError("the network is in training mode, but should be in inference mode; call network.eval() first")
    width, height = canvas_wh
    picture = torch.linspace(-1.0, 1.0, 3 * height * width).reshape(1, 3, height, width)
    on_canvas = _OnCanvas(
        network, canvas_wh, clip
    ).eval()  # after the export the exporter sets this mode on every module inside
    with torch.no_grad(), warnings.catch_warnings():
        on_canvas(picture)  # computes the anchors before the trace begins
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        warnings.filterwarnings(
            "ignore", category=torch.jit._trace.TracerWarning, module=r"rfcn_lib\.source\.operators"
        )
        torch.onnx.export(
            on_canvas,
            (picture,),
            str(target),
            dynamo=False,
            opset_version=spec.OPSET,
            input_names=[spec.INPUT],
            output_names=list(spec.OUTPUTS),
        )
    _declare_shapes(target, network)


def _declare_shapes(target: Path, network: Rfcn) -> None:
    """Write the shapes of the vendor nodes' outputs into the file. No ONNX tool can infer them, or the shapes after them."""
    model = onnx.load(target)
    rows, columns = network.proposals.kept, network.shape.columns
    floats, int32 = onnx.TensorProto.FLOAT, onnx.TensorProto.INT32
    for node in model.graph.node:
        if node.op_type == spec.NMS_OPERATOR:
            shapes: list[tuple[int, ...]] = [(1, rows, 4), (1, rows), (1, rows), (1,)]
        elif node.op_type == spec.POOL_OPERATOR:
            classes = next(attribute.i for attribute in node.attribute if attribute.name == "output_dim")
            shapes = [(rows, classes, spec.GROUP, spec.GROUP)]
        else:
            continue
        kinds = (floats, floats, floats, int32)
        for name, kind, shape in zip(node.output, kinds, shapes, strict=False):
            model.graph.value_info.append(onnx.helper.make_tensor_value_info(name, kind, shape))
    del model.graph.output[:]
    for name, side in zip(spec.OUTPUTS, (5, columns, 4 * columns), strict=True):
        model.graph.output.append(onnx.helper.make_tensor_value_info(name, floats, (1, rows, side)))
    onnx.save(model, target)
