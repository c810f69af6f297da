"""The flags of `ais_bench`, with the real ones' defaults and refusals: args_adapter.py and args_check.py."""

import argparse
from collections.abc import Sequence

from . import SENTENCE, style
from .ais_bench_paths import input_path, om_path, output_path

SINCE_2024 = (
    "aipp_config", "energy_consumption", "npu_id", "backend", "perf", "pipeline", "profiler_rename", "dump_npy", "threads",
)  # fmt: skip
UNMODELLED = ("dymBatch", "dymHW", "dymDims", "dymShape", "dymShape_range", "outputSize", "acl_json_path")


def arguments_of(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="__main__.py", epilog=SENTENCE)
    today = style() == "2025"
    om, read, written = (om_path, input_path, output_path) if today else (str, str, str)
    parser.add_argument("--model", "-m", type=om, required=True, help="the path of the om model")
    parser.add_argument("--input", "-i", type=read, help="input file or dir")
    parser.add_argument("--output", "-o", type=written, help="Inference data output path")
    parser.add_argument("--output_dirname", help="actual output directory name. Used with parameter output")
    parser.add_argument("--outfmt", default="BIN", choices=["NPY", "BIN", "TXT"], help="Output file format")
    parser.add_argument("--loop", "-l", type=_positive, default=1, help="the round of the PureInfer.")
    parser.add_argument("--debug", type=_bool, default=False)
    parser.add_argument("--device", "-d", type=_devices, default="0", help="the NPU device ID to use")
    for name in UNMODELLED:
        parser.add_argument(f"--{name}")
    for name in ("auto_set_dymshape_mode", "auto_set_dymdims_mode", "profiler", "dump", "display_all_summary"):
        parser.add_argument(f"--{name}", type=_bool, default=False)
    parser.add_argument("--batchsize", type=_positive)
    parser.add_argument("--pure_data_type", default="zero", choices=["zero", "random"])
    parser.add_argument("--output_batchsize_axis", type=int, default=0)
    parser.add_argument("--run_mode", default="array", choices=["array", "files", "tensor", "full"])
    parser.add_argument("--warmup_count", type=int, default=1)
    for name in SINCE_2024 if today else ():
        parser.add_argument(f"--{name}")
    parser.add_argument("--divide_input", type=_bool, default=not today, help=None if today else argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    more = (*UNMODELLED, "profiler", "dump", *(SINCE_2024 if today else ()))
    used = [name for name in more if getattr(args, name)]
    if used:
        parser.error(f"{SENTENCE}; it does not model --{used[0]}")
    return args


def _positive(text: str) -> int:
    if int(text) <= 0:
        raise argparse.ArgumentTypeError(f"{text} is an invalid positive int value")
    return int(text)


def _bool(text: str) -> bool:
    if text.lower() not in ("yes", "true", "t", "y", "1", "no", "false", "f", "n", "0"):
        raise argparse.ArgumentTypeError("Boolean value expected true, 1, false, 0 with case insensitive.")
    return text.lower() in ("yes", "true", "t", "y", "1")


def _devices(text: str) -> str:
    for number in text.split(","):
        if not 0 <= int(number) <= 255:
            raise argparse.ArgumentTypeError(f"device:{number} is invalid. valid value range is [0, 255]")
    return text
