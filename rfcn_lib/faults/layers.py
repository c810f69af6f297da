"""Faults of the body's layers: attributes, shortcuts, activations."""

from functools import partial
from typing import Final

import onnx_ir as ir

from rfcn_lib.faults.fault import FaultError, GraphFault
from rfcn_lib.faults.surgery import (
    apply,
    backbone,
    between,
    constant,
    convolutions,
    heads,
    nodes_of,
    only,
    read,
    readers_of,
    redirect,
    residual_sums,
    step,
    upstream,
)
from rfcn_lib.faults.weights import kernel_side

INT8_STEPS: Final = 127


def dilation(sides: int, model: ir.Model) -> None:
    """The dilated convolutions get another dilation, with the padding that keeps the size."""
    found = [node for node in convolutions(model) if max(_ints(node, "dilations")) > 1]
    if not found:
        raise FaultError("the graph has no dilated convolution")
    for node in found:
        node.attributes["dilations"] = ir.AttrInt64s("dilations", [sides] * 2)
        node.attributes["pads"] = ir.AttrInt64s("pads", [sides] * 4)


def stride_in_middle(model: ir.Model) -> None:
    """The stride of the last strided block is in its 3x3 convolution, and not in the first 1x1."""
    strided = [node for node in backbone(model) if max(_ints(node, "strides")) > 1 and kernel_side(node) == 1]
    if not strided:
        raise FaultError("the graph has no 1x1 convolution with a stride")
    source = read(strided[-1])
    first = next(node for node in strided if read(node) is source)  # the other one is the projection
    middle = next(node for node in backbone(model) if kernel_side(node) == 3 and upstream(read(node), "Conv") is first)
    middle.attributes["strides"] = first.attributes["strides"]
    first.attributes["strides"] = ir.AttrInt64s("strides", [1, 1])


def residual_dropped(model: ir.Model) -> None:
    """The middle block's shortcut is left out."""
    sums = residual_sums(model)
    node = sums[len(sums) // 2]
    branch = next(one for one in node.inputs if one is not None and _made_by(one) == "Conv")
    redirect(model, readers_of(node.outputs[0]), node.outputs[0], branch)


def relu_dropped(model: ir.Model) -> None:
    """The middle block's last activation is left out."""
    sums = residual_sums(model)
    added = sums[len(sums) // 2].outputs[0]
    relu = next(node for node, _ in readers_of(added) if node.op_type == "Relu")
    redirect(model, readers_of(relu.outputs[0]), relu.outputs[0], added)


def relu_with_limit(limit: float, model: ir.Model) -> None:
    """Activations are clipped above."""
    body = {node.outputs[0] for node in (*backbone(model), *residual_sums(model))}
    for node in nodes_of(model, "Relu"):
        if node.inputs[0] in body:
            between(model, node.outputs[0], "Min", limit)


def pool_padded(model: ir.Model) -> None:
    """The max-pool pads 1 px on each side and rounds its size down, as torchvision's ResNet does."""
    node = only(model, "MaxPool")
    node.attributes["pads"] = ir.AttrInt64s("pads", [1, 1, 1, 1])
    node.attributes["ceil_mode"] = ir.AttrInt64("ceil_mode", 0)


def pool_averages(model: ir.Model) -> None:
    """The max-pool became an average pool."""
    node = only(model, "MaxPool")
    kept = {name: node.attributes[name].as_ints() for name in ("kernel_shape", "pads", "strides")}
    readers = readers_of(node.outputs[0])
    found = step(model, "AveragePool", read(node), ceil_mode=1, **kept)
    redirect(model, readers, node.outputs[0], found)


def stem_padded_right(model: ir.Model) -> None:
    """The first convolution pads less at the left and above, and more at the right and below (SAME of TensorFlow)."""
    pads = _ints(backbone(model)[0], "pads")
    backbone(model)[0].attributes["pads"] = ir.AttrInt64s("pads", [pads[0] - 1, pads[1] - 1, pads[2] + 1, pads[3] + 1])


def activations_in_int8(model: ir.Model) -> None:
    """The features that the RPN and the heads read have 8 bits: 255 steps of a sixteenth, and nothing above."""
    features = residual_sums(model)
    relu = next(node for node, _ in readers_of(_last_shared(model, features)) if node.op_type == "Relu").outputs[0]
    readers, unit = readers_of(relu), constant(model, 1 / 16)
    steps = step(model, "Floor", step(model, "Add", step(model, "Div", relu, unit), 0.5))
    redirect(model, readers, relu, step(model, "Mul", step(model, "Min", steps, 255.0), unit))


def _last_shared(model: ir.Model, sums: list[ir.Node]) -> ir.Value:
    """The last residual sum before the RPN."""
    node = upstream(read(only(model, "TopK")), "Add")
    return node.outputs[0] if node in sums else sums[-1].outputs[0]


def halves_exchanged(model: ir.Model) -> None:
    """The two halves of the channels that the heads read are exchanged, as a split and a join in the wrong order leave them."""
    maps = read(upstream(read(heads(model)[0]), "Conv"))
    readers = readers_of(maps)
    halves = apply(model, "Split", maps, outputs=2, axis=1)
    redirect(model, readers, maps, step(model, "Concat", halves[1], halves[0], axis=1))


def _ints(node: ir.Node, name: str) -> list[int]:
    return [*node.attributes[name].as_ints()] if name in node.attributes else [1, 1]


def _made_by(value: ir.Value) -> str:
    producer = value.producer()
    return producer.op_type if producer else ""


FAULTS: Final = (
    GraphFault(
        "dilation-lost", "backbone",
        "The dilated 3x3 convolutions of layer4 have dilation 1. They should have 2, with padding 2.",
        partial(dilation, 1),
    ),
    GraphFault(
        "dilation-four", "backbone",
        "The dilated 3x3 convolutions of layer4 have dilation 4. They should have 2, with padding 2.",
        partial(dilation, 4),
    ),
    GraphFault(
        "stride-in-3x3", "backbone",
        "The stride of layer3 is in the 3x3 convolution, as in torchvision's ResNet. In the Caffe arrangement the "
        "first 1x1 convolution has it.", stride_in_middle,
    ),
    GraphFault(
        "residual-dropped", "backbone",
        "One block's shortcut is not added. Compare the block in the middle of the body with the source model.",
        residual_dropped,
    ),
    GraphFault(
        "relu-dropped", "backbone",
        "One block has no ReLU at its end. Look at the fusion of Add and Relu in the middle of the body.",
        relu_dropped,
    ),
    GraphFault(
        "relu-clipped-at-6", "backbone",
        "Activations of the body are clipped at 6 (ReLU6). The network has a plain ReLU.",
        partial(relu_with_limit, 6.0),
    ),
    GraphFault(
        "pool-padded", "backbone",
        "The first max-pool pads 1 px on each side, as torchvision's ResNet does. It should not pad, and round its "
        "size up (ceil_mode).", pool_padded,
    ),
    GraphFault("pool-averages", "backbone", "The first pooling averages. It should take the maximum.", pool_averages),
    GraphFault(
        "stem-padded-at-the-end", "backbone",
        "The first convolution pads 2 px left and above, and 4 px right and below. It should pad 3 px on each side.",
        stem_padded_right,
    ),
    GraphFault(
        "feature-halves-exchanged", "backbone",
        "The two halves of the channels that the heads read are exchanged. Look for a split and a join in the wrong"
        " order.", halves_exchanged,
    ),
    GraphFault(
        "features-in-int8", "backbone",
        "The features that the RPN and layer4 read have 8 bits. Look at quantisation.", activations_in_int8,
    ),
)  # fmt: skip
