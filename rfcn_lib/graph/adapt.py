"""Change the exported graph for the compiler: int64 values become int32 wherever ONNX accepts int32.

The chip does not run an operator with an int64 Cast or index on its AI Core. The published script changed every int64 to
int32, and then no ONNX tool could read the file. Here the result is valid ONNX and computes the same outputs.

Like the published script, this module assumes that numbers computed at run time fit into int32. A constant that does not fit
must be the open end of a slice (see `rfcn_lib.graph.int64`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import onnx_ir as ir

from rfcn_lib import spec
from rfcn_lib.graph.int64 import (
    INT32,
    INT64,
    AdaptError,
    Clamp,
    clamped,
    gives_only_int64,
    int64_values_left,
    open_ends,
    pinned_slots,
    slots,
)
from rfcn_lib.graph.legal import damaged, read_legal
from rfcn_lib.graph.values import GraphError, fresh_name, infer_types, node_name, stored_tensor


@dataclass(frozen=True, slots=True)
class AdaptReport:
    """What `adapted_from_exported` changed.

    counts   name of a rewrite -> number of changes it made
    left     name of each value that is still int64 -> why
    clamped  every clamped element of a constant, and why the clamp changes nothing
    """

    counts: Mapping[str, int]
    left: Mapping[str, str]
    clamped: tuple[Clamp, ...]


def adapted_from_exported(target: Path, exported: Path) -> AdaptReport:
    """Write the adapted graph of `exported` to `target`. `exported` does not change.

    Of a file in the published int32 form the legal copy is adapted.

    Raises:
        AdaptError: `exported` has another opset than 11; `target` is the same file; or a constant does not fit into int32
            and is not the open end of a slice.
        GraphError: `exported` cannot be read (see `legal.read_legal`), or ONNX finds two types for one value.
    """
    model = _read(exported)
    if target.exists() and target.samefile(exported):
        raise AdaptError(f"the adapted graph would replace the exported one, {exported}; pass another target")
    try:
        proven = open_ends(model, infer_types(model))
        counts = {rewrite.__name__: rewrite(model) for rewrite in REWRITES}
        _declare_types(model)
        report = AdaptReport(
            counts, int64_values_left(model), proven
        )  # checks every type, so it must run before the file is written
    except GraphError:
        raise
    except Exception as error:  # on a damaged file onnx and onnx_ir raise exceptions without a common base class
        raise AdaptError(damaged(exported, error)) from error
    ir.save(model, target, format="protobuf")
    return report


# -- the rewrites: each returns the number of its changes. Run all of them: one alone may leave a node with two types ----


def split_shared_constants(model: ir.Model) -> int:
    """If only some readers of an int64 constant accept int32, give these readers a copy, `<name>_int32`."""
    pinned, fired = pinned_slots(model), 0
    for value, tensor in _int64_constants(model):
        able = [use for use in value.uses() if (use.node, use.idx) not in pinned]
        if not able or all(slot not in pinned for slot in slots(value)):
            continue
        copy = ir.Value(name=fresh_name(model, f"{value.name}_int32"), type=ir.TensorType(INT64), shape=value.shape)
        if producer := value.producer():
            node = ir.Node("", "Constant", [], [ir.AttrTensor("value", tensor)], outputs=[copy], name=copy.name)
            model.graph.insert_after(producer, node)
        else:
            copy.const_value = tensor
            model.graph.register_initializer(copy)
        for use in able:
            use.node.replace_input_with(use.idx, copy)
        fired += 1
    return fired


def initialisers(model: ir.Model) -> int:
    """Change int64 initialisers to int32."""
    return _constants_to_int32(model, lambda value: value.is_initializer())


def constants(model: ir.Model) -> int:
    """Change int64 Constant nodes to int32."""
    return _constants_to_int32(model, lambda value: not value.is_initializer())


def constants_of_shape(model: ir.Model) -> int:
    """Let ConstantOfShape nodes fill with an int32 instead of an int64."""
    pinned, fired = pinned_slots(model), 0
    for node in _nodes(model, "ConstantOfShape"):
        fill = node.attributes["value"].as_tensor() if "value" in node.attributes else None
        if fill is None or fill.dtype != INT64 or node.outputs[0] in pinned:
            continue
        if clamped(number := int(fill.numpy().reshape(-1)[0])) != number:
            raise AdaptError(
                f"{node_name(node)} fills with {number}, but should fill with a number within "
                f"[{spec.INT32_MIN}, {spec.INT32_MAX}]; export the model with a smaller number there"
            )
        node.attributes["value"] = ir.AttrTensor("value", _int32(fill))
        fired += 1
    return fired


def casts_to_int64(model: ir.Model) -> int:
    """Change casts to int64 into casts to int32."""
    pinned, fired = pinned_slots(model), 0
    for node in _nodes(model, "Cast"):
        if node.attributes["to"].as_int() == INT64 and node.outputs[0] not in pinned:
            node.attributes["to"] = ir.AttrInt64("to", INT32)
            fired += 1
    return fired


def cast_after_shape(model: ir.Model) -> int:
    """Put a Cast to int32 between Shape or Size and their readers."""
    return _cast_after(model, lambda node: node.op_type in ("Shape", "Size"))


def cast_after_indices(model: ir.Model) -> int:
    """Put a Cast to int32 between the other outputs that are always int64 (TopK's indices, ArgMax, NonZero) and their readers."""
    return _cast_after(model, lambda node: node.op_type not in ("Shape", "Size"))


REWRITES: Final[tuple[Callable[[ir.Model], int], ...]] = (
    split_shared_constants,
    initialisers,
    constants,
    constants_of_shape,
    casts_to_int64,
    cast_after_shape,
    cast_after_indices,
)


def _constants_to_int32(model: ir.Model, chosen: Callable[[ir.Value], bool]) -> int:
    open_ends(model, {})  # raises AdaptError if a constant must not be clamped
    pinned, fired = pinned_slots(model), 0
    for value, tensor in _int64_constants(model):
        if not chosen(value) or not value.uses() or any(slot in pinned for slot in slots(value)):
            continue
        if producer := value.producer():
            producer.attributes["value"] = ir.AttrTensor("value", _int32(tensor))
        else:
            value.const_value = _int32(tensor)
        value.type = ir.TensorType(INT32)
        fired += 1
    return fired


def _cast_after(model: ir.Model, chosen: Callable[[ir.Node], bool]) -> int:
    pinned, fired = pinned_slots(model), 0
    for node in filter(chosen, tuple(model.graph)):
        for output in node.outputs:
            readers = [use for use in output.uses() if use.node.op_type != "Cast"]  # a Cast accepts both types
            if not readers or output in pinned or not gives_only_int64(model, output):
                continue
            name = fresh_name(model, f"{output.name}_int32")
            cast_value = ir.Value(name=name, type=ir.TensorType(INT32), shape=output.shape)
            cast = ir.Node("", "Cast", [output], [ir.AttrInt64("to", INT32)], outputs=[cast_value], name=name)
            model.graph.insert_after(node, cast)
            for use in readers:
                use.node.replace_input_with(use.idx, cast_value)
            fired += 1
    return fired


def _declare_types(model: ir.Model) -> None:
    """Declare int32 for the inner values that the rewrites made int32."""
    pinned = pinned_slots(model)
    for node in model.graph:
        for output in node.outputs:
            free = stored_tensor(output) is None and output not in pinned and not gives_only_int64(model, output)
            if output.dtype == INT64 and free:
                output.type = ir.TensorType(INT32)


def _int32(tensor: ir.TensorProtocol) -> ir.TensorProtocol:
    numbers = np.clip(tensor.numpy(), spec.INT32_MIN, spec.INT32_MAX)
    return ir.Tensor(np.asarray(numbers, dtype=np.int32), name=tensor.name)


def _int64_constants(model: ir.Model) -> list[tuple[ir.Value, ir.TensorProtocol]]:
    values = (*model.graph.initializers.values(), *(node.outputs[0] for node in _nodes(model, "Constant")))
    found = ((value, stored_tensor(value)) for value in values)
    return [(value, tensor) for value, tensor in found if tensor is not None and tensor.dtype == INT64]


def _nodes(model: ir.Model, operator: str) -> Iterator[ir.Node]:
    return (node for node in tuple(model.graph) if node.op_type == operator and not node.domain)


def _read(source: Path) -> ir.Model:
    model = read_legal(source).model
    if (opset := model.opset_imports.get("")) != spec.OPSET:
        raise AdaptError(f"{source} has opset {opset}, but should have {spec.OPSET}; export it with that opset")
    return model
