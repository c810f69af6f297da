"""`atc`: reads an ONNX file as the vendor's parser does, says what the compiler says, writes a simulated om."""

import hashlib
import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import onnx

from . import SENTENCE, style
from .faults import CODES, planted
from .om import write_om

# GE, api/atc/main_impl.cc: the three lines, the failure line before the codes, 0 or another exit status, -1 (255) for flags
START = "ATC start working now, please wait for a moment."
SUCCESS = "ATC run success, welcome to the next use."
FAILURE = "ATC run failed, Please check the detail log, Try 'atc --help' for more information"
NEEDED = ("framework", "model", "output", "soc_version")
KNOWN = (
    *NEEDED, "input_format", "input_shape", "log", "precision_mode", "precision_mode_v2", "op_select_implmode",
    "op_precision_mode", "optypelist_for_implmode", "keep_dtype", "customize_dtypes", "dynamic_batch_size",
    "dynamic_image_size", "dynamic_dims", "insert_op_conf", "enable_small_channel", "buffer_optimize", "op_debug_level",
    "out_nodes", "output_type", "input_fp16_nodes", "fusion_switch_file", "auto_tune_mode", "op_compiler_cache_mode",
    "op_compiler_cache_dir", "mode", "weight", "debug_dir", "status_check",
)  # fmt: skip
CHOICES = {
    "framework": ("0", "1", "2", "3", "5"),
    "input_format": ("NCHW", "NCDHW", "ND"),
    "log": ("debug", "info", "warning", "error", "null"),
    "precision_mode": (
        "force_fp32", "cube_fp16in_fp32out", "force_fp16", "allow_fp32_to_fp16", "must_keep_origin_dtype",
        "allow_mix_precision", "allow_mix_precision_fp16", "allow_mix_precision_bf16", "allow_fp32_to_bf16",
    ),
    "precision_mode_v2": ("fp16", "origin", "cube_fp16in_fp32out", "mixed_float16", "mixed_bfloat16"),
}  # fmt: skip
SOC = re.compile(
    r"Ascend(310|310B[1-4]|310P[1357]|610|710|910|910A|910B|910B[1-4]|910B2C|910B4-1|910Pro[AB]|910PremiumA|910_93[6-9][0-9])"
)
VENDOR = {  # operator -> attribute -> the type its parser reads; any other type is dropped without a word
    "BatchMultiClassNMS": {
        "iou_threshold": "FLOAT", "score_threshold": "FLOAT", "max_size_per_class": "INT", "max_total_size": "INT",
    },
    "PSROIPooling": {"spatial_scale": "FLOAT", "output_dim": "INT", "group_size": "INT"},
}  # fmt: skip
PATH = re.compile("[\u4e00-\u9fa5A-Za-z0-9./_-]+")
PATH_RULE = "The path can only contain 'a-z' 'A-Z' '0-9' '-' '.' '_' and chinese character"  # GE, CheckInputPathValid
VENDOR_OPSETS = range(8, 17)
NO_KERNEL_310 = ("NonZero",)
OM_MODE = 0o600  # a public listing of a real om: -rw-------
NAMES = {"EZ3003": "Unsupported_Operator"}  # CANN 9, public logs; no other name is known here
NO_CODE = (  # ATC user guide, calibration by AMCT: lines of a failure without a code
    "[ERROR] AMCT({pid},atc.bin):{when}[utils_acl.cpp:133]input image size[1579014] is not equal to model input size[3158028]",
    "[ERROR] AMCT({pid},atc.bin):{when}[sample_process.cpp:234]memcpy device buffer failed",
)


class RefusedError(Exception):
    """A code and what fills its text; status is the exit status."""

    def __init__(self, code: str, status: int = 1, **said: str) -> None:
        self.code, self.text, self.status = code, CODES[code].format(**said), status
        super().__init__(f"{code}: {self.text}")

    def printed(self, cann9: bool) -> str:
        """As the versions print it: STANDIN_STYLE=2023 is `CODE: text`; 2025, the default, has process and date between.

        Public logs: `E19010: No parser ...` of old ones, `E10007: [PID: 10490] 2025-03-18-09:02:18.501.341 [--framework]
        ...` of CANN 8, `[PID: ...] date Unsupported_Operator(EZ3003): ...` of CANN 9 (the fault cann9).
        """
        now = datetime.now()
        when = f"[PID: {os.getpid()}] {now:%Y-%m-%d-%H:%M:%S}.{now.microsecond // 1000:03}.{now.microsecond % 1000:03}"
        if cann9:
            return f"{when} {NAMES.get(self.code, 'Simulated_Name')}({self.code}): {self.text}"
        return str(self) if style() == "2023" else f"{self.code}: {when} {self.text}"


