"""Round a graph's numbers to fp16 where the compiled model keeps them in fp16. The arithmetic between stays float32.

The chip's cube unit multiplies fp16 numbers and adds the products in float32; the sum is rounded once, when it is stored. So
here every weight, the input and every computed tensor goes through fp16 and back. Above 65504 fp16 has infinity, below 6.1e-5
subnormal numbers, below 3e-8 zero.
"""

from typing import Final, Literal

import numpy as np
import onnx_ir as ir

from rfcn_lib.errors import SuiteError
from rfcn_lib.graph.inspect import DATA_INPUTS
from rfcn_lib.graph.values import Names, all_nodes, all_values, infer_types, stored_tensor

FLOAT, FLOAT16 = ir.DataType.FLOAT, ir.DataType.FLOAT16
# their outputs hold numbers of their inputs, which are rounded already
MOVING: Final = frozenset(DATA_INPUTS) | {
    "Clip", "Concat", "Constant", "ConstantOfShape", "Max", "MaxPool", "Min", "Pad", "Relu", "TopK", "Where",
}  # fmt: skip
PRODUCTS: Final = {"Conv": (0, 1), "Gemm": (0, 1), "MatMul": (0, 1)}  # operator -> what the cube unit multiplies

Rounds = Literal["everything", "products", "nothing"]

GUIDE: Final = "hicann/ge ATC user guide, --precision_mode"
ASSUMED: Final = (
    "assumed to keep every float operator in fp16, as force_fp16: which ones it keeps in float32 is not known"
)
MODES: Final[dict[str, tuple[Rounds, str]]] = {  # precision mode -> what is rounded, and what was assumed
    "force_fp16": ("everything", ""),
    "must_keep_origin_dtype": ("nothing", ""),
    "force_fp32": ("nothing", ""),
    "cube_fp16in_fp32out": ("products", ""),
    "allow_mix_precision": ("everything", ASSUMED),
    "allow_mix_precision_fp16": ("everything", ASSUMED),
}
BY_DEFAULT: Final = "force_fp16"  # atc's own (hicann/ge ATC user guide, --precision_mode)


class RehearsalError(SuiteError):
    """The facts about the chip or the compiler do not carry the rehearsal that was asked for."""


def rounds_in(precision_mode: str | None) -> tuple[Rounds, str]:
    """What a precision mode rounds to fp16, and what was assumed of it, "" for nothing. None: atc's default.

    Raises:
        RehearsalError: the facts do not say what the mode keeps in which type.
    """
    mode = precision_mode or BY_DEFAULT
    if mode not in MODES:
        raise RehearsalError(
            f"--precision-mode={mode} cannot be rehearsed: which operators it keeps in which type is not known; rehearse "
            f"one of {', '.join(MODES)}"
        )
    return MODES[mode]


def round_to_fp16(model: ir.Model, rounds: Rounds) -> dict[str, ir.Value]:
    """Put the rounding into the graph, in place. Weights are rounded here.

    Returns:
        The tensors that are rounded at run time: name -> the value before it is rounded.

    Raises:
        GraphError: ONNX finds two types for one value.
    """
    if rounds == "nothing":
        return {}
    if rounds == "products":
        return _round_products(model)
    for value in tuple(all_values(model)):
        _round_constant(value)
    values, names, rounded = infer_types(model), Names(model), dict[str, ir.Value]()
    for value in model.graph.inputs:
        if value.dtype == FLOAT:
            rounded[str(value.name)] = value
            _round_after(model, names, value)
    for node in tuple(model.graph):
        if node.op_type in MOVING and not node.domain:
            continue
        for output in node.outputs:
            known = values.get(str(output.name))
            if (known.dtype if known is not None and known.dtype is not None else output.dtype) == FLOAT:
                rounded[str(output.name)] = output
                _round_after(model, names, output)
    return rounded


def _round_products(model: ir.Model) -> dict[str, ir.Value]:
    """Round what Conv, Gemm and MatMul multiply, not what they give."""
    names, rounded = Names(model), dict[ir.Value, ir.Value]()
    for node in tuple(all_nodes(model)):
        for index in PRODUCTS.get(node.op_type, ()) if not node.domain else ():
            value = node.inputs[index]
            if value is None:
                continue
            if stored_tensor(value) is not None:
                _round_constant(value)
                continue
            if value not in rounded:
                rounded[value] = _through_fp16(model, names, value, before=node)
            node.replace_input_with(index, rounded[value])
    return {str(value.name): value for value in rounded}


def _round_constant(value: ir.Value) -> None:
    tensor = stored_tensor(value)
    if tensor is None or tensor.dtype != FLOAT:
        return
    with np.errstate(over="ignore"):
        numbers = np.asarray(tensor.numpy().astype(np.float16).astype(np.float32))
    producer, fresh = value.producer(), ir.Tensor(numbers, name=tensor.name)
    if producer is None:
        value.const_value = fresh
    else:
        producer.attributes["value"] = ir.AttrTensor("value", fresh)


def _round_after(model: ir.Model, names: Names, value: ir.Value) -> None:
    """All readers of the value, and the graph's output, get the rounded one, under the same name at an output."""
    uses, outputs = tuple(value.uses()), [i for i, output in enumerate(model.graph.outputs) if output is value]
    if not uses and not outputs:
        return
    first = value.producer() or next(iter(model.graph))
    rounded = _through_fp16(model, names, value, after=value.producer(), before=None if value.producer() else first)
    for use in uses:
        use.node.replace_input_with(use.idx, rounded)
    if outputs:
        name = value.name
        value.name = names.fresh(f"{name}_float32")
        rounded.name, rounded.shape, rounded.type = name, value.shape, value.type
        for index in outputs:
            model.graph.outputs[index] = rounded


def _through_fp16(
    model: ir.Model, names: Names, value: ir.Value, *, after: ir.Node | None = None, before: ir.Node | None = None
) -> ir.Value:
    half = ir.Value(name=names.fresh(f"{value.name}_fp16"), type=ir.TensorType(FLOAT16), shape=value.shape)
    rounded = ir.Value(name=names.fresh(f"{value.name}_rounded"), type=ir.TensorType(FLOAT), shape=value.shape)
    down = ir.Node("", "Cast", [value], [ir.AttrInt64("to", FLOAT16)], outputs=[half], name=str(half.name))
    up = ir.Node("", "Cast", [half], [ir.AttrInt64("to", FLOAT)], outputs=[rounded], name=str(rounded.name))
    if after is not None:
        model.graph.insert_after(after, [down, up])
    elif before is not None:
        model.graph.insert_before(before, [down, up])
    return rounded
