"""Read facts from a graph; the tests judge them. No function here runs or changes a model.

Every function takes an `onnx_ir.Model`: `ir.load(path)` or `ir.from_proto(proto)`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import onnx
import onnx_ir as ir

from rfcn_lib import spec
from rfcn_lib.graph.values import all_nodes, all_values, infer_types, node_name, shape_of, stored_tensor

# A graph for atc has one shape per value and no branches. The output shapes of these operators depend on run-time numbers,
# or only the run decides whether they run
DYNAMIC_OPERATORS = frozenset({
    "Compress", "ConcatFromSequence", "If", "Loop", "NonMaxSuppression", "NonZero", "Scan", "SequenceAt",
    "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength", "Shape", "Size",
    "SplitToSequence", "Unique",
})  # fmt: skip
SHAPE_INPUTS = {  # operator -> the inputs whose numbers decide a shape (onnx/defs, opset 11)
    "ConstantOfShape": (0,), "Expand": (1,), "OneHot": (1,), "Pad": (1,), "Range": (0, 1, 2), "Reshape": (1,),
    "Resize": (1, 2, 3), "Slice": (1, 2, 3, 4), "Tile": (1,), "TopK": (1,),
}  # fmt: skip
DATA_INPUTS = {  # operator that moves numbers without changing them -> the inputs that the numbers come from
    "Cast": (0,), "Expand": (0,), "Flatten": (0,), "Gather": (0,), "GatherElements": (0,), "GatherND": (0,),
    "Identity": (0,), "Reshape": (0,), "ScatterElements": (0, 2), "ScatterND": (0, 2), "Slice": (0,), "Split": (0,),
    "Squeeze": (0,), "Tile": (0,), "Transpose": (0,), "Unsqueeze": (0,),
}  # fmt: skip


class TensorSpec(NamedTuple):
    """One input or output of a graph: name, numpy dtype such as "float32", shape.

    A symbolic side of the shape is its name, an unknown side is None.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True, slots=True)
class VendorNode:
    """One node of a vendor operator: its attributes, and one sentence for each fault that atc's parser would not report."""

    name: str
    operator: str
    attributes: Mapping[str, object]
    faults: tuple[str, ...]


def inputs_and_outputs(model: ir.Model) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The graph's inputs and its outputs, in the graph's order."""
    return tuple(map(_tensor_spec, model.graph.inputs)), tuple(map(_tensor_spec, model.graph.outputs))


def unread_inputs(model: ir.Model) -> tuple[str, ...]:
    """Names of graph inputs that no node reads. The om would still have these inputs."""
    return tuple(str(value.name) for value in model.graph.inputs if not value.uses() and not value.is_graph_output())


def dynamic_parts(model: ir.Model) -> tuple[str, ...]:
    """One sentence for each side, operator or computed size that makes a shape depend on run-time numbers; () is right."""
    found = [
        f"{value.name} has {'no shape' if value.shape is None else shape_of(value)}, but should have a fixed shape"
        for value in all_values(model)
        if _dynamic(value)
    ]
    for node in all_nodes(model):
        if not node.domain and node.op_type in DYNAMIC_OPERATORS:
            found.append(
                f"{node_name(node)} is a {node.op_type}, but every shape and branch should be decided at export"
            )
        for index in SHAPE_INPUTS.get(node.op_type, ()) if not node.domain else ():
            size = node.inputs[index] if index < len(node.inputs) else None
            if size is not None and not _made_of_constants(size):
                found.append(
                    f"{node_name(node)} ({node.op_type}) reads a computed size or place, input {index}, but should read a "
                    "constant"
                )
    return tuple(found)


def vendor_nodes(model: ir.Model) -> tuple[VendorNode, ...]:
    """The nodes of the vendor's two operators, in any domain. `faults` compares each with `spec.VENDOR_ATTRIBUTES`."""
    found = []
    for node in all_nodes(model):
        if node.op_type not in spec.VENDOR_ATTRIBUTES:
            continue
        wanted, faults = spec.VENDOR_ATTRIBUTES[node.op_type], []
        if node.domain:
            faults.append(f"{node_name(node)} is in domain {node.domain!r}, but should be in the default one")
        for name, kind in wanted.items():
            if name not in node.attributes:
                faults.append(f"{node_name(node)} lacks attribute {name}, which should be {_article(kind)}")
            elif (got := node.attributes[name].type.name) != kind:
                faults.append(f"{node_name(node)} has {name} as {_article(got)}, but should have {_article(kind)}")
        faults += [
            f"{node_name(node)} has attribute {name}, but should have only {', '.join(wanted)}"
            for name in sorted(set(node.attributes) - set(wanted))
        ]
        attributes = {name: attribute.value for name, attribute in node.attributes.items()}
        found.append(VendorNode(node_name(node), node.op_type, attributes, tuple(faults)))
    return tuple(found)


def foreign_operators(model: ir.Model) -> frozenset[str]:
    """Operators that ONNX does not define at the model's opset. Outside the default domain: `domain::Operator`."""
    found = set()
    for node in all_nodes(model):
        version = model.opset_imports.get(node.domain)
        if version is None or not onnx.defs.has(node.op_type, version, node.domain):
            found.add(f"{node.domain}::{node.op_type}" if node.domain else node.op_type)
    return frozenset(found)


def opset_imports(model: ir.Model) -> dict[str, int]:
    """Domain -> version. This should be {"": 11}: atc takes exactly one domain (its error E16005)."""
    return dict(model.opset_imports)


def rois_layout_faults(model: ir.Model, kept: int) -> tuple[str, ...]:
    """One sentence for each pooling whose rois do not have the shape (1, 5, kept), the layout of the vendor's operator.

    The operator would read (kept, 5) or (1, kept, 5) as other boxes, without an error. A shape that the file does not declare
    and ONNX cannot infer is a fault too.
    """
    faults, values = [], infer_types(model)
    for node in all_nodes(model):
        if node.op_type != spec.POOL_OPERATOR:
            continue
        rois = values.get(str(node.inputs[1].name)) if len(node.inputs) > 1 and node.inputs[1] else None
        if rois is None or rois.shape is None:
            faults.append(f"{node_name(node)} reads rois of unknown shape, but should read (1, 5, {kept}); declare it")
        elif shape_of(rois) != (1, 5, kept):
            faults.append(f"{node_name(node)} reads rois of shape {shape_of(rois)}, but should read (1, 5, {kept})")
    return tuple(faults)


def _dynamic(value: ir.Value) -> bool:
    """Whether a declared side is not fixed, or a graph input or output has no shape. Inner values may have no shape."""
    if value.shape is None:
        return value.is_graph_input() or value.is_graph_output()
    return not all(isinstance(side, int) for side in value.shape)


def _made_of_constants(value: ir.Value) -> bool:
    """True if no graph input and no operator of DYNAMIC_OPERATORS is upstream, so the value never changes."""
    waiting, visited = [value], {value}
    while waiting:
        upper = waiting.pop()
        if stored_tensor(upper) is not None:
            continue
        producer = upper.producer()
        if producer is None or (producer.op_type in DYNAMIC_OPERATORS and not producer.domain):
            return False
        fresh = [source for source in producer.inputs if source is not None and source not in visited]
        visited.update(fresh)
        waiting += fresh
    return True


def _tensor_spec(value: ir.Value) -> TensorSpec:
    return TensorSpec(
        str(value.name), str(value.dtype.numpy()) if value.dtype is not None else "unknown", shape_of(value)
    )


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