def main(arguments: Sequence[str]) -> int:
    """Convert, or say why not; 0, or another exit status.

    Source: GE, api/atc/main_impl.cc, for lines, their order and exit status; public logs for a failure without a code.
    """
    faults = planted("atc")
    if not arguments or "--help" in arguments or "-h" in arguments:
        print(f"{SENTENCE}\nusage: atc <args>\n" + "\n".join(f"  --{name}" for name in KNOWN))
        return 0
    print(f"{SENTENCE}\n{START}", flush=True)
    if "no_code" in faults:
        when = f"{datetime.now():%Y-%m-%d-%H:%M:%S}"
        print(*(line.format(pid=os.getpid(), when=when) for line in NO_CODE), "...", FAILURE, sep="\n")
        return 255
    try:
        _plant(faults)
        flags = _flags(arguments)
        target, graph, facts = _converted(flags)
    except RefusedError as refused:
        print(f"{FAILURE}\n{refused.printed('cann9' in faults)}")
        return refused.status
    if os.environ.get("ASCEND_SLOG_PRINT_TO_STDOUT") == "1":
        print(f"[{flags.get('log', 'null').upper()}] SIMULATED no log of a compiler")
    write_om(target, graph, facts)
    target.chmod(OM_MODE)
    print(f"...\n{SUCCESS}")
    return 0


def _plant(faults: dict[str, str]) -> None:
    """Source: ours; the texts are CODES."""
    said = {
        "name": "PSROIPooling_1192", "optype": "ai.onnx::11::PSROIPooling", "value": "X", "parameter": "--planted",
        "reason": "planted fault of the stand-in", "count": "2",
    }  # fmt: skip
    for code in CODES:
        if code in faults:
            raise RefusedError(code, 255 if code.startswith("E100") else 1, **said)


def _flags(arguments: Sequence[str]) -> dict[str, str]:
    """--name=value or --name value; every flag known and within its choices.

    Source: ATC user guide for names and choices; the reasons are made up.
    """
    flags, words = {}, list(arguments)
    while words:
        name, equals, value = words.pop(0).partition("=")
        if not equals and words:
            value = words.pop(0)
        if not name.startswith("--") or name[2:] not in KNOWN:
            _refuse_flag(name, value, "the parameter is unknown")
        flags[name[2:]] = value
    for name in NEEDED:
        if not flags.get(name):
            _refuse_flag(f"--{name}", "", "the parameter is required")
    for name, choices in CHOICES.items():
        if name in flags and flags[name] not in choices:
            _refuse_flag(f"--{name}", flags[name], f"it must be one of {', '.join(choices)}")
    if flags["framework"] != "5":
        _refuse_flag("--framework", flags["framework"], "the stand-in converts ONNX (5) alone")
    if "precision_mode" in flags and "precision_mode_v2" in flags:
        _refuse_flag("--precision_mode_v2", flags["precision_mode_v2"], "it cannot be used with --precision_mode")
    if not SOC.fullmatch(flags["soc_version"]):
        _refuse_flag("--soc_version", flags["soc_version"], "the soc version is unknown")
    return flags


def _refuse_flag(parameter: str, value: str, reason: str) -> None:
    """Source: E10001 of error_code.json; 255 of GE, main_impl.cc (-1)."""
    raise RefusedError("E10001", 255, value=value, parameter=parameter, reason=reason)


