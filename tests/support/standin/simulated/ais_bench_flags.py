"""The flags of `ais_bench`, with the real ones' defaults and refusals: __main__.py of tools-2023-06, args_check.py of 2025-12."""

import argparse
from collections.abc import Callable, Sequence

from . import SENTENCE, style
from .ais_bench_paths import input_path, om_path, output_path

UNMODELLED = ("dymHW", "dymDims", "dymShape", "dymShape_range", "outputSize", "acl_json_path")
UNMODELLED_SINCE_2024 = ("aipp_config", "backend")
SWITCHES = ("auto_set_dymshape_mode", "auto_set_dymdims_mode", "profiler", "dump", "display_all_summary")
SWITCHES_SINCE_2024 = ("energy_consumption", "perf", "pipeline", "dump_npy", "divide_input")
MODELLED = ("display_all_summary", "divide_input")
MOST_ROUNDS = 100_000


def arguments_of(arguments: Sequence[str]) -> argparse.Namespace:
    """Parsed, `device` as a list of numbers. Ends the process with 2 where the tool does, and for what is not modelled.

    Source: names, defaults and choices: args_adapter.py of tools-2025-12, __main__.py of tools-2023-06, seen; what is not
    modelled: ours.
    """
    parser = argparse.ArgumentParser(prog="__main__.py", epilog=SENTENCE)
    today = style() == "2025"
    om, read, written = (om_path, input_path, output_path) if today else (str, str, str)
    parser.add_argument("--model", "-m", type=om, required=True, help="the path of the om model")
    parser.add_argument("--input", "-i", type=read, help="input file or dir")
    parser.add_argument("--output", "-o", type=written, help="Inference data output path")
    parser.add_argument("--output_dirname", help="actual output directory name. Used with parameter output")
    parser.add_argument("--outfmt", default="BIN", choices=["NPY", "BIN", "TXT"], help="Output file format")
    parser.add_argument("--loop", "-l", type=_number(1, MOST_ROUNDS, "loop size value"), default=1)
    parser.add_argument("--debug", type=_switch, default=False)
    parser.add_argument("--device", "-d", type=_devices, default=[0], help="the NPU device ID to use")
    # the real help has such a comma too, so it dies where stdout takes ASCII alone; seen
    parser.add_argument("--dymBatch", type=int, default=0, help="dynamic batch size，not modelled")  # noqa: RUF001
    for name in (*UNMODELLED, *(UNMODELLED_SINCE_2024 if today else ())):
        parser.add_argument(f"--{name}")
    for name in (*SWITCHES, *(SWITCHES_SINCE_2024 if today else ())):
        parser.add_argument(f"--{name}", type=_switch, default=False)
    parser.add_argument("--batchsize", type=_number(1))
    parser.add_argument("--pure_data_type", default="zero", choices=["zero", "random"])
    parser.add_argument("--output_batchsize_axis", type=_number(0), default=0)
    parser.add_argument("--run_mode", default="array", choices=["array", "files", "tensor", "full"])
    parser.add_argument("--warmup_count", type=_number(0), default=1)
    if today:
        parser.add_argument("--profiler_rename", type=_switch, default=True)
        parser.add_argument("--npu_id", type=int, default=0)
        parser.add_argument("--threads", type=_number(1), default=1)
    args = parser.parse_args(arguments)
    switches = (*SWITCHES, *(SWITCHES_SINCE_2024 if today else ()))
    more = ("dymBatch", *UNMODELLED, *(UNMODELLED_SINCE_2024 if today else ()), *switches)
    used = [name for name in more if name not in MODELLED and getattr(args, name)]
    if used:
        parser.error(f"{SENTENCE}; it does not model --{used[0]}")
    return args


def _number(least: int, most: int = 2**31 - 1, what: str = "") -> Callable[[str], int]:
    """Source: args_check.py, read."""
    what = what or ("positive int value" if least else "nonnegative int value")

    def number(text: str) -> int:
        if style() == "2025" and not text.isdigit():
            raise argparse.ArgumentTypeError(f"{text} contains special characters other than numbers.")
        if not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text} is an invalid {what}")
        return int(text)

    number.__name__ = (
        "check_positive_integer" if least else "check_nonnegative_integer"
    )  # argparse says it of no number
    return number


def _switch(text: str) -> bool:
    """Source: args_check.py, str2bool, read."""
    if text.lower() not in ("yes", "true", "t", "y", "1", "no", "false", "f", "n", "0"):
        raise argparse.ArgumentTypeError("Boolean value expected true, 1, false, 0 with case insensitive.")
    return text.lower() in ("yes", "true", "t", "y", "1")


def _devices(text: str) -> list[int]:
    """Source: args_check.py, check_device_range_valid, seen of 2022-11, read of 2025-12."""
    numbers = text.split(",")
    if style() == "2025" and not all(number.strip().removeprefix("-").isdigit() for number in numbers):
        raise argparse.ArgumentTypeError(
            f"{text} contains special characters other than numbers."
            if len(numbers) == 1
            else f"Argument npu-id invalid input value: {text}. "
            "Please provide a valid integer or a comma-separated list of integers."
        )
    for number in map(int, numbers):
        if not 0 <= number <= 255:
            named = f"{number} of device:{text}" if len(numbers) > 1 else f"device:{number}"
            raise argparse.ArgumentTypeError(f"{named} is invalid. valid value range is [0, 255]")
    return [int(number) for number in numbers]


_devices.__name__ = "check_device_range_valid"
