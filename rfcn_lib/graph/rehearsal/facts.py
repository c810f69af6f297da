"""What the vendor's two kernels do on each chip: each rule with its source, and what nobody could read or try.

We read these facts; we have not tried them on a device.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from rfcn_lib.graph.vendor_facts import NMS_CANDIDATES, NMS_FP16_ONLY, NMS_KERNEL, OPS_INFO, POOL_PROTO, Family

Standing = Literal["read in the source", "documented", "derived", "unverified"]
Rounding = Literal["half up", "half to even"]


@dataclass(frozen=True, slots=True)
class Statement:
    """A rule of the rehearsal, or a rule that the facts do not give: the vendor's page or file, and how sure it is."""

    sentence: str
    source: str
    standing: Standing


NMS_PAGE: Final = "hicann/ops-cv objdetect/batch_multi_class_non_max_suppression/README.md"
NMS_REFERENCE: Final = f"{NMS_PAGE} and tests/assets/golden.py"
NMS_SOURCE: Final = "CANN 8.1.RC1 and canndev 2021-11 tbe/impl/batch_multi_class_non_max_suppression.py"
NMS_FUSION: Final = "canndev 2021-11 fusion_pass/graph_fusion/ai_core/batch_multi_class_nms_*"
POOL_STATIC: Final = "CANN 8.1.RC1 tbe/impl/psroipooling.py and p_s_r_o_i_pooling_v2.py"
POOL_DYNAMIC: Final = "CANN 8.1.RC1 tbe/impl/dynamic/psroipooling_v2.py"
ATC_PRECISION: Final = "hicann/ge ATC user guide, --precision_mode"

NMS_GRID: Final[tuple[Family, ...]] = ("310", "310P")  # the kernels whose source multiplies coordinates by 0.10
POOL_ROUNDING: Final[dict[Family, Rounding]] = {
    "310": "half up", "310B": "half up", "310P": "half to even", "910": "half to even", "910B": "half to even",
}  # fmt: skip

TIES: Final = {
    order: Statement(
        f"of equal scores the {order} row comes first; the vendor promises no order: rehearse both",
        NMS_PAGE,
        "unverified",
    )
    for order in ("first", "last")
}


def nms(chip: Family, effects: Collection[str]) -> Iterator[Statement]:
    """The rules of the NMS kernel for the effects rehearsed."""
    if "plus_one" in effects:
        yield Statement(
            'widths and heights of the NMS are x2 - x1 and y2 - y1, without "+1"', NMS_REFERENCE, "documented"
        )
    if "strict" in effects:
        yield Statement("the NMS keeps a score only if it is above score_threshold", NMS_REFERENCE, "documented")
    if "cut" in effects and chip in NMS_CANDIDATES:
        sentence = f"only the best {NMS_CANDIDATES[chip]} candidates of a class enter the {chip}'s NMS"
        yield Statement(sentence, NMS_KERNEL, "read in the source")
        sentence = (
            "the second pass of high_precision needs three chunks, so it does not read the rest of 6,000 candidates"
        )
        yield Statement(sentence, NMS_SOURCE, "derived")
    elif "cut" in effects:
        sentence = f"the number of candidates of the {chip}'s NMS kernel is not known: not cut"
        yield Statement(sentence, NMS_SOURCE, "unverified")
    if "grid" in effects and chip in NMS_GRID:
        sentence = (
            "the NMS multiplies coordinates by 0.10 in fp16 (0.09998), subtracts 1 from x2 and y2, adds it again, and "
            "multiplies by 10 in fp16"
        )
        yield Statement(sentence, f"{NMS_SOURCE}, DOWN_FACTOR", "read in the source")
        sentence = "the NMS kernel computes areas and overlaps in fp16; not rehearsed: float32"
        yield Statement(sentence, f"{NMS_SOURCE}, do_nms_compute", "read in the source")
    elif "grid" in effects:
        sentence = (
            f"whether the {chip}'s NMS kernel multiplies coordinates by 0.10 in fp16 is not known: not multiplied"
        )
        yield Statement(sentence, NMS_SOURCE, "unverified")
        sentence = f"the precision in which the {chip}'s NMS kernel computes areas and overlaps is not known: float32"
        yield Statement(sentence, NMS_SOURCE, "unverified")
    if effects:
        sentence = (
            f"whether the {chip}'s NMS kernel drops boxes without area is not known (the vendor's reference of 2026 does): "
            "they are kept, and they suppress nothing"
        )
        yield Statement(sentence, NMS_REFERENCE, "unverified")
        sentence = (
            "if nothing reads the NMS's scores, the compiler maps scores to other numbers in the same order, so that fewer "
            "are equal in fp16; not rehearsed"
        )
        yield Statement(sentence, NMS_FUSION, "derived")


def pool(chip: Family, effects: Collection[str], fp16: bool) -> Iterator[Statement]:
    """The rules of the pooling kernel for the effects rehearsed."""
    rounding = POOL_ROUNDING[chip]
    source = POOL_STATIC if rounding == "half up" else POOL_DYNAMIC
    if "corners" in effects:
        sentence = f"the {chip}'s PSROIPooling rounds the corners of the rois {rounding}"
        yield Statement(sentence, f"{source}; {OPS_INFO}", "read in the source")
        if fp16 and rounding == "half up":
            sentence = "it adds the 0.5 in fp16: an odd coordinate from 1025 to 2047 becomes the next even one"
            yield Statement(sentence, source, "derived")
        sentence = (
            "rois should be at least 0; what the kernel does with a negative corner is not known: rounded as the others"
        )
        yield Statement(sentence, POOL_PROTO, "unverified")
    if "bins" in effects and fp16:
        sentence = (
            "PSROIPooling computes the size of a bin and its multiples in fp16, and adds a roi's start in float32"
        )
        yield Statement(sentence, source, "read in the source")
        sentence = (
            "PSROIPooling adds the cells of a bin one after the other in fp16; rehearsed: their sum in float32, rounded to "
            "fp16 once"
        )
        yield Statement(sentence, source, "read in the source")


def fp16(chip: Family) -> Iterator[Statement]:
    """The rules about the numbers that enter and leave the kernels."""
    sentence = f"boxes and scores enter and leave the {chip}'s NMS as fp16"
    if chip in NMS_FP16_ONLY:
        yield Statement(f"{sentence}; its kernel has no other type", OPS_INFO, "documented")
    else:
        yield Statement(
            f"{sentence}, as force_fp16 asks; its kernel also has float32", f"{ATC_PRECISION}; {OPS_INFO}", "documented"
        )
    sentence = "maps and rois enter the PSROIPooling as fp16, and its output is fp16, as force_fp16 asks"
    yield Statement(sentence, ATC_PRECISION, "documented")