def _converted(flags: dict[str, str]) -> tuple[Path, bytes, dict[str, object]]:
    """Source: GE, CheckInputPathValid, for the rule of paths; the other reasons are made up."""
    source, target = Path(flags["model"]), Path(f"{flags['output']}.om")
    if not source.is_file():
        _refuse_flag("--model", flags["model"], "the file does not exist")
    for flag, path in (("--model", source), ("--output", target)):
        if not PATH.fullmatch(str(path.resolve())):
            _refuse_flag(flag, str(path), PATH_RULE)
    if not target.parent.is_dir():
        _refuse_flag("--output", flags["output"], "the folder does not exist")
    graph = source.read_bytes()
    try:
        model = onnx.load_model_from_string(graph)
    except Exception as error:
        raise RefusedError("E19999", reason=f"parse onnx model failed: {str(error)[:200]}") from error
    _parse(model, flags["soc_version"])
    shape = _input_shape(model, flags.get("input_shape", ""))
    facts = {
        "SIMULATED": SENTENCE,
        "soc_version": flags["soc_version"],
        "flags": {name: value for name, value in flags.items() if name not in ("model", "output")},
        "input_shape": shape,
        "graph_sha256": hashlib.sha256(graph).hexdigest(),
    }
    return target, model.SerializeToString(), facts


def _parse(model: onnx.ModelProto, soc: str) -> None:
    """What the parser demands of domains, operators and attributes. It drops wrongly typed attributes, in place.

    Source: hicann/ops-cv plugins (domain, opsets 8 to 16) and error_code.json; which code comes when: public logs of
    E19010, E16005, EZ3003.
    """
    if len(model.opset_import) != 1:
        raise RefusedError("E16005", count=str(len(model.opset_import)))
    opset = model.opset_import[0].version
    for node in model.graph.node:
        optype = f"{node.domain or 'ai.onnx'}::{opset}::{node.op_type}"
        vendor = VENDOR.get(node.op_type) if not node.domain and opset in VENDOR_OPSETS else None
        if vendor is None and (node.domain or not onnx.defs.has(node.op_type, opset, "")):
            raise RefusedError("E19010", name=node.name, optype=optype)
        if node.op_type in NO_KERNEL_310 and soc.startswith("Ascend310") and "310P" not in soc:
            raise RefusedError("EZ3003", name=node.name, optype=node.op_type)
        if vendor is not None:
            _read_attributes(node, vendor)


def _read_attributes(node: onnx.NodeProto, read: dict[str, str]) -> None:
    """Source: hicann/ops-cv plugins, which read these types; E40021 for a lost whole number is derived, not seen."""
    kinds = {attribute.name: onnx.AttributeProto.AttributeType.Name(attribute.type) for attribute in node.attribute}
    lost = [name for name, kind in read.items() if kinds.get(name) != kind]
    if node.op_type == "PSROIPooling" and lost:
        raise RefusedError("E19999", reason="Node must have attr spatial_scale, output_dim, group_size")
    if any(read[name] == "INT" for name in lost):
        raise RefusedError("E40021", name=node.name, optype="BatchMultiClassNonMaxSuppression")
    kept = [attribute for attribute in node.attribute if attribute.name not in lost]
    del node.attribute[:]
    node.attribute.extend([*kept, *(onnx.helper.make_attribute(name, 0.0) for name in lost)])


def _input_shape(model: onnx.ModelProto, given: str) -> list[int]:
    """The shape of the one input; every input the graph declares must have a fixed one.

    Source: error_code.json for the codes; the reasons are made up.
    """
    own = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in model.graph.input}
    for entry in filter(None, given.split(";")):
        name, _, sides = entry.rpartition(":")
        if name not in own:
            raise RefusedError("E10016", 255, value=given, name=name)
        if not re.fullmatch(r"\d+(,\d+)*", sides):
            raise RefusedError("E10002", 255, value=given, reason=f"{sides} is no list of fixed sides")
        wanted = [int(side) for side in sides.split(",")]
        if any(side not in (0, want) for side, want in zip(own[name], wanted, strict=False)) or len(wanted) != len(
            own[name]
        ):
            raise RefusedError("E10002", 255, value=given, reason=f"{name} has the sides {own[name]} in the model")
        own[name] = wanted
    for name, sides in own.items():
        if not sides or 0 in sides:
            raise RefusedError(
                "E10002", 255, value=given, reason=f"the shape of {name} is dynamic, {sides}, and not given"
            )
    if len(own) != 1:
        raise RefusedError(
            "E10002", 255, value=given, reason=f"the stand-in runs graphs of one input, not {sorted(own)}"
        )
    return next(iter(own.values()))
