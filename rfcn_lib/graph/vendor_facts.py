"""Limits of the compiler and the chips, each with the vendor's page or file where we read it. The preflight uses them.

We read these facts; we have not tried them on a device.
"""

from typing import Final, Literal

import onnx_ir as ir

from rfcn_lib import spec
from rfcn_lib.errors import SuiteError
from rfcn_lib.socs import NO_FACTS

Family = Literal["310", "310B", "310P", "910", "910B"]


class PreflightError(SuiteError):
    """The preflight has no facts about this chip."""


ERROR_CODES: Final = "CANN 8.1.RC1 error_code.json"
OLDEST: Final = "hiascend canncommercial/5046 atlasatc_16_0164 (CANN 5.0.4.6: opset v9-v13)"
NEWEST: Final = "hicann/ge ATC user guide, --framework (2026: opset v11-v18)"
EVERY_RELEASE: Final = range(11, 14)  # opsets that every release reads, as far as we know
ANY_RELEASE: Final = range(9, 19)  # opsets that at least one release reads
LIMITS: Final = "hicann/ge ATC user guide, docs/zh/user_guides/atc_tools"
NMS_PLUGIN: Final = "hicann/ops-cv batch_multi_class_non_max_suppression_onnx_plugin.cpp (ai.onnx::8..16)"
NMS_PROTO: Final = (
    "CANN 8.1.RC1 op_proto/inc/nn_detect_ops.h; hicann/ops-cv batch_multi_class_non_max_suppression/README.md"
)
NMS_KERNEL: Final = "CANN 8.1.RC1 tbe/impl/batch_multi_class_non_max_suppression.py, proposal_topk_k"
POOL_PLUGIN: Final = "hicann/ops-cv psroi_poolingV2_onnx_plugin.cpp (ai.onnx::8..16)"
POOL_PROTO: Final = "CANN 8.1.RC1 op_proto/inc/nn_detect_ops.h, PSROIPoolingV2"
TOP_K: Final = "CANN 8.1.RC1 impl/dynamic/top_k_d.py; canndev 2021-11 tbe/impl/top_k_d.py"
OPS_INFO: Final = "CANN 8.1.RC1 aic-*-ops-info.json"
MODEL_ZOO: Final = "Ascend/ModelZoo-PyTorch ACL_PyTorch READMEs (RetinaNet, Cascade_RCNN)"
NEGATIVE_INDEX: Final = f"{MODEL_ZOO}; open-mmlab/mmdeploy pytorch/functions/tensor_getitem.py"

PLUGIN_OPSETS: Final = range(8, 17)  # of both plugins; canndev of 2021 had 8..13 for NMS, and no PSROIPooling
PLUGINS: Final = {spec.NMS_OPERATOR: NMS_PLUGIN, spec.POOL_OPERATOR: POOL_PLUGIN}
TOP_K_LARGEST: Final = 4096
TOP_K_WIDE: Final = (32768, 16)  # axis length, k: TopK with a longer axis and a smaller k runs on the AI CPU
NMS_CANDIDATES: Final = {"310": 3968, "310P": 4080}  # boxes per class that the kernel reads
NMS_FP16_ONLY: Final = ("310", "310P", "910")
NO_NON_ZERO: Final = ("310", "310B")
FAMILIES: Final[tuple[tuple[str, Family], ...]] = (  # the first match counts; Atlas A3 is built like the 910B
    ("Ascend310B", "310B"), ("Ascend310P", "310P"), ("Ascend310", "310"), ("Ascend710", "310P"),
    ("Ascend910B", "910B"), ("Ascend910_93", "910B"), ("Ascend910", "910"),
)  # fmt: skip
FIRST_910B: Final = (
    "Ascend910B"  # without a number: the first generation (platform_config: Short_SoC_version=Ascend910)
)
INPUT_TYPES: Final = (ir.DataType.FLOAT, ir.DataType.FLOAT16, ir.DataType.UINT8)


def chip_family(soc: str) -> Family:
    """The generation of a chip, "Ascend310P3" -> "310P". Raises PreflightError if the name matches no generation."""
    unknown = next((start for start in NO_FACTS if soc.startswith(start)), None)
    if unknown:
        raise PreflightError(
            f"the soc is {soc!r}, but this suite knows no facts about {unknown}'s operators, so the preflight cannot check it; "
            "compile the graph with --soc on a host that has atc"
        )
    if soc == FIRST_910B:
        return "910"
    for start, found in FAMILIES:
        if soc.startswith(start):
            return found
    known_starts = ", ".join(start for start, _ in FAMILIES)
    raise PreflightError(f"the soc is {soc!r}, but should begin with one of {known_starts}; pass --soc=NAME")
