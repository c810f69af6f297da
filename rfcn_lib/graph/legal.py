"""Read a graph as ONNX reads it: a copy with the same outputs, in which the published scripts' departures from ONNX are mended.

The published rfcn_adapt.py makes every int64 an int32, also where ONNX takes int64 only; it keeps the 8 bytes of a fill that it
calls int32; and it puts new nodes at the end of the list. ATC takes that file, and no ONNX tool does.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx_ir as ir
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]  # protobuf ships no types
from onnx_ir.passes.common import TopologicalSortPass

from rfcn_lib import spec
from rfcn_lib.graph.int64 import INT32, INT64, formal_of, only_int64, schema_of
from rfcn_lib.graph.values import GraphError, all_nodes, fresh_name, infer_types, node_name, stored_tensor

LARGEST_FILE_BYTES: Final = 2**31 - 1  # protobuf's own limit on one message


@dataclass(frozen=True, slots=True)
class LegalCopy:
    """A graph that ONNX tools can read, and one sentence for each kind of change; () where the file was legal."""

    model: ir.Model
    notes: tuple[str, ...]


def read_graph(path: Path) -> ir.Model:
    """The graph of a file, as it is.

    Raises:
        GraphError: there is no such file, it is no ONNX, damaged, larger than a protobuf message, or keeps weights elsewhere.
    """
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE_BYTES:
            raise GraphError(f"{path} has {size:,} bytes, but should have at most {LARGEST_FILE_BYTES:,}; is it ONNX?")
        model = ir.load(path, format="protobuf")
    except OSError as error:
        raise GraphError(f"cannot read the graph {path}: {error.strerror}; export it first") from error
    except (DecodeError, ValueError, ir.serde.SerdeError) as error:
        raise GraphError(damaged(path, error)) from error
    if not len(model.graph) and not model.opset_imports:
        raise GraphError(f"{path} holds no graph; is it ONNX, and whole?")
    elsewhere = [str(tensor.location) for tensor in _stored(model) if isinstance(tensor, ir.ExternalTensor)]
    if elsewhere:
        raise GraphError(
            f"{path} keeps weights in other files ({elsewhere[0]}), but should hold them itself; export it as one file"
        )
    return model


def read_legal(path: Path) -> LegalCopy:
    """The graph of a file as ONNX wants it; the file does not change.

    Raises:
        GraphError: as `read_graph` and `legal_copy`, or the file is damaged in another way.
    """
    model = read_graph(path)
    try:
        return legal_copy(model)
    except GraphError:
        raise
    except Exception as error:  # on a damaged file onnx and onnx_ir raise exceptions without a common base class
        raise GraphError(damaged(path, error)) from error


def legal_copy(model: ir.Model) -> LegalCopy:
    """The same graph as ONNX wants it. `model` may change: use the copy from here on.

    Raises:
        GraphError: the graph has a cycle.
    """
    notes = []
    try:
        if TopologicalSortPass()(model).modified:
            notes.append("its nodes are not in the order of computation: sorted in a copy")
    except ValueError as error:
        raise GraphError(
            f"the nodes of the graph feed themselves in a circle ({str(error)[:200]}); export it again"
        ) from error
    fills = _mend_long_fills(model)
    if fills:
        notes.append(
            f"{len(fills)} constants say int32 but hold 8 bytes a number ({fills[0]}): read as int64 in a copy"
        )
    listed = [value for value in model.graph.inputs if value.is_initializer()]
    if listed:
        model.graph.inputs[:] = [value for value in model.graph.inputs if not value.is_initializer()]
        notes.append(
            f"{len(listed)} weights are listed as inputs too ({listed[0].name}), as exporters before IR 4 did: read as constants "
            "in a copy"
        )
    places = _cast_where_only_int64(model)
    if places:
        notes.append(
            f"int32 stands in {len(places)} places where ONNX takes int64 only ({places[0]}), as the published rfcn_adapt.py "
            "writes it: cast in a copy"
        )
    return LegalCopy(model, tuple(notes))


def declare_vendor_outputs(model: ir.Model) -> None:
    """Declare the shapes of the vendor nodes' outputs from their attributes, and the shapes after them by inference.

    No ONNX tool can infer them. A symbolic or missing side of a graph output becomes the number that follows.
    """
    rows = 0
    for node in all_nodes(model):
        numbers = {name: int(a.as_int()) for name, a in node.attributes.items() if a.type == ir.AttributeType.INT}
        if node.op_type == spec.NMS_OPERATOR and (rows := numbers.get("max_total_size", 0)):
            for output, sides in zip(node.outputs, ((1, rows, 4), (1, rows), (1, rows), (1,)), strict=False):
                output.shape = ir.Shape(sides)
                output.type = output.type or ir.TensorType(INT32 if sides == (1,) else ir.DataType.FLOAT)
        elif node.op_type == spec.POOL_OPERATOR and rows and node.outputs:
            maps = (numbers.get("output_dim", 0), numbers.get("pooled_height", 0), numbers.get("pooled_width", 0))
            node.outputs[0].shape = ir.Shape((rows, *maps))
            node.outputs[0].type = node.outputs[0].type or ir.TensorType(ir.DataType.FLOAT)
    open_sided = [value for value in model.graph.outputs if value.shape is None or not value.shape.is_static()]
    declared = {value: value.shape for value in open_sided}
    for node in all_nodes(model):  # what was declared symbolic before would stay so
        for output in node.outputs:
            if output.shape is not None and not output.shape.is_static():
                output.shape = None
    for value in open_sided:
        value.shape = None
    inferred = infer_types(model)
    for value in open_sided:
        found = inferred.get(str(value.name))
        known = found is not None and found.shape is not None and found.shape.is_static()
        value.shape = found.shape if known and found is not None else declared[value]


def damaged(path: Path, error: BaseException) -> str:
    """The sentence about a file that is no whole ONNX."""
    while error.__cause__ is not None:  # onnx_ir names the function that failed, and the cause the reason
        error = error.__cause__
    first, *_ = str(error).splitlines() or [""]
    return f"{path} is damaged or not an ONNX model: {type(error).__name__}: {first[:200]}; export it again"


def _stored(model: ir.Model) -> Iterator[ir.TensorProtocol]:
    for graph in model.graphs():
        yield from (value.const_value for value in graph.initializers.values() if value.const_value is not None)
    for node in all_nodes(model):
        for attribute in node.attributes.values():
            if attribute.type == ir.AttributeType.TENSOR:
                yield attribute.as_tensor()


def _mend_long_fills(model: ir.Model) -> list[str]:
    """Constants that say int32 and hold 8 bytes a number: their names."""
    found = []
    for node in all_nodes(model):
        for name, attribute in tuple(node.attributes.items()):
            if attribute.type == ir.AttributeType.TENSOR and (mended := _mended(attribute.as_tensor())) is not None:
                node.attributes[name] = ir.AttrTensor(name, mended)
                found.append(node_name(node))
    for graph in model.graphs():
        for value in graph.initializers.values():
            if value.const_value is not None and (mended := _mended(value.const_value)) is not None:
                value.const_value = mended
                found.append(str(value.name))
    return found


def _mended(tensor: ir.TensorProtocol) -> ir.TensorProtocol | None:
    if tensor.dtype != INT32 or not isinstance(tensor, ir.TensorProtoTensor):
        return None
    raw = tensor.raw.raw_data
    if len(raw) != 8 * max(1, tensor.size):
        return None
    numbers = np.frombuffer(raw, "<i8").reshape(tensor.shape.numpy())
    return ir.Tensor(np.clip(numbers, spec.INT32_MIN, spec.INT32_MAX).astype(np.int32), name=tensor.name)


def _cast_where_only_int64(model: ir.Model) -> list[str]:
    """Put a Cast to int64 before each input that has int32 where ONNX takes int64 only; returns those places."""
    kinds, found, casts = _dtypes(model), list[str](), dict[ir.Value, ir.Value]()
    for node in tuple(all_nodes(model)):
        schema = schema_of(model, node)
        for index, value in enumerate(node.inputs):
            if schema is None or value is None or kinds.get(value) != INT32:
                continue
            if only_int64(formal_of(schema.inputs, index)):
                if value not in casts:
                    casts[value] = _cast_to_int64(model, value)
                node.replace_input_with(index, casts[value])
                found.append(f"{node_name(node)} input {index}")
    return found


def _cast_to_int64(model: ir.Model, value: ir.Value) -> ir.Value:
    name = fresh_name(model, f"{value.name}_int64")
    cast_value = ir.Value(name=name, type=ir.TensorType(INT64), shape=value.shape)
    cast = ir.Node("", "Cast", [value], [ir.AttrInt64("to", INT64)], outputs=[cast_value], name=name)
    producer = value.producer()
    graph = producer.graph if producer is not None and producer.graph is not None else model.graph
    if producer is None:
        graph.insert_before(next(iter(graph)), cast)
    else:
        graph.insert_after(producer, cast)
    return cast_value


def _dtypes(model: ir.Model) -> dict[ir.Value, ir.DataType]:
    """The type of each value as its operator's schema gives it; ONNX's own inference stops at the first wrong type."""
    kinds: dict[ir.Value, ir.DataType] = {}
    for graph in model.graphs():
        for value in (*graph.inputs, *graph.initializers.values()):
            tensor = value.const_value
            kind = tensor.dtype if tensor is not None else value.dtype
            if kind is not None:
                kinds[value] = kind
    for node in all_nodes(model):
        schema = schema_of(model, node)
        for index, output in enumerate(node.outputs):
            tensor = stored_tensor(output)
            if tensor is not None:
                kinds[output] = tensor.dtype
            elif node.op_type == "Cast" and "to" in node.attributes:
                kinds[output] = ir.DataType(node.attributes["to"].as_int())
            elif node.op_type == "ConstantOfShape":
                fill = node.attributes.get("value")
                kinds[output] = fill.as_tensor().dtype if fill is not None else ir.DataType.FLOAT
            elif schema is not None:
                formal = formal_of(schema.outputs, index)
                alike = (
                    kinds[value]
                    for place, value in enumerate(node.inputs)
                    if value in kinds and formal_of(schema.inputs, place).type_str == formal.type_str
                )
                kind = next(alike, INT64 if only_int64(formal) else None)
                if kind is not None:
                    kinds[output] = kind
    return kinds
