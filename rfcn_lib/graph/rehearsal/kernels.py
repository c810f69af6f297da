"""The vendor's two kernels as functions of standard ONNX operators: the host definitions with the steps that a chip changes.

Each effect has a switch. An effect that the facts do not give for a chip is left out for that chip, and `statements` says so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal, get_args

import onnx

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.graph.host_definitions import nms_function, pool_function
from rfcn_lib.graph.rehearsal import facts
from rfcn_lib.graph.rehearsal.facts import Statement
from rfcn_lib.graph.twin import operator_numbers
from rfcn_lib.graph.vendor_facts import NMS_CANDIDATES, Family

NmsEffect = Literal["plus_one", "cut", "grid", "strict"]
PoolEffect = Literal["corners", "bins"]
NMS_EFFECTS: Final[tuple[NmsEffect, ...]] = get_args(NmsEffect)
POOL_EFFECTS: Final[tuple[PoolEffect, ...]] = get_args(PoolEffect)


class KernelError(SuiteError):
    """The kernels cannot be rehearsed: the chip or a switch is unknown."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """Which effects of a chip's kernels are rehearsed.

    nms: the effects of the NMS kernel that `nms_effects` names:
        plus_one: widths and heights without upstream's "+1".
        cut: only the best candidates of the class enter (310: 3,968; 310P: 4,080).
        grid: coordinates are multiplied by 0.10 in fp16, and later by 10 in fp16.
        strict: a score that is not above score_threshold is dropped.
    pool: the effects of the pooling kernel that `pool_effects` names:
        corners: the corners of the rois are rounded as the chip's kernel rounds them.
        bins: the sizes of bins and the sums of cells are fp16. Only with `fp16`, since the kernel computes in its inputs' type.
    fp16: scores, boxes, rois and maps reach the kernels as fp16, and their outputs are fp16.
    ties: which of two equal scores comes first, the one of the first or of the last row. The vendor promises no order.
    """

    nms: bool = True
    pool: bool = True
    fp16: bool = True
    ties: Literal["first", "last"] = "first"
    nms_effects: tuple[NmsEffect, ...] = NMS_EFFECTS
    pool_effects: tuple[PoolEffect, ...] = POOL_EFFECTS


def chip_functions(model: onnx.ModelProto, chip: Family, kernels: Kernels) -> list[onnx.FunctionProto]:
    """One function for each vendor operator, as `rfcn_lib.graph.twin.host_functions`, with the kernels of `chip`.

    With nms, pool and fp16 off and ties "first" they are the host definitions.

    Raises:
        KernelError: the chip, an effect or the order of ties is unknown.
        TwinError: the graph has no single set of numbers for an operator.
    """
    _check(chip, kernels)
    numbers = operator_numbers(model)
    nms, pool = numbers[spec.NMS_OPERATOR], numbers[spec.POOL_OPERATOR]
    nms_steps, nms_fp16 = _nms_steps(chip, kernels, nms["score_threshold"])
    pool_steps, pool_fp16 = _pool_steps(chip, kernels)
    return [
        in_fp16(nms_function(**nms, changed=nms_steps), nms_fp16),
        in_fp16(pool_function(**pool, changed=pool_steps), pool_fp16),
    ]


def statements(chip: Family, kernels: Kernels) -> tuple[Statement, ...]:
    """Every rule that `chip_functions` applies for the chip, and every rule that it leaves out and why.

    Raises:
        KernelError: the chip, an effect or the order of ties is unknown.
    """
    _check(chip, kernels)
    said = [
        *facts.nms(chip, kernels.nms_effects if kernels.nms else ()),
        *facts.pool(chip, kernels.pool_effects if kernels.pool else (), kernels.fp16),
        *(facts.fp16(chip) if kernels.fp16 else ()),
    ]
    return (*said, facts.TIES[kernels.ties])


def in_fp16(function: onnx.FunctionProto, names: Collection[str]) -> onnx.FunctionProto:
    """The function with each named value rounded to the nearest fp16, half to even; the value stays a float32.

    A Cast to FLOAT16 and one back follow the node that computes the value.

    Raises:
        ValueError: no node computes a value of that name.
    """
    rounded = onnx.FunctionProto()
    rounded.CopyFrom(function)
    del rounded.node[:]
    missing = set(names)
    for original in function.node:
        node = rounded.node.add()
        node.CopyFrom(original)
        for at, name in enumerate(original.output):
            if name in names:
                exact, half = f"{name}_exact", f"{name}_half"
                node.output[at] = exact
                rounded.node.append(onnx.helper.make_node("Cast", [exact], [half], to=onnx.TensorProto.FLOAT16))
                rounded.node.append(onnx.helper.make_node("Cast", [half], [name], to=onnx.TensorProto.FLOAT))
                missing.remove(name)
    if missing:
        raise ValueError(f"{function.name} should compute {', '.join(sorted(missing))}, but no node does")
    return rounded


def _check(chip: str, kernels: Kernels) -> None:
    if chip not in (families := get_args(Family)):
        raise KernelError(
            f"the chip is {chip!r}, but should be one of {', '.join(families)}: this suite knows no facts about the kernels of "
            "another chip, so it cannot rehearse them"
        )
    for kernel, chosen, known in (
        ("NMS", kernels.nms_effects, NMS_EFFECTS),
        ("pooling", kernels.pool_effects, POOL_EFFECTS),
    ):
        if unknown := sorted({*chosen} - {*known}):
            raise KernelError(f"the {kernel} effects {unknown} are unknown; choose from {', '.join(known)}")
    if kernels.ties not in facts.TIES:
        raise KernelError(f"the order of ties is {kernels.ties!r}, but should be one of {', '.join(facts.TIES)}")


# The texts below use names that NMS and POOL define: none = [0], second = [1], half = 0.5.
BACKWARDS: Final = """
    last_row = Constant <value = int64[1] {{-1}}> ()
    before_first = Constant <value = int64[1] {{-2147483648}}> ()
    boxes_back = Slice ({boxes}, last_row, before_first, second, last_row)
    scores_back = Slice ({scores}, last_row, before_first, second, last_row)
