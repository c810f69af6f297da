"""Decide which int64 values of a graph may become int32, and why the others may not; prove that clamped constants are safe.

ONNX's schemas say which types an operator accepts, and which of its inputs and outputs must have the same type. A place that
does not accept int32 is pinned to int64. Everything that must have the same type as a pinned place is pinned too.
"""

from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final

import onnx
import onnx_ir as ir

from rfcn_lib import spec
from rfcn_lib.graph.values import (
    ORDER_KEEPING,
    GraphError,
    all_nodes,
    all_values,
    constant_numbers,
    infer_types,
    is_list_concat,
    node_name,
    stored_tensor,
)

INT32, INT64 = ir.DataType.INT32, ir.DataType.INT64
ANY_TYPE: Final = frozenset({"Cast", "ConstantOfShape"})  # an attribute decides the output's type, and we may change it
SLICE_SIDES: Final = {1: "starts", 2: "ends"}

# A slot has one type. It is a value; or, for a constant, one input of a node that reads it, because a constant can be copied
Slot = ir.Value | tuple[ir.Node, int]
Formal = onnx.defs.OpSchema.FormalParameter


class AdaptError(GraphError):
    """The graph cannot be adapted without a change of its outputs, or the file is not a valid exported graph."""


@dataclass(frozen=True, slots=True)
class Clamp:
    """One element of a constant that does not fit into int32, and why its clamped value has the same effect."""

    constant: str
    element: int
    value: int
    clamped: int
    why: str


def slots(value: ir.Value) -> tuple[Slot, ...]:
    """The slots of a value: the value itself; for a constant each input that reads it."""
    if stored_tensor(value) is None:
        return (value,)
    return (*((use.node, use.idx) for use in value.uses()), *((value,) if value.is_graph_output() else ()))


def pinned_slots(model: ir.Model) -> dict[Slot, str]:
    """Every slot that must keep its type -> why, such as "Reshape_12 input 1: ONNX allows only int64 here"."""
    pinned: dict[Slot, str] = {}
    linked: defaultdict[Slot, list[Slot]] = defaultdict(list)
    for graph in model.graphs():
        pinned.update((value, f"graph input {value.name} keeps its declared type") for value in graph.inputs)
        for value in graph.outputs:
            if not gives_only_int64(model, value):  # its readers can get a Cast; the output itself is int64 anyway
                pinned[value] = f"graph output {value.name} keeps its declared type"
    for node in all_nodes(model):
        if any(stored_tensor(output) is not None for output in node.outputs):
            continue
        schema = _schema_or_reason(model, node)
        if isinstance(schema, str):
            for slot in (*_read_slots(node).values(), *node.outputs):
                pinned.setdefault(slot, f"{node_name(node)}: {schema}")
            continue
        groups: defaultdict[str, list[Slot]] = defaultdict(list)
        for index, slot in _read_slots(node).items():
            formal = formal_of(schema.inputs, index)
            if only_int64(formal):
                pinned.setdefault(slot, f"{node_name(node)} input {index}: ONNX allows only int64 here")
            groups[formal.type_str].append(slot)
        for index, output in enumerate(node.outputs):
            groups[formal_of(schema.outputs, index).type_str].append(output)
        for name, (first, *others) in groups.items():
            if "(" not in name:  # a type variable; a fixed type such as `tensor(int64)` links nothing
                for other in others:
                    linked[first].append(other)
                    linked[other].append(first)
    spreading = deque(pinned)
    while spreading:
        slot = spreading.popleft()
        for other in linked[slot]:
            if other not in pinned:
                pinned[other] = pinned[slot]
                spreading.append(other)
    return pinned


def int64_values_left(model: ir.Model) -> dict[str, str]:
    """Name of every int64 value of the graph -> why it is not int32."""
    pinned, values = pinned_slots(model), infer_types(model)
    left = {}
    for value in all_values(model):
        if str(value.name) in values and values[str(value.name)].dtype == INT64:
            producer = value.producer()
            if producer is not None and gives_only_int64(model, value):
                reasons = [f"{node_name(producer)} gives only int64"]
            else:
                reasons = [pinned[slot] for slot in slots(value) if slot in pinned] or ["no node reads it"]
            left[str(value.name)] = "; ".join(dict.fromkeys(reasons))
    return left


def gives_only_int64(model: ir.Model, value: ir.Value) -> bool:
    """True for an output that is always int64, such as those of Shape, ArgMax, NonZero, and TopK's indices."""
    node, index = value.producer(), value.index()
    schema = "an input" if node is None or index is None else _schema_or_reason(model, node)
    return not isinstance(schema, str) and only_int64(formal_of(schema.outputs, index or 0))


def open_ends(model: ir.Model, values: Mapping[str, ir.Value]) -> tuple[Clamp, ...]:
    """Every constant element that would become int32 and does not fit, with the proof that clamping is safe.

    It is safe for a number that means "up to the end" of a slice, if the clamped number still means that.

    values  from `infer_types`: they give the length of the sliced axis. An axis of unknown length counts as shorter than 2**31

    Raises:
        AdaptError: an element has another meaning.
    """
    pinned = pinned_slots(model)
    beyond = []
    for value in all_values(model):
        tensor = stored_tensor(value)
        if tensor is not None and tensor.dtype == INT64:
            readings = [(use.node, use.idx) for use in value.uses() if (use.node, use.idx) not in pinned]
            numbers = [(at, int(n)) for at, n in enumerate(tensor.numpy().reshape(-1)) if clamped(int(n)) != int(n)]
            beyond += [(value, reading, at, number) for reading in readings for at, number in numbers]
    return tuple(
        Clamp(str(value.name), element, number, clamped(number), proof)
        for value, (node, index), element, number in beyond
        for proof in _proofs(node, index, element, f"{value.name}[{element}]", number, values)
    )


