"""The vendor's two kernels as functions of standard ONNX operators: the host definitions with the steps that a chip changes.

Each effect has a switch. An effect that the facts do not give for a chip is left out for that chip, and `statements` says so.
"""

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
NMS_EFFECTS: Final[tuple[NmsEffect, ...]] = get_args(NmsEffect)


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
    pool: the corners of the rois are rounded as the chip's kernel rounds them.
    fp16: scores, boxes, rois and maps reach the kernels as fp16, and their outputs are fp16.
    ties: which of two equal scores comes first, the one of the first or of the last row. The vendor promises no order.
    """

    nms: bool = True
    pool: bool = True
    fp16: bool = True
    ties: Literal["first", "last"] = "first"
    nms_effects: tuple[NmsEffect, ...] = NMS_EFFECTS


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
    return [
        nms_function(**nms, changed=_nms_steps(chip, kernels, nms["score_threshold"])),
        pool_function(**pool, changed=_pool_steps(chip, kernels)),
    ]


def statements(chip: Family, kernels: Kernels) -> tuple[Statement, ...]:
    """Every rule that `chip_functions` applies for the chip, then every rule that the facts do not give for it.

    Raises:
        KernelError: the chip, an effect or the order of ties is unknown.
    """
    _check(chip, kernels)
    effects = set(kernels.nms_effects) if kernels.nms else set()
    said = [*facts.nms(chip, effects)]
    if kernels.pool:
        said += facts.pool(chip)
    if kernels.fp16:
        said += facts.fp16(chip)
    return (*said, facts.TIES[kernels.ties])


def _check(chip: str, kernels: Kernels) -> None:
    if chip not in (families := get_args(Family)):
        raise KernelError(
            f"the chip is {chip!r}, but should be one of {', '.join(families)}: this suite knows no facts about the kernels of "
            "another chip, so it cannot rehearse them"
        )
    if unknown := sorted(set(kernels.nms_effects) - set(NMS_EFFECTS)):
        raise KernelError(f"the NMS effects {unknown} are unknown; choose from {', '.join(NMS_EFFECTS)}")
    if kernels.ties not in facts.TIES:
        raise KernelError(f"the order of ties is {kernels.ties!r}, but should be one of {', '.join(facts.TIES)}")


# The lines below use names that the text of NMS and POOL defines: none = [0], second = [1], half = 0.5.
BACKWARDS: Final = """
    last_row = Constant <value = int64[1] {-1}> ()
    before_first = Constant <value = int64[1] {-2147483648}> ()
    boxes_back = Slice (BOXES, last_row, before_first, second, last_row)
    scores_back = Slice (SCORES, last_row, before_first, second, last_row)
"""
# TopK puts the lower row of equal scores first, as NonMaxSuppression does, so the two orders agree.
CUT: Final = """
    most = Constant <value = int64[1] {MOST}> ()
    row_count = Size (SCORES)
    every_row = Unsqueeze <axes = [0]> (row_count)
    ranked_scores, ranked = TopK <axis = 1> (SCORES, every_row)
    ranked_rows = Squeeze <axes = [0, 2]> (ranked)
    top_rows = Slice (ranked_rows, none, most, none)
    boxes_top = Gather <axis = 1> (BOXES, top_rows)
    scores_top = Gather <axis = 1> (SCORES, top_rows)
"""


def _nms_steps(chip: Family, kernels: Kernels, score_threshold: float) -> dict[str, str]:
    """The steps of NMS_STEPS that differ."""
    effects = set(kernels.nms_effects) if kernels.nms else set()
    prepared, steps = "", {"boxes": "boxes", "scores": "scores"}

    def add(text: str, suffix: str) -> None:
        nonlocal prepared
        prepared += text.replace("BOXES", steps["boxes"]).replace("SCORES", steps["scores"])
        steps.update(boxes=f"boxes_{suffix}", scores=f"scores_{suffix}")

    if kernels.fp16:
        add(_as_fp16("boxes_fp16", "BOXES") + _as_fp16("scores_fp16", "SCORES"), "fp16")
    if kernels.ties == "last":
        add(BACKWARDS, "back")
    if "cut" in effects and chip in NMS_CANDIDATES:
        add(CUT.replace("MOST", str(NMS_CANDIDATES[chip])), "top")
    if "grid" in effects and chip in facts.NMS_GRID:
        prepared += GRID.replace("BOXES", steps["boxes"])
        steps.update(boxes="boxes_on_grid", measured="corners_on_grid")
    if "strict" in effects:
        prepared += f"    score_limit = Constant <value = float[1] {{{score_threshold:.9g}}}> ()\n"
        steps["limit"] = ", score_limit"
    if "plus_one" in effects:
        steps["ends"] = "x_end = Max (x2, x1)\n    y_end = Max (y2, y1)\n"
    return steps | {"prepared": prepared}


def _pool_steps(chip: Family, kernels: Kernels) -> dict[str, str]:
    """The steps of POOL_STEPS that differ."""
    steps = {}
    if kernels.pool:
        steps["rounding"] = ROUNDING[facts.POOL_ROUNDING[chip]]
    if kernels.fp16:
        steps |= {"prepared": _as_fp16("maps_fp16", "maps") + _as_fp16("rois_fp16", "rois")}
        steps |= {"maps": "maps_fp16", "rois": "rois_fp16"}
        steps |= {"finished": _as_fp16("means_fp16", "means"), "result": "means_fp16"}
    return steps


ROUNDING: Final = {
    "half up": "half_more = Add (corners, half)\n    rounded = Floor (half_more)\n",
    "half to even": "rounded = Round (corners)\n",
}


def _as_fp16(rounded: str, value: str) -> str:
    """Two lines that round `value` to the nearest fp16, half to even, and keep it as float32."""
    return f"    {rounded}_half = Cast <to = 10> ({value})\n    {rounded} = Cast <to = 1> ({rounded}_half)\n"


# The kernel multiplies in fp16, subtracts 1 from x2 and y2 (its IoU adds the 1 again), and turns both back for the output.
# The IoU is that of the small coordinates; times 10, exact in float32, it is the same IoU, and a "+1" would be one pixel.
GRID: Final = (
    """
    down = Constant <value = float {0.0999755859375}> ()
    up = Constant <value = float {10.0}> ()
    end_offset = Constant <value = float[4] {0, 0, 1, 1}> ()
    small_exact = Mul (BOXES, down)
"""
    + _as_fp16("small", "small_exact")
    + "    shifted_exact = Sub (small, end_offset)\n"
    + _as_fp16("shifted", "shifted_exact")
    + "    grid_exact = Add (shifted, end_offset)\n"
    + _as_fp16("grid", "grid_exact")
    + "    large = Mul (grid, up)\n    corners_on_grid = Squeeze <axes = [2]> (large)\n"
    + _as_fp16("boxes_on_grid", "large")
)
