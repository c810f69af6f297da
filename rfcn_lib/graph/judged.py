"""The copy of a graph that the criteria read: legal ONNX, every shape declared, nothing left to compute of constants."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import onnx_ir as ir

from rfcn_lib import spec
from rfcn_lib.graph.fold import fold
from rfcn_lib.graph.inspect import (
    TensorSpec,
    dynamic_parts,
    inputs_and_outputs,
    opset_imports,
    unread_inputs,
    vendor_nodes,
)
from rfcn_lib.graph.legal import declare_vendor_outputs, read_legal
from rfcn_lib.port import Port

VENDOR_OPERATORS: Final = (spec.NMS_OPERATOR, spec.POOL_OPERATOR, spec.POOL_OPERATOR)


@dataclass(frozen=True, slots=True)
class JudgedGraph:
    """`notes`: one sentence for each kind of change that the copy needed; () for a file of this suite."""

    model: ir.Model
    notes: tuple[str, ...]


def graph_to_judge(path: Path) -> JudgedGraph:
    """The copy of the graph in a file; the file does not change.

    Raises:
        GraphError: the file cannot be read, or ONNX finds a contradiction in it.
    """
    legal = read_legal(path)
    declare_vendor_outputs(legal.model)
    folded = fold(legal.model)
    declare_vendor_outputs(legal.model)  # a shape that was computed is known now
    if not folded:
        return JudgedGraph(legal.model, legal.notes)
    operators = ", ".join(f"{operator} {count}" for operator, count in sorted(folded.items()))
    note = (
        f"{folded.total()} nodes compute fixed sizes and constants ({operators}): folded in a copy, as ATC folds them"
    )
    return JudgedGraph(legal.model, (*legal.notes, note))


def face_faults(model: ir.Model, port: Port) -> tuple[str, ...]:
    """One sentence for each difference between the graph's inputs and outputs and what the port agrees on.

    An input that no node reads is not among them: see `inspect.unread_inputs`. The dumps of the vendor's tool are numbered by
    the order of the outputs, so another order is a fault.
    """
    width, height = port.pictures.canvas_wh_px
    rows, columns = port.proposals.kept, len(port.classes) + 1
    inputs, outputs = inputs_and_outputs(model)
    unread = unread_inputs(model)
    read = tuple(value for value in inputs if value.name not in unread)
    wanted: tuple[TensorSpec, ...] = (TensorSpec(spec.INPUT, "float32", (1, 3, height, width)),)
    faults = []
    if read != wanted:
        faults.append(
            f"its inputs are {_words(read)}, but should be {_words(wanted)}; the port's canvas is [pictures] canvas_wh_px of "
            "--port=FILE"
        )
    sides = (5, columns, 4 * columns)
    wanted = tuple(TensorSpec(name, "float32", (1, rows, side)) for name, side in zip(spec.OUTPUTS, sides, strict=True))
    if outputs != wanted:
        order = sorted(outputs) == sorted(wanted)
        why = "the dumps are numbered by their order" if order else f"is it a graph of the port {port.name!r}?"
        faults.append(f"its outputs are {_words(outputs)}, but should be {_words(wanted)}: {why}")
    return tuple(faults)


def faults_for_a_run(path: Path, port: Port) -> tuple[str, ...]:
    """Why the pictures cannot go through a given graph, a sentence each; () is right.

    Raises:
        GraphError: see `graph_to_judge`.
    """
    model = graph_to_judge(path).model
    found = list(face_faults(model, port))
    found += [
        f"no node reads its input {name}, but the om would ask for it; export without it"
        for name in unread_inputs(model)
    ]
    if sorted(node.operator for node in vendor_nodes(model)) != sorted(VENDOR_OPERATORS):
        names = ", ".join(sorted(node.operator for node in vendor_nodes(model))) or "none"
        found.append(f"its nodes of the vendor are {names}, but should be {', '.join(VENDOR_OPERATORS)}")
    found += [fault for node in vendor_nodes(model) for fault in node.faults]
    if (imports := opset_imports(model)) != {"": spec.OPSET}:
        found.append(f"it imports {imports}, but should import the default domain alone, opset {spec.OPSET}")
    found += dynamic_parts(model)[:3]
    return tuple(found)


def _words(values: Iterable[TensorSpec]) -> str:
    return ", ".join(f"{name} {dtype} {list(shape)}" for name, dtype, shape in values) or "none"