def clamped(number: int) -> int:
    """`number`, limited to the range of int32."""
    return min(max(number, spec.INT32_MIN), spec.INT32_MAX)


def _proofs(
    node: ir.Node, index: int, element: int, name: str, number: int, values: Mapping[str, ir.Value]
) -> Iterator[str]:
    """Follow one element of a constant to every slice that reads it. Yield one sentence for each slice.

    index    the input of `node` that reads the constant
    element  the element's place in that input
    """
    why = f"{node_name(node)} ({node.op_type}) reads it"
    passes_on = (node.op_type in ORDER_KEEPING and not node.domain) or is_list_concat(node)
    if passes_on and not node.outputs[0].is_graph_output():
        sizes = [constant_numbers(part) for part in node.inputs[:index]]
        if all(size is not None for size in sizes):
            moved = element + sum(size.size for size in sizes if size is not None)
            for use in node.outputs[0].uses():
                yield from _proofs(use.node, use.idx, moved, name, number, values)
            return
        why = f"its place in the output of {node_name(node)} is computed"
    elif node.op_type == "Slice" and not node.domain and index in SLICE_SIDES:
        if proof := _open_end(node, index, element, number, values):
            yield proof
            return
        why = f"{SLICE_SIDES[index]}[{element}] of {node_name(node)} is not an open end"
    raise AdaptError(
        f"constant {name} is {number}, but should be within [{spec.INT32_MIN}, {spec.INT32_MAX}] or the open end of a "
        f"slice: {why}; export the model with a smaller number there"
    )


def _open_end(node: ir.Node, index: int, element: int, number: int, values: Mapping[str, ir.Value]) -> str | None:
    """The proof that a number is an open end, or None.

    With a positive step a very large end and a very small (negative) start are open. With a negative step it is the very
    small end and the very large start (onnx Slice-11).
    """
    data, _, _, axes, steps = (*node.inputs, None, None)[:5]
    step = 1 if steps is None else _element(steps, element)
    axis = element if axes is None else _element(axes, element)
    if data is None or step is None or axis is None or (SLICE_SIDES[index] == "ends") != ((number > 0) == (step > 0)):
        return None
    shape = values[str(data.name)].shape if str(data.name) in values else None
    length = shape[axis] if shape is not None and -len(shape) <= axis < len(shape) else None
    if isinstance(length, int) and length > spec.INT32_MAX:
        return None
    place = f"the {'end' if number > 0 else 'beginning'} of axis {axis}"
    place += f", {length} long" if isinstance(length, int) else ", whose length int32 can count"
    return f"{SLICE_SIDES[index]}[{element}] of {node_name(node)}: {clamped(number)} is beyond {place}"


def _element(value: ir.Value, element: int) -> int | None:
    numbers = constant_numbers(value)
    return int(numbers[element]) if numbers is not None and element < numbers.size else None


# -- schemas --------------------------------------------------------------------------------------------------------


@cache
def _schema(operator: str, version: int, domain: str) -> onnx.defs.OpSchema | None:
    return onnx.defs.get_schema(operator, version, domain) if onnx.defs.has(operator, version, domain) else None


def schema_of(model: ir.Model, node: ir.Node) -> onnx.defs.OpSchema | None:
    """What ONNX says of the node's operator at the model's opset; None for an operator that is not ONNX's."""
    version = model.opset_imports.get(node.domain)
    return None if version is None else _schema(node.op_type, version, node.domain)


def _schema_or_reason(model: ir.Model, node: ir.Node) -> onnx.defs.OpSchema | str:
    """The node's schema, or a reason why no input or output of this node may change its type."""
    schema = schema_of(model, node)
    if schema is None:
        return "not an ONNX operator, so its types are unknown"
    graphs = (ir.AttributeType.GRAPH, ir.AttributeType.GRAPHS)
    if node.graph is not model.graph or any(attribute.type in graphs for attribute in node.attributes.values()):
        return "part of a branch or a loop"
    read = {formal_of(schema.inputs, index).type_str for index in _read_slots(node)}
    for formal in (*schema.inputs, *schema.outputs):
        if not all(kind.startswith("tensor(") for kind in formal.types):
            return "takes or gives lists of tensors"
    for formal in schema.outputs:
        free = formal.type_str not in read and {"tensor(int32)", "tensor(int64)"} <= formal.types
        if free and node.op_type not in ANY_TYPE:
            return "chooses its output's type itself"
    return schema


def _read_slots(node: ir.Node) -> dict[int, Slot]:
    """Index of an input -> its slot. Absent optional inputs are left out."""
    return {
        index: value if stored_tensor(value) is None else (node, index)
        for index, value in enumerate(node.inputs)
        if value is not None
    }


def formal_of(formals: Sequence[Formal], index: int) -> Formal:
    """What a schema says of the input or output with that index."""
    return formals[min(index, len(formals) - 1)]  # the last one may be variadic


def only_int64(formal: Formal) -> bool:
    """Whether an input or output takes int64, and int32 not."""
    return "tensor(int64)" in formal.types and "tensor(int32)" not in formal.types
