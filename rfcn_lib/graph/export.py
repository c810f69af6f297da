"""PyTorch network -> the ONNX file the compiler is given: opset 11, static shapes, one input, three outputs."""

import warnings
from pathlib import Path

import onnx
import torch
from torch import Tensor, nn

from rfcn_lib import spec
from rfcn_lib.port import Port
from rfcn_lib.source.checkpoint import network_from_checkpoint
from rfcn_lib.source.network import Rfcn


class _OnCanvas(nn.Module):
    """The network on one canvas, whose proposals are clipped to that canvas, on purpose.

    The published port takes im_info out of the trace, so no input can say how large the picture is. The last clip, to
    the picture itself, is post-processing's.
    """

    def __init__(self, network: Rfcn, canvas_wh: tuple[int, int]) -> None:
        super().__init__()
        self.network, self.canvas_wh = network, canvas_wh

    def forward(self, im_data: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        found: tuple[Tensor, Tensor, Tensor] = self.network(im_data, self.canvas_wh, self.canvas_wh)
        return found


def onnx_from_checkpoint(target: Path, weights: Path, port: Port) -> None:
    """Write the checkpoint's network as ONNX at `target`. Errors: CheckpointError, and as `onnx_from_network`."""
    onnx_from_network(target, network_from_checkpoint(weights, port), port.pictures.canvas_wh_px)


def onnx_from_network(target: Path, network: Rfcn, canvas_wh: tuple[int, int]) -> None:
    """Write `network` as ONNX: input im_data (1, 3, H, W) float32, outputs rois, cls_prob, bbox_pred.

    The network is left in inference mode, as it came. Any warning of the tracer is an error, for it usually means a
    frozen constant. Known and harmless: two about the exporter's age, and those from inside the vendor operators'
    forwards, which `symbolic` replaces in the file.
    """
    if network.training:
        raise ValueError("the network is in training mode, but only inference is exported; call network.eval() first")
    width, height = canvas_wh
    picture = torch.linspace(-1.0, 1.0, 3 * height * width).reshape(1, 3, height, width)
    face = _OnCanvas(network, canvas_wh).eval()  # the exporter puts the mode it finds here back on every module inside
    with torch.no_grad(), warnings.catch_warnings():
        face(picture)  # anchors are computed here, before the tracer listens
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        warnings.filterwarnings(
            "ignore", category=torch.jit._trace.TracerWarning, module=r"rfcn_lib\.source\.operators"
        )
        torch.onnx.export(
            face,
            (picture,),
            str(target),
            dynamo=False,
            opset_version=spec.OPSET,
            input_names=[spec.INPUT],
            output_names=list(spec.OUTPUTS),
        )
    _declare(target, network)


def _declare(target: Path, network: Rfcn) -> None:
    """Write the shapes of the vendor nodes' outputs into the file: no ONNX tool can infer them, nor anything after them."""
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
