"""Make the rehearsed graph: the graph for the compiler with the chip's rounding and the chip's two vendor kernels."""

from pathlib import Path
from typing import Final, Literal

import onnx
import onnx_ir as ir

from rfcn_lib import spec
from rfcn_lib.graph.host_definitions import HOST_DOMAIN
from rfcn_lib.graph.rehearsal.both_orders import OTHER as OTHER
from rfcn_lib.graph.rehearsal.both_orders import OTHER_NMS, copy_what_follows_nms
from rfcn_lib.graph.rehearsal.facts import Statement
from rfcn_lib.graph.rehearsal.kernels import Kernels, chip_functions, statements
from rfcn_lib.graph.rehearsal.measuring import add_measuring
from rfcn_lib.graph.rehearsal.rounding import GUIDE, round_to_fp16, rounds_in
from rfcn_lib.graph.twin import vendor_model
from rfcn_lib.graph.values import infer_types
from rfcn_lib.graph.vendor_facts import NMS_FP16_ONLY, OPS_INFO, chip_family

Effect = Literal["fp16", "nms", "pool"]
EFFECTS: Final[tuple[Effect, ...]] = ("fp16", "nms", "pool")  # rounding, the NMS kernel, the pooling kernel's corners
Ties = Literal["first", "last"]
Orders = Literal["first", "last", "both"]


def rehearsed_from_vendor(
    target: Path,
    vendor: Path,
    soc: str,
    precision_mode: str | None = None,
    effects: tuple[Effect, ...] = EFFECTS,
    ties: Orders = "first",
    measure: bool = False,
) -> None:
    """Write the rehearsed graph of the graph in `vendor` to the file `target`. `vendor` does not change.

    soc             the chip, such as "Ascend310P3"
    precision_mode  as for atc; None: atc's default
    effects         which of the chip's effects are rehearsed
    ties            which of two equal scores NMS takes first; the vendor does not promise an order. "both": the graph has the
                    outputs of "first", and those of "last" under names that end in `both_orders.OTHER`
    measure         the graph has one more output for each tensor that it rounds, see `measuring.add_measuring`

    Raises:
        RehearsalError: the facts do not carry the precision mode.
        BothOrdersError: the part after NMS cannot be copied.
        PreflightError: no facts about the chip are known.
        TwinError, GraphError: as for the twin.
    """
    rounds, _ = rounds_in(precision_mode)
    model = vendor_model(vendor)
    family, fp16 = chip_family(soc), rounds == "everything"
    functions = chip_functions(model, family, _kernels(effects, "last" if ties == "last" else "first", fp16=fp16))
    if ties == "both":
        other, _ = chip_functions(model, family, _kernels(effects, "last", fp16=fp16))
        other.name = OTHER_NMS
        functions.append(other)
        copy_what_follows_nms(model)
    for node in model.graph.node:
        if node.domain == "" and node.op_type in (*spec.VENDOR_ATTRIBUTES, OTHER_NMS):
            node.domain = HOST_DOMAIN
    model.opset_import.append(onnx.helper.make_opsetid(HOST_DOMAIN, 1))
    graph = ir.from_proto(model)
    rounded = round_to_fp16(graph, rounds) if "fp16" in effects else {}
    if measure and fp16:
        chosen = {name: value for name, value in rounded.items() if not name.endswith(OTHER)}
        add_measuring(graph, chosen, infer_types(graph))
    proto = ir.to_proto(graph)
    proto.functions.extend(functions)
    onnx.save(proto, target)


def assumptions(soc: str, precision_mode: str | None) -> tuple[Statement, ...]:
    """Every rule that a rehearsal of this chip rests on, with its source and its standing.

    Raises:
        RehearsalError, PreflightError: see `rehearsed_from_vendor`.
    """
    rounds, assumed = rounds_in(precision_mode)
    words = {
        "everything": "weights, input and tensors between operators are fp16; products are added in float32, rounded once",
        "products": "what Conv, Gemm and MatMul multiply is fp16, and nothing else",
        "nothing": "nothing is fp16",
    }[rounds]
    mode = precision_mode or "force_fp16, atc's default"
    arithmetic = Statement(f"precision mode {mode}: {words}", GUIDE, "unverified" if assumed else "documented")
    more = (Statement(f"precision mode {mode}: {assumed}", GUIDE, "unverified"),) if assumed else ()
    family = chip_family(soc)
    if rounds != "everything" and family in NMS_FP16_ONLY:
        words = f"the {family} has an fp16 kernel of NMS only; what the compiler does in this mode is not known: float32 here"
        more = (*more, Statement(words, OPS_INFO, "unverified"))
    return (arithmetic, *more, *statements(family, _kernels(EFFECTS, "first", fp16=rounds == "everything")))


def _kernels(effects: tuple[Effect, ...], ties: Ties, *, fp16: bool) -> Kernels:
    return Kernels(nms="nms" in effects, pool="pool" in effects, fp16=fp16 and "fp16" in effects, ties=ties)
