"""Headroom of any graph that ONNX Runtime runs, in float32: all its tensors measured as a rehearsed graph measures its own."""

import onnx_ir as ir

from rfcn_lib import spec
from rfcn_lib.devices.rehearsal import session
from rfcn_lib.graph.legal import read_graph
from rfcn_lib.graph.rehearsal.headroom import of_picture, tensors_of, together, worst_first
from rfcn_lib.graph.rehearsal.measuring import add_measuring
from rfcn_lib.graph.values import all_values, infer_types


def measuring_copy(path):
    """A copy beside `path` that measures every float tensor and has no other outputs."""
    model = read_graph(path)
    every = {str(value.name): value for value in all_values(model)}
    _, computed = tensors_of(path)
    types = infer_types(model)
    model.graph.outputs.clear()
    add_measuring(model, {row.tensor: every[row.tensor] for row in computed}, types)
    copy = path.with_name(f"measuring_{path.name}")
    ir.save(model, copy)
    return copy


def load(path):
    """(id, im_data) -> the rows of that picture and of the weights."""
    weights, computed = tensors_of(path)
    loaded = session(measuring_copy(path))
    names = [output.name for output in loaded.get_outputs()]

    def measure(id, im_data):
        numbers = dict(zip(names, loaded.run(names, {spec.INPUT: im_data}), strict=True))
        return together([weights, of_picture(computed, id, numbers)])

    return measure


def measure(path, pictures):
    run = load(path)
    return worst_first(together(run(id, im_data) for id, im_data in pictures))