"""
# TopK puts the lower row of equal scores first, as NonMaxSuppression does, so both use one order.
CUT: Final = """
    most = Constant <value = int64[1] {{{most}}}> ()
    row_count = Size ({scores})
    every_row = Unsqueeze <axes = [0]> (row_count)
    ranked_scores, ranked = TopK <axis = 1> ({scores}, every_row)
    ranked_rows = Squeeze <axes = [0, 2]> (ranked)
    top_rows = Slice (ranked_rows, none, most, none)
    boxes_top = Gather <axis = 1> ({boxes}, top_rows)
    scores_top = Gather <axis = 1> ({scores}, top_rows)
"""
# The kernel multiplies in fp16, subtracts 1 from x2 and y2 (its IoU adds the 1 again), and turns both back for the output.
# The IoU is that of the small coordinates; times 10, without a rounding, it is the same IoU, and a "+1" would be one pixel.
GRID: Final = """
    down = Constant <value = float {{0.0999755859375}}> ()
    up = Constant <value = float {{10.0}}> ()
    end_offset = Constant <value = float[4] {{0, 0, 1, 1}}> ()
    small = Mul ({boxes}, down)
    shifted = Sub (small, end_offset)
    on_grid = Add (shifted, end_offset)
    large = Mul (on_grid, up)
    measured = Squeeze <axes = [2]> (large)
    boxes_grid = Mul (on_grid, up)
"""
# The pooling is a matrix product with zeros for the cells outside a bin, and 0 * inf is NaN. So infinite cells become numbers
# so large that a bin that covers one is infinite in fp16.
FP16_INPUTS: Final = """
    maps_fp16 = Identity (maps)
    rois_fp16 = Identity (rois)
    lowest = Constant <value = float {-1e30}> ()
    highest = Constant <value = float {1e30}> ()
    maps_finite = Clip (maps_fp16, lowest, highest)
"""
ROUNDING: Final = {
    "half up": "half_more = Add (corners, half)\n    rounded = Floor (half_more)",
    "half to even": "rounded = Round (corners)",
}
BIN_VALUES: Final = ("start", "past", "end", "extent", "step", "low", "high")


def _nms_steps(chip: Family, kernels: Kernels, score_threshold: float) -> tuple[dict[str, str], list[str]]:
    """The steps of NMS_STEPS that differ, and the values that are rounded to fp16."""
    effects = kernels.nms_effects if kernels.nms else ()
    prepared, names = "", {"boxes": "boxes", "scores": "scores"}
    steps: dict[str, str] = {}
    rounded: list[str] = []
    if kernels.fp16:
        prepared += "\n    boxes_fp16 = Identity (boxes)\n    scores_fp16 = Identity (scores)\n"
        names = {"boxes": "boxes_fp16", "scores": "scores_fp16"}
        rounded += names.values()
    if kernels.ties == "last":
        prepared += BACKWARDS.format(**names)
        names = {"boxes": "boxes_back", "scores": "scores_back"}
    if "cut" in effects and chip in NMS_CANDIDATES:
        prepared += CUT.format(**names, most=NMS_CANDIDATES[chip])
        names = {"boxes": "boxes_top", "scores": "scores_top"}
    if "grid" in effects and chip in facts.NMS_GRID:
        prepared += GRID.format(**names)
        names["boxes"], steps["measured"] = "boxes_grid", "measured"
        rounded += ["small", "shifted", "on_grid", "boxes_grid"]
    if "strict" in effects:
        prepared += f"\n    score_limit = Constant <value = float[1] {{{score_threshold:.9g}}}> ()\n"
        steps["limit"] = ", score_limit"
    if "plus_one" in effects:
        steps["ends"] = "x_end = Max (x2, x1)\n    y_end = Max (y2, y1)"
    return names | steps | {"prepared": prepared}, rounded


def _pool_steps(chip: Family, kernels: Kernels) -> tuple[dict[str, str], list[str]]:
    """The steps of POOL_STEPS that differ, and the values that are rounded to fp16."""
    effects = kernels.pool_effects if kernels.pool else ()
    steps: dict[str, str] = {}
    rounded: list[str] = []
    if "corners" in effects:
        steps["rounding"] = ROUNDING[facts.POOL_ROUNDING[chip]]
    if kernels.fp16:
        steps |= {"prepared": FP16_INPUTS, "maps": "maps_finite", "rois": "rois_fp16"}
        rounded += ["maps_fp16", "rois_fp16", "means"]
        if "half_more" in steps.get("rounding", ""):
            rounded.append("half_more")
        if "bins" in effects:
            rounded += ["sums", *(f"{value}_{axis}" for axis in "xy" for value in BIN_VALUES)]
    return steps, rounded
