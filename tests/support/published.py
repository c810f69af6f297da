"""Graphs with the traits of the published port's own files, one trait at a time, made of this suite's export.

The traits were read from files that the published scripts made: sizes read at run time, no shapes declared after the vendor's
nodes, the clip lost (torch 1.7) or frozen to the first picture (newer torch), int32 everywhere (rfcn_adapt.py).
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from rfcn_lib.source.network import Rfcn, apply_deltas

INT32_LIMITS = np.iinfo(np.int32)


def sizes_at_run_time(model):
    """Each Reshape reads its size from Shape, Gather, Unsqueeze and Concat of its own input, as a trace without folding does."""
    graph, made = model.graph, []
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    constants |= {
        node.output[0]: numpy_helper.to_array(node.attribute[0].t) for node in graph.node if node.op_type == "Constant"
    }
    for node in graph.node:
        sides = constants.get(node.input[1], ()) if node.op_type == "Reshape" else ()
        if len(sides) > 1:
            at = node.name or node.output[0]
            made += _size_of(at, node.input[0], sides)
            node.input[1] = f"{at}_size"
        made.append(node)
    nodes = [onnx.NodeProto.FromString(node.SerializeToString()) for node in made]
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _size_of(at, source, sides):
    """Nodes that make `<at>_size`: the first side by way of Shape, the others filled, cast and joined."""
    number = lambda name, value: helper.make_node(  # noqa: E731
        "Constant", [], [f"{at}_{name}"], f"{at}_{name}", value=numpy_helper.from_array(np.array(value, np.int64))
    )
    fill = numpy_helper.from_array(np.array([1], np.int64))
    return [
        helper.make_node("Shape", [source], [f"{at}_shape"], f"{at}_Shape"),
        number("zero", 0),
        helper.make_node("Gather", [f"{at}_shape", f"{at}_zero"], [f"{at}_batch"], f"{at}_Gather", axis=0),
        number("none", 0),
        helper.make_node("Mul", [f"{at}_batch", f"{at}_none"], [f"{at}_nothing"], f"{at}_Mul"),
        number("first", int(sides[0])),
        helper.make_node("Add", [f"{at}_nothing", f"{at}_first"], [f"{at}_side"], f"{at}_Add"),
        helper.make_node("Unsqueeze", [f"{at}_side"], [f"{at}_side_1d"], f"{at}_Unsqueeze", axes=[0]),
        number("count", [len(sides) - 1]),
        helper.make_node("ConstantOfShape", [f"{at}_count"], [f"{at}_ones"], f"{at}_ConstantOfShape", value=fill),
        number("rest", [int(side) for side in sides[1:]]),
        helper.make_node("Mul", [f"{at}_ones", f"{at}_rest"], [f"{at}_others"], f"{at}_Mul_others"),
        helper.make_node("Concat", [f"{at}_side_1d", f"{at}_others"], [f"{at}_size"], f"{at}_Concat", axis=0),
    ]


def undeclared(model):
    """No shape is declared after the vendor's nodes, and the outputs' sides are symbolic, as a newer torch writes them."""
    del model.graph.value_info[:]
    for output in model.graph.output:
        sides = output.type.tensor_type.shape.dim
        for index in range(1, len(sides)):
            sides[index].dim_param = f"{output.name}_dim_{index}"
    return model


def int32_everywhere(model):
    """What the published rfcn_adapt.py does: int64 constants become int32, also where ONNX takes int64 only.

    It sets the type of a fill and leaves its 8 bytes; it appends a Cast behind each Shape at the end of the list.
    """
    for tensor in model.graph.initializer:
        if tensor.data_type == TensorProto.INT64:
            tensor.CopyFrom(_as_int32(tensor))
    casts = []
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Constant" and attribute.t.data_type == TensorProto.INT64:
                attribute.t.CopyFrom(_as_int32(attribute.t))
            elif node.op_type == "ConstantOfShape" and attribute.t.data_type == TensorProto.INT64:
                attribute.t.data_type = TensorProto.INT32
            elif node.op_type == "Cast" and attribute.i == TensorProto.INT64:
                attribute.i = TensorProto.INT32
        if node.op_type == "Shape":
            name = node.output[0]
            node.output[0] = f"{name}_before"
            casts.append(helper.make_node("Cast", [node.output[0]], [name], f"{name}_Cast", to=TensorProto.INT32))
    model.graph.node.extend(casts)
    return model


def _as_int32(tensor):
    numbers = numpy_helper.to_array(tensor)
    return numpy_helper.from_array(numbers.clip(INT32_LIMITS.min, INT32_LIMITS.max).astype(np.int32), tensor.name)


class FrozenClip(Rfcn):
    """Clips each column in place, as upstream does, so that a newer tracer writes Clip and ScatterND per column."""

    frozen_wh = (0, 0)

    def propose(self, scores, deltas, clip_wh, canvas_wh):
        from rfcn_lib.source import network

        def in_place(prior, by_anchor):
            boxes = apply_deltas(prior, by_anchor).reshape(1, -1, 4).clone()
            for column, side in enumerate((*self.frozen_wh, *self.frozen_wh)):
                boxes[:, :, column] = boxes[:, :, column].clamp(0, side - 1)
            return boxes.reshape(-1, 4)

        network.apply_deltas = in_place
        try:
            return super().propose(scores, deltas, None, canvas_wh)
        finally:
            network.apply_deltas = apply_deltas


def with_frozen_clip(network, size_wh):
    """The same network, whose proposals are clipped to `size_wh` column by column."""
    copy = FrozenClip(network.shape, network.proposals)
    copy.load_state_dict(network.state_dict())
    copy.frozen_wh = size_wh
    return copy.eval()


def changed(source, target, *traits):
    """Write `source` with these traits to `target`; returns `target`."""
    model = onnx.load(source)
    for trait in traits:
        model = trait(model)
    target.write_bytes(model.SerializeToString())
    return target
